"""Small networks: trained in torch, kept and applied as NumPy arrays, on any array kind."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, namespace
from isthmus.core.errors import MissingExtra

#: Weights and biases by turns, W1 (d0, d1), b1 (d1,), W2 (d1, d2), ...
Weights = list[Any]
#: From a generator to a batch of inputs (m, d0) and of what the network should answer (m, dk).
Batch = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
Activation = Callable[[Any], Any]

#: Products of a row and a weight in one step of training from which it is worth sharing.
_SHARED = 20_000_000


def silu(z: Array) -> Array:
    """Z times its logistic function, z (1 + tanh(z/2)) / 2, which overflows nowhere."""
    return z * (0.5 + 0.5 * namespace(z).tanh(0.5 * z))


def initial(sizes: Sequence[int], rng: np.random.Generator, *, silent: bool = False) -> Weights:
    """Random weights of a network with layers of ``sizes``; ``silent``: it answers zero at first.

    Entries of W are normal with variance 1 / fan-in, biases zero.
    """
    weights: Weights = []
    for fan_in, fan_out in pairwise(sizes):
        weights += [rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), np.zeros(fan_out)]
    if silent:
        weights[-2] = np.zeros_like(weights[-2])
    return weights


def forward(weights: Weights, x: Array, *, activation: Activation = silu) -> Array:
    """The network's answer (n, dk) to x (n, d0): linear layers with an activation between them."""
    last = len(weights) - 2
    for at in range(0, last + 1, 2):
        x = x @ weights[at] + weights[at + 1]
        if at < last:
            x = activation(x)
    return x


def pack(weights: Weights) -> np.ndarray:
    """All weights in one flat float64 array, for a bridge file."""
    return np.concatenate([np.asarray(w, dtype=np.float64).ravel() for w in weights])


def unpack(flat: np.ndarray, sizes: Sequence[int] | np.ndarray, reference: Array) -> Weights:
    """What ``pack`` flattened, as arrays like ``reference``; ValueError where sizes do not fit."""
    weights, at = [], 0
    for fan_in, fan_out in pairwise(int(size) for size in sizes):
        for shape in ((fan_in, fan_out), (fan_out,)):
            count = int(np.prod(shape))
            weights.append(like(flat[at : at + count].reshape(shape), reference))
            at += count
    if at != len(flat):
        raise ValueError(f"{len(flat)} weights for layers {list(sizes)}")
    return weights


@contextmanager
def small_steps(torch: Any, weights: Iterable[Any], rows: int) -> Iterator[None]:
    """Torch on one thread meanwhile, if a step of ``rows`` by ``weights`` is too small to share.

    Threads that wait for each other after every such step gain nothing, and lose tenfold where
    other processes keep the cores busy.
    """
    before = torch.get_num_threads()
    if rows * sum(w.numel() for w in weights) < _SHARED:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measured(side: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean and root mean square entry about it; 1 where nothing varies but by rounding."""
    mean = side.mean(axis=0)
    size = float(np.sqrt(np.mean((side - mean) ** 2)))
    return mean, size if size > 1e-12 * float(np.abs(mean).max()) else 1.0


def torch_for(operation: str) -> Any:
    """The torch package; MissingExtra where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(operation, "torch", "torch") from error
    return torch


def learnable(torch: Any, weights: Weights) -> Weights:
    """Copies of NumPy ``weights`` as float64 tensors that collect gradients.

    In float64 equal spaces written in other coordinates give maps equal to many digits, and these
    networks are small.
    """
    return [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]


def numbers(weights: Weights) -> Weights:
    """NumPy copies of tensors."""
    return [w.detach().numpy().copy() for w in weights]


def falling(step: int, steps: int) -> float:
    """Share of the learning rate at ``step``: half a cosine from 1 to 0."""
    return float(0.5 * (1 + np.cos(np.pi * step / steps)))


def regress(
    operation: str,
    weights: Weights,
    batch: Batch,
    *,
    steps: int,
    rate: float,
    rng: np.random.Generator,
) -> Weights:
    """``weights`` after ``steps`` of Adam on the mean squared error of the answers to batches."""
    torch = torch_for(operation)
    tensors = learnable(torch, weights)
    optimiser = torch.optim.Adam(tensors, lr=rate)
    first = batch(rng)
    with small_steps(torch, tensors, len(first[0])):
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * falling(step, steps)
            drawn = batch(rng) if step else first
            inputs, wanted = (torch.from_numpy(side) for side in drawn)
            # torch's own SiLU has the same values and one backward step where ours has four.
            found = forward(tensors, inputs, activation=torch.nn.functional.silu)
            loss = ((found - wanted) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return numbers(tensors)
