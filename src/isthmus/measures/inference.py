"""Inference for many comparisons at once: corrected p-values, orders that respect groups.

Shared by the grids of this room; holds no method of its own.
"""

from collections.abc import Iterator

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values, of the shape of ``p``, that bound the chance of any false finding.

    p̃_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)) over the m sorted values (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    flat = np.asarray(p, dtype=np.float64).ravel()
    order = np.argsort(flat)
    factors = len(flat) - np.arange(len(flat))
    raised = np.maximum.accumulate(np.minimum(flat[order] * factors, 1.0))
    adjusted = np.empty_like(flat)
    adjusted[order] = raised
    return adjusted.reshape(np.shape(p))


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values, of the shape of ``p``, that bound the expected share of false findings.

    Benjamini & Yekutieli 2001, which holds whatever the dependence: cells of a grid share layers.

    >>> bool((false_discovery(np.array([0.001, 0.5])) < 0.05)[0])
    True
    """
    from scipy.stats import false_discovery_control

    flat = np.asarray(p, dtype=np.float64)
    return np.asarray(false_discovery_control(flat.ravel(), method="by")).reshape(flat.shape)


def row_orders(
    n: int, count: int, *, groups: np.ndarray | None = None, rng: Seed = 0
) -> Iterator[np.ndarray]:
    """``count`` random orders (n,) of n rows; with ``groups`` (n,), whole groups change places.

    Rows of one group (chunks of a document, frames of a film) are not exchangeable with others, so
    a group goes as a block to the place of another of equal size.

    Raises
    ------
    InputError
        When ``groups`` is of other length, or has too few groups of equal size to exchange.
    """
    draw = generator(rng)
    if groups is None:
        for _ in range(count):
            yield draw.permutation(n)
        return
    blocks = _blocks(groups, n)
    for _ in range(count):
        order = np.arange(n)
        for same in blocks:
            order[same] = same[draw.permutation(len(same))]
        yield order


def _blocks(groups: np.ndarray, n: int) -> list[np.ndarray]:
    """For every size, the rows of the groups of that size, (groups, size)."""
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise InputError(
            "groups",
            f"an array {groups.shape}",
            f"one group id for each of {n} rows",
            "Give one group id a row.",
        )
    _, place = np.unique(groups, return_inverse=True)
    sizes = np.bincount(place)
    rows = np.split(np.argsort(place, kind="stable"), np.cumsum(sizes)[:-1])
    blocks = [np.array([one for one in rows if len(one) == size]) for size in np.unique(sizes)]
    movable = sum(len(same) for same in blocks if len(same) > 1)
    if movable < 10:
        raise InputError(
            "groups",
            f"{len(sizes)} groups, {movable} of them of a size that another has",
            "at least 10 groups that can change places with one of equal size",
            "Keep equally many rows of every group.",
        )
    return blocks
