"""Eight networks of one shape, each pretrained in its own way, and how well each fine-tunes.

All are MLPs 784, 128, 32 on images of 28 x 28 pixels, so that scores of their vectors can be
compared in the units they come in. Units are leaky (0.1), so that none dies: a unit that is zero
for all images has no entropy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.core.errors import MissingExtra
from isthmus.evidence.corpora import digits, mnist

SIZES = (784, 128, 32)
_BATCH = 64
#: What each network is made to do before; None is left as it was drawn.
TASKS = (
    "untrained", "shuffled", "autoencoder", "denoising", "rotations", "contrastive", "parity",
    "classes",
)  # fmt: skip


def wide_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits as images of 28 x 28 pixels: every pixel thrice, with a margin of two.

    Examples
    --------
    >>> wide_digits()[0].shape
    (1797, 784)
    """
    images, labels = digits()
    large = np.kron(images.reshape(-1, 8, 8), np.ones((1, 3, 3)))
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784), labels


class Network:
    """An encoder of 784 pixels to 32 units, as torch parameters; ``encode`` gives NumPy."""

    def __init__(self, seed: int) -> None:
        torch = _torch()
        rng = np.random.default_rng(seed)
        self.layers = []
        for a, b in pairwise(SIZES):
            weights = torch.tensor(rng.normal(0, np.sqrt(2 / a), (a, b)), dtype=torch.float32)
            self.layers.append((weights.requires_grad_(), torch.zeros(b, requires_grad=True)))

    @property
    def parameters(self) -> list[Any]:
        """All weights and biases."""
        return [p for layer in self.layers for p in layer]

    def __call__(self, x: Any) -> Any:
        """Activations (n, 32) of a torch batch (n, 784)."""
        torch = _torch()
        for weights, bias in self.layers:
            x = torch.nn.functional.leaky_relu(x @ weights + bias, 0.1)
        return x

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Vectors (n, 32) float64 of images (n, 784)."""
        torch = _torch()
        with torch.no_grad():
            found: np.ndarray = self(torch.tensor(images, dtype=torch.float32)).double().numpy()
        return found

    def copy(self) -> "Network":
        """The same network with parameters of its own."""
        other = Network(0)
        other.layers = [
            (weights.detach().clone().requires_grad_(), bias.detach().clone().requires_grad_())
            for weights, bias in self.layers
        ]
        return other


def pretrained(
    task: str, images: np.ndarray, labels: np.ndarray, *, seed: int, steps: int = 600
) -> Network:
    """A network trained on one of ``TASKS`` with images (n, 784) and labels (n,) of ten digits."""
    torch = _torch()
    network, rng = Network(seed), np.random.default_rng(seed)
    if task == "untrained":
        return network
    if task == "classes":  # half of the digits, so that it does not know the others
        images, labels = images[labels < 5], labels[labels < 5]
    goal = {"parity": labels % 2, "shuffled": rng.permutation(labels)}.get(task, labels)
    width = {"rotations": 4, "contrastive": 0}.get(task, 10)
    head = _head(784 if task in ("autoencoder", "denoising") else max(width, 1), rng)
    optimiser = torch.optim.Adam([*network.parameters, *head], lr=1e-3)
    for _ in range(steps):
        rows = rng.choice(len(images), _BATCH, replace=False)
        batch = images[rows]
        loss = _loss(task, network, head, batch, goal[rows], rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def fine_tuned(
    network: Network, images: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray,
    *, seed: int, steps: int = 100,
) -> float:  # fmt: skip
    """Accuracy on ``test`` of a copy of the network, all layers trained on with a new head."""
    torch = _torch()
    rng = np.random.default_rng(seed)
    own, head = network.copy(), _head(int(labels.max()) + 1, rng)
    optimiser = torch.optim.Adam([*own.parameters, *head], lr=1e-3)
    for _ in range(steps):
        rows = rng.choice(len(images), min(_BATCH, len(images)), replace=False)
        loss = _classify(own(_tensor(images[rows])), head, labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    scores = own.encode(test) @ head[0].detach().double().numpy() + head[1].detach().numpy()
    return float(np.mean(scores.argmax(axis=1) == truth))


@dataclass(frozen=True, slots=True)
class Target:
    """A task to move to: ``labelled`` images and labels, and ``test`` ones that judge."""

    labelled: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def study(
    seed: int, *, each: int = 20, steps: int = 600, source: int = 4000, names: Sequence[str] = ()
) -> tuple[list[Network], dict[str, Target]]:
    """The eight networks, pretrained on ``source`` MNIST images, and targets of ``each`` a class.

    The targets are other MNIST images (``mnist``), the five larger digits among them (``large``),
    and scikit-learn's digits (``digits``); ``names`` picks some.
    """
    images, labels = mnist()
    images = images.astype(np.float64)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    old, new = order[:source], order[source:]
    networks = [
        pretrained(task, images[old], labels[old], seed=(seed + i) % 2**32, steps=steps)
        for i, task in enumerate(TASKS)
    ]
    large = new[labels[new] >= 5]
    wide, small = wide_digits()
    sets = {
        "mnist": (images[new], labels[new]),
        "large": (images[large], labels[large] - 5),
        "digits": (wide, small),
    }
    wanted = names or tuple(sets)
    return networks, {name: _target(*sets[name], each, rng) for name in wanted}


def _target(images: np.ndarray, labels: np.ndarray, each: int, rng: np.random.Generator) -> Target:
    order = rng.permutation(len(images))
    chosen = np.concatenate([order[labels[order] == c][:each] for c in np.unique(labels)])
    rest = np.setdiff1d(order, chosen)[:3000]
    return Target((images[chosen], labels[chosen]), (images[rest], labels[rest]))


def accuracies(networks: Sequence[Network], target: Target, *, seed: int) -> list[float]:
    """Test accuracy of every network after fine-tuning, mean of two runs."""
    return [
        float(np.mean([
            fine_tuned(network, *target.labelled, *target.test, seed=(seed + run) % 2**32)
            for run in range(2)
        ]))
        for network in networks
    ]  # fmt: skip


def _loss(
    task: str, network: Network, head: list[Any], batch: np.ndarray, goal: np.ndarray,
    rng: np.random.Generator,
) -> Any:  # fmt: skip
    if task in ("autoencoder", "denoising"):
        noise = 0.5 * rng.normal(size=batch.shape) if task == "denoising" else 0.0
        made = network(_tensor(batch + noise)) @ head[0] + head[1]
        return ((made - _tensor(batch)) ** 2).mean()
    if task == "rotations":
        turns = rng.integers(4, size=len(batch))
        square = batch.reshape(-1, 28, 28)
        turned = np.stack([np.rot90(image, t) for image, t in zip(square, turns, strict=True)])
        return _classify(network(_tensor(turned.reshape(batch.shape))), head, turns)
    if task == "contrastive":
        from isthmus.evidence.alignment_and_uniformity import infonce
        from isthmus.evidence.zoo import views

        torch = _torch()
        u, v = (
            torch.nn.functional.normalize(network(_tensor(views(batch, rng))) + 1e-6, dim=1)
            for _ in range(2)
        )
        return infonce(u, v, temperature=0.5)
    return _classify(network(_tensor(batch)), head, goal)


def _classify(vectors: Any, head: list[Any], labels: np.ndarray) -> Any:
    torch = _torch()
    return torch.nn.functional.cross_entropy(
        vectors @ head[0] + head[1], torch.tensor(labels, dtype=torch.int64)
    )


def _head(width: int, rng: np.random.Generator) -> list[Any]:
    torch = _torch()
    weights = rng.normal(0, np.sqrt(1 / SIZES[-1]), (SIZES[-1], width))
    return [
        torch.tensor(weights, dtype=torch.float32).requires_grad_(),
        torch.zeros(width, requires_grad=True),
    ]


def _tensor(x: np.ndarray) -> Any:
    torch = _torch()
    return torch.tensor(x, dtype=torch.float32)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("pretrained networks", "torch", "torch") from error
    return torch
