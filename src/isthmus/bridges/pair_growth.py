"""From a few known pairs to many: likely partners found by mutual search, and how sure each is.

Shared by the bridges that grow their own pairs. Rows here are centred and of unit length.
"""

from typing import Literal

import numpy as np

from isthmus.bridges.matching import Partners, mutual_partners
from isthmus.core.linalg import RidgePath, procrustes
from isthmus.core.moments import Moments
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator

#: What the pairs of one round say about the other rows: how likely partners are compared.
Comparison = Literal["codes", "orthogonal", "ridge"]
COMPARISONS = ("codes", "orthogonal", "ridge")

#: Rows a side that take part, at most: more make better neighbours, at the cost of their square.
_ROWS = 8000


def centred_directions(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) less their mean, at length one."""
    return unit(x - x.mean(axis=0))


def taking_part(
    rows: int, known: np.ndarray, rng: Seed, *, most: int = _ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (r,) that take part, all ``known`` among them, and where those stand in r."""
    if rows <= most:
        return np.arange(rows), known
    free = np.setdiff1d(np.arange(rows), known)
    room = max(most - len(known), 0)
    drawn = generator(rng).choice(free, size=min(room, len(free)), replace=False)
    chosen = np.sort(np.concatenate([known, drawn]))
    return chosen, np.searchsorted(chosen, known)


def compared(
    x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray, by: Comparison = "codes",
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    r"""Both sides (n, e), (m, e) such that inner products say how well two rows match.

    ``codes``: the cosine of relative codes, <x Aᵀ, y Bᵀ> / (|x Aᵀ| |y Bᵀ|) with A, B the pairs'
    rows, which needs AᵀB, AᵀA and BᵀB alone. ``orthogonal``: the cosine after a rotation within the
    span of the pairs. ``ridge``: after ridge regression of B on A. ``weights`` (p,) of the pairs.
    """
    a, b = x[i], y[j]
    if by == "ridge":
        moments = Moments.of(a, b)
        path = RidgePath(moments)
        coef = path.coef(path.best_alpha(a, b))
        return unit(x @ coef + (path.mean_y - path.mean_x @ coef)), y
    weighted = a if weights is None else a * weights[:, None]
    cross = weighted.T @ b
    if by == "orthogonal":
        u, values, vt = np.linalg.svd(cross, full_matrices=False)
        kept = values > 1e-10 * max(float(values[0]), np.finfo(float).tiny)
        return unit(x @ u[:, kept]), unit(y @ vt[kept].T)
    own = b if weights is None else b * weights[:, None]
    return _by_codes(x, y, cross, weighted.T @ a, own.T @ b)


def compared_by_anchors(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``compared`` by codes, the cosines to anchors a (p, dx) and b (p, dy) that need be no rows.

    It costs as many dims as the spaces have, however many anchors there are.
    """
    return _by_codes(x, y, a.T @ b, a.T @ a, b.T @ b)


def _by_codes(
    x: np.ndarray, y: np.ndarray, cross: np.ndarray, own_x: np.ndarray, own_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return x @ cross / _lengths(x, own_x)[:, None], y / _lengths(y, own_y)[:, None]


def grown(
    x: np.ndarray,
    y: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    *,
    by: Comparison = "codes",
    neighbours: int = 10,
    rounds: int = 20,
    least: float = 0.0,
    weighted: bool = False,
    settled: float = 0.01,
) -> tuple[Partners, int]:
    """The known pairs i, j (p,) first, then those found, and how many rounds it took.

    Each round compares all rows by the current pairs and takes the mutual partners with at least
    the confidence ``least``, leaving known pairs alone, until fewer than a share ``settled`` of the
    pairs changes. With ``weighted`` a pair counts by its confidence; a known one by 1.
    """
    pairs = Partners(i, j, np.ones(len(i)))
    done = 0
    if len(i) in (len(x), len(y)):
        return pairs, done
    while done < rounds:
        weights = pairs.confidence if weighted else None
        found = mutual_partners(
            *compared(x, y, pairs.i, pairs.j, by, weights), neighbours=neighbours
        )
        done += 1
        fresh = ~np.isin(found.i, i) & ~np.isin(found.j, j) & (found.confidence >= least)
        now = Partners(
            np.concatenate([i, found.i[fresh]]),
            np.concatenate([j, found.j[fresh]]),
            np.concatenate([np.ones(len(i)), found.confidence[fresh]]),
        )
        before, after = (p.i * len(y) + p.j for p in (pairs, now))
        changed = len(np.setxor1d(before, after))
        pairs = now
        if changed <= settled * len(after):
            break
    return pairs, done


def fitted_map(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, ridge: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """W (dx, dy) and b (dy,) of the weighted Procrustes or ridge map from rows x to y, (p, d)."""
    share = weights / weights.sum()
    mean_x, mean_y = share @ x, share @ y
    root = np.sqrt(share)[:, None]
    left, right = root * (x - mean_x), root * (y - mean_y)
    if ridge:
        path = RidgePath(Moments.of(left, right))
        w = path.coef(path.best_alpha(left, right))
    else:
        w, _ = procrustes(left.T @ right)
    return w, mean_y - mean_x @ w


def _lengths(x: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """|x Aᵀ| for every row of x (n, d), from AᵀA (d, d); 1 where it is zero."""
    squared = np.einsum("ij,ij->i", x @ gram, x)
    return np.sqrt(np.where(squared > 1e-24, squared, 1.0))
