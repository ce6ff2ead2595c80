"""Training a small network on pairs by gradient: part held back, stopped when that gets worse."""

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.bridges.mlp import small_steps, torch_for
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator

#: A network: rows (n, dx) and its parameters to rows (n, dy), all torch tensors.
Forward = Callable[[Any, dict[str, Any]], Any]

_BATCH = 256
_CHECKS = 40
_PATIENCE = 8


def split(count: int, rng: Seed, *, share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to judge by, four to one; one pair of rows judges itself.

    >>> [len(part) for part in split(10, 0)]
    [8, 2]
    """
    order = generator(rng).permutation(count)
    held = max(1, round(share * count))
    train, judge = order[held:], order[:held]
    return (train, judge) if len(train) > 1 else (order, order)


def descend(
    forward: Forward,
    start: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    *,
    train: np.ndarray,
    judge: np.ndarray,
    steps: int,
    rate: float,
    rng: np.random.Generator,
    operation: str,
) -> dict[str, np.ndarray]:
    """The parameters, from ``start`` on, of least mean squared error on the ``judge`` rows.

    AdamW in float64 on batches of 256 ``train`` rows; the error on the judges is looked at 40
    times, and 8 looks without progress end it. Never worse on the judges than ``start``.
    """
    torch = torch_for(operation)
    if steps < 1 or not rate > 0:
        raise InputError(operation, f"steps={steps}, rate={rate}", "steps >= 1 and rate > 0")
    rows, truth = torch.tensor(x), torch.tensor(y)
    weights = {name: torch.tensor(value).requires_grad_() for name, value in start.items()}
    optimiser = torch.optim.AdamW(weights.values(), lr=rate)

    def error_of(chosen: np.ndarray) -> Any:
        return torch.mean((forward(rows[chosen], weights) - truth[chosen]) ** 2)

    with torch.no_grad():
        best, kept = float(error_of(judge)), {n: w.clone() for n, w in weights.items()}
    stale, every = 0, max(1, steps // _CHECKS)
    with small_steps(torch, weights.values(), min(_BATCH, len(train))):
        for step in range(1, steps + 1):
            batch = train if len(train) <= _BATCH else rng.choice(train, _BATCH, replace=False)
            optimiser.zero_grad()
            error_of(batch).backward()
            optimiser.step()
            if step % every and step < steps:
                continue
            with torch.no_grad():
                now = float(error_of(judge))
            if now < best:
                best, kept, stale = now, {n: w.detach().clone() for n, w in weights.items()}, 0
            else:
                stale += 1
                if stale >= _PATIENCE:
                    break
    return {name: weight.numpy() for name, weight in kept.items()}
