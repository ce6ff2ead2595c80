"""Disagreement: around which items, and in how many directions, two spaces differ."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, row_blocks, to_numpy
from isthmus.core.linalg import procrustes, symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.neighbors import neighbors, unit

#: Items named at most.
NAMED = 20
_SHARE = 0.9
_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Where two paired spaces part.

    ``kept`` (n,) is the share of its k neighbours that each looked-at item keeps; ``items`` name
    the ones that keep least, least first, with ``shares`` of theirs. After the best rotation, shift
    and scale ``left`` is the share of the target's variance that still differs, and ``directions``
    how many of its dimensions carry 90 % of that.
    """

    kept: np.ndarray
    items: tuple[Any, ...]
    shares: tuple[float, ...]
    k: int
    left: float | None
    directions: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "k": self.k, "items": [str(item) for item in self.items], "shares": list(self.shares),
            "mean_kept": float(self.kept.mean()), "left": self.left, "directions": self.directions,
        }  # fmt: skip


def disagreement(x: Array, y: Array, ids: Any, *, k: int = 10) -> Disagreement:
    r"""The items around which the neighbourhoods of x and y differ most, and in which directions.

    kept_i = |N^k_x(i) ∩ N^k_y(i)| / k by cosine. Of items that keep equally few, the one comes
    first whose neighbours of either space have the least cosine to it in the other. The residual is
    that of the Procrustes problem with shift and scale, R = Y - s X Q - t, its directions the
    eigenvectors of RᵀR = S_yy - s (QᵀS_xy + S_yxQ) + s² QᵀS_xxQ, from moments.

    Parameters
    ----------
    x, y : (n, dx) and (n, dy) paired arrays, already checked
    ids : (n,) what the items are called
    k : neighbours per item
    """
    k = max(1, min(k, int(x.shape[0]) - 2))
    near = [
        to_numpy(neighbors(side, side, k, metric="cosine", exclude_self=True)[0]) for side in (x, y)
    ]
    kept = np.array(
        [len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(*near, strict=True)]
    ) / k  # fmt: skip
    left_near = _nearness(y, near[0]) + _nearness(x, near[1])
    worst = np.lexsort((left_near, kept))[:NAMED]
    worst = worst[kept[worst] < 1.0]
    names = np.asarray(ids)
    left, directions = _residual(x, y)
    return Disagreement(
        kept=kept, items=tuple(names[worst].tolist()), shares=tuple(kept[worst].tolist()), k=k,
        left=left, directions=directions,
    )  # fmt: skip


def _nearness(x: Array, rows: np.ndarray) -> np.ndarray:
    """Mean cosine in x of each row to the given rows (n, k)."""
    directions = unit(to_numpy(x))
    mean = np.empty(len(rows))
    for block in row_blocks(len(rows), _BLOCK):
        mean[block] = np.einsum("ikd,id->i", directions[rows[block]], directions[block])
    return mean / rows.shape[1]


def _residual(x: Array, y: Array) -> tuple[float | None, int | None]:
    """Share of y's variance beyond a similarity of x, and how many directions carry most of it."""
    moments = Moments.of(x, y)
    sxx, sxy, syy = moments.scatter_xx, moments.scatter_xy, moments.scatter_yy
    total = float(np.trace(syy))
    if x.shape[1] > y.shape[1] or not (np.trace(sxx) > 0 and total > 0):
        return None, None  # a wide space has no rotation into a narrow one
    q, singular = procrustes(sxy)
    scale = float(singular.sum() / np.trace(sxx))
    moved = q.T @ sxy
    rest = syy - scale * (moved + moved.T) + scale**2 * q.T @ sxx @ q
    values, _ = symmetric_eigen((rest + rest.T) / 2)
    left = float(values.sum())
    # Below this share the residual is rounding, and its directions mean nothing.
    if left < 1e-9 * total:
        return left / total, 0
    return left / total, int(np.searchsorted(np.cumsum(values) / left, _SHARE) + 1)
