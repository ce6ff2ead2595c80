"""LDReg: whether raising local intrinsic dimension helps a contrastive encoder."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.errors import MissingExtra
from isthmus.evidence.alignment_and_uniformity import infonce, views
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.vne import TRAIN, probe
from isthmus.measures.effective_rank import effective_rank
from isthmus.measures.ldreg import ldreg, ldreg_gradient

SLUG = "ldreg"
PAPER = Paper(
    "LDReg: Local Dimensionality Regularized Self-Supervised Learning", "Huang et al.", 2024
)
CLAIM = (
    "In a SimCLR-like MLP of digits LDReg raises the geometric mean of local dimensions by at "
    "least 20 %, and a linear probe of the codes is not less accurate than without, on average "
    "over seeds."
)
WIDTH, STEPS, BATCH = 64, 300, 256
TEMPERATURE = 0.5
#: Weight of the mean log local dimension in the loss.
WEIGHT = 0.3

Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


def codes(
    images: np.ndarray,
    train: np.ndarray,
    *,
    weight: float,
    seed: int,
    gradient: Gradient = ldreg_gradient,
    steps: int = STEPS,
) -> np.ndarray:
    """Codes (n, 64) of all images by an MLP (64, 128, 64) trained on pairs of views of ``train``.

    InfoNCE of a projection to 32 unit dimensions, minus ``weight`` times the mean log local
    dimension of the codes of each view, by its closed-form gradient.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(f"reproduce {SLUG}", "torch", "torch") from error
    rng = np.random.default_rng(seed)
    sizes = (images.shape[1], 128, WIDTH, 32)
    layers = [
        torch.tensor(rng.normal(0, np.sqrt(2 / a), (a, b)), dtype=torch.float32).requires_grad_()
        for a, b in pairwise(sizes)
    ]
    biases = [torch.zeros(b).requires_grad_() for b in sizes[1:]]

    def encode(rows: np.ndarray) -> torch.Tensor:
        x = torch.tensor(rows, dtype=torch.float32)
        return torch.relu(x @ layers[0] + biases[0]) @ layers[1] + biases[1]

    optimiser = torch.optim.Adam([*layers, *biases], lr=3e-3)
    for _ in range(steps):
        batch = images[rng.choice(train, min(BATCH, len(train)), replace=False)]
        both = [encode(views(batch, rng)) for _ in range(2)]
        u, v = (
            torch.nn.functional.normalize(torch.relu(h) @ layers[2] + biases[2], dim=1)
            for h in both
        )
        loss = infonce(u, v, temperature=TEMPERATURE)
        for h in both if weight else ():
            value, slope = gradient(h.detach().double().numpy())
            pull = torch.tensor(slope / value, dtype=h.dtype)  # of the logarithm
            loss = loss - weight / 2 * (h * pull).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return np.asarray(encode(images).double().numpy())


def experiment(
    seeds: Sequence[int],
    *,
    gradient: Gradient = ldreg_gradient,
    steps: int = STEPS,
    weight: float = WEIGHT,
) -> dict[str, Figure]:
    """Local dimension and probe on held-out images with and without, one pair per seed."""
    images, labels = digits()
    found = np.empty((len(seeds), 2, 3))
    for i, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(images))
        train, test = order[:TRAIN], order[TRAIN:]
        for j, one in enumerate((0.0, weight)):
            h = codes(images, train, weight=one, seed=seed, gradient=gradient, steps=steps)
            found[i, j] = (
                float(ldreg(h[test])), probe(h, labels, train, test), float(effective_rank(h[test]))
            )  # fmt: skip
    n = len(images) - TRAIN

    def figure(what: str, values: np.ndarray, bound: float | None = None) -> Figure:
        return over_seeds(what, values.tolist(), n=n, seeds=seeds, at_least=bound)

    return {
        "raised": figure(
            "geometric mean of local dimensions, with over without, minus 1",
            found[:, 1, 0] / found[:, 0, 0] - 1, 0.2,
        ),
        "probe": figure(
            "probe accuracy, with minus without", found[:, 1, 1] - found[:, 0, 1], 0.0
        ),
        "plain dimension": figure("local dimension without", found[:, 0, 0]),
        "plain probe": figure("probe accuracy without", found[:, 0, 1]),
        "rank": figure("effective rank, with over without", found[:, 1, 2] / found[:, 0, 2]),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on eight seeds, two trainings each."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 8))
    f = {name: figure.value for name, figure in figures.items()}
    low, high = figures["probe"].ci or (np.nan, np.nan)
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Local dimension {f['plain dimension']:.2f} rises by {100 * f['raised']:.0f} %, and "
            f"effective rank by {100 * (f['rank'] - 1):.0f} %; the probe moves from "
            f"{f['plain probe']:.4f} by {100 * f['probe']:+.2f} points [{100 * low:+.2f}, "
            f"{100 * high:+.2f}], so on these digits neither a gain nor a loss of accuracy is "
            "shown."
        ),
    )  # fmt: skip
