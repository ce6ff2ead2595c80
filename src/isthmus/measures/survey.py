"""Survey: one pass over all rows of a space, and the rows that repeat others, exactly or nearly.

Shared by ``doctor``; holds no method of its own. 44 bytes a row are kept, never the rows.
"""

from dataclasses import dataclass

import numpy as np

from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.spaces.space import Space

_ROWS = 4096
_PROJECTIONS = 8
#: A squared distance kept by 8 random projections is χ²/8 of itself: above 4 times in 1e-4.
_REACH = 2.0
#: Nearest in projection that are looked at in full, besides the row itself.
_CANDIDATES = 4
#: Pairs looked at in full, the nearest in projection first.
_PAIRS = 100_000
#: What is this many times the scale of the rows before sets another, for float32 ends at 3e38.
_FAR = 2.0**60


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is kept of every row and dimension; rows with NaN or infinity are left out.

    ``norms``, ``keys`` (n,) and ``sketch`` (n, 8), random projections of the rows over ``unit`` (of
    their directions with ``unit_rows``), NaN and 0 where left out; ``mean``, ``sd``, ``constant``
    (d,); ``share`` (d,) the mean share of a row's squared length in each dimension.
    """

    unit_rows: bool
    unit: float
    norms: np.ndarray
    keys: np.ndarray
    sketch: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray
    share: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Rows (n,) that are finite and not zero."""
        return np.isfinite(self.norms) & (self.norms > 0)


def survey(space: Space, *, unit_rows: bool, rng: Seed = 0) -> Survey:
    """Read all of ``space`` once, in blocks."""
    draw, n, d = generator(rng), len(space), space.dim
    factor = draw.integers(1, 1 << 63, size=d, dtype=np.uint64) | np.uint64(1)
    towards = draw.normal(size=(d, _PROJECTIONS)) / np.sqrt(_PROJECTIONS)
    norms, keys = np.full(n, np.nan), np.zeros(n, dtype=np.uint64)
    sketch = np.full((n, _PROJECTIONS), np.nan, dtype=np.float32)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    seen, directed, origin, scale = 0, 0, np.zeros(d), 0.0
    first, second, share = np.zeros((3, d))
    for block in space.blocks(rows=_ROWS):
        x = block.vectors.astype(np.float64)
        finite = np.isfinite(x).all(axis=1)
        rows, x = block.start + np.flatnonzero(finite), x[finite]
        if not len(x):
            continue
        if not seen:
            origin = x[0].copy()  # differences from a row keep digits ...
        top = float(np.abs(x).max())
        if top > _FAR * scale:
            # ... and a scale, of which dividing loses none, keeps squares of 1e200 in range.
            scale, before = float(np.ldexp(1.0, int(np.frexp(top)[1]) - 1)), scale
            first, second = first * (before / scale), second * (before / scale) ** 2
            sketch *= 1.0 if unit_rows else before / scale
        bits = (x + 0.0).view(np.uint64)  # -0.0 is 0.0
        keys[rows] = ((bits ^ (bits >> np.uint64(32))) * factor).sum(axis=1, dtype=np.uint64)
        peak = np.abs(x).max(axis=1)
        with np.errstate(over="ignore"):  # beyond float64: such a row is not usable
            norms[rows] = peak * np.linalg.norm(x / np.where(peak > 0, peak, 1.0)[:, None], axis=1)
        u = unit(x)
        shifted = x / (scale or 1.0) - origin / (scale or 1.0)
        sketch[rows] = (u if unit_rows else shifted) @ towards
        np.minimum(low, x.min(axis=0), out=low)
        np.maximum(high, x.max(axis=0), out=high)
        seen, directed = seen + len(x), directed + int((peak > 0).sum())
        first += shifted.sum(axis=0)
        second += np.einsum("ij,ij->j", shifted, shifted)
        share += np.einsum("ij,ij->j", u, u)
    mean, scale = first / max(seen, 1), scale or 1.0
    sd = np.sqrt(np.maximum(second / max(seen, 1) - mean**2, 0.0))
    return Survey(
        unit=1.0 if unit_rows else scale, unit_rows=unit_rows, norms=norms, keys=keys,
        sketch=sketch, mean=(origin / scale + mean) * scale, sd=sd * scale, constant=low == high,
        share=share / max(directed, 1),
    )  # fmt: skip


def exact_repeats(space: Space, found: Survey) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m,) that equal an earlier one, ascending, and the first that each equals (m,)."""
    rows = np.flatnonzero(found.usable)
    order = rows[np.argsort(found.keys[rows], kind="stable")]
    starts = np.r_[True, found.keys[order][1:] != found.keys[order][:-1]][: len(order)]
    heads = order[starts][np.cumsum(starts) - 1] if len(order) else order
    later, earlier = order[~starts], heads[~starts]
    ascending = np.argsort(later)
    later, earlier = later[ascending], earlier[ascending]
    same = np.zeros(len(later), dtype=bool)
    for start in range(0, len(later), _ROWS):
        part = slice(start, start + _ROWS)
        # A shared key is only a hint.
        same[part] = (space.take(later[part]) == space.take(earlier[part])).all(axis=1)
    return later[same], earlier[same]


def near_repeats(
    space: Space, found: Survey, *, within: float, without: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m,) within a distance of an earlier row but not in ``without``, and that row (m,).

    Candidates are near in the sketch, by a tree; their distance is then measured in full.
    """
    kept = found.usable
    kept[without] = False
    rows = np.flatnonzero(kept)
    pairs = new = _near_pairs(space, found, rows, within)
    while len(new):
        # Of many alike, some see later ones only: those are looked at again, among themselves.
        new = _near_pairs(space, found, np.setdiff1d(pairs[:, 0], pairs[:, 1]), within)
        pairs = np.concatenate([pairs, new])
    later, once = np.unique(pairs[:, 1], return_index=True)
    return later, pairs[once, 0]


def _near_pairs(space: Space, found: Survey, rows: np.ndarray, within: float) -> np.ndarray:
    """Pairs (m, 2) of ``rows`` that lie within that distance, by the later one, which is second."""
    from scipy.spatial import cKDTree

    if len(rows) < 2 or not within > 0:
        return np.empty((0, 2), dtype=np.int64)
    sketch = found.sketch[rows]
    apart, near = cKDTree(sketch).query(
        sketch, k=min(_CANDIDATES + 1, len(rows)), distance_upper_bound=_REACH * within / found.unit
    )
    left = np.repeat(np.arange(len(rows)), apart.shape[1])
    fit = np.isfinite(apart.ravel()) & (near.ravel() != left)
    left, right, apart = left[fit], near.ravel()[fit], apart.ravel()[fit]
    pairs, index = np.unique(np.sort(np.c_[left, right], axis=1), axis=0, return_index=True)
    pairs = pairs[np.argsort(apart[index], kind="stable")[:_PAIRS]]
    pairs = rows[pairs[np.lexsort(pairs.T)]]  # by the later row
    close = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _ROWS):
        part = pairs[start : start + _ROWS]
        a, b = (space.take(side).astype(np.float64) for side in part.T)
        apart = unit(a) - unit(b) if found.unit_rows else a / found.unit - b / found.unit
        close[start : start + _ROWS] = np.linalg.norm(apart, axis=1) <= within / found.unit
    return pairs[close]
