"""Defects: what is wrong with a space, found in one pass."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.spaces.ids import hashed, repeated

if TYPE_CHECKING:
    from isthmus.spaces.space import Space

_ROWS = 4096
_NORMS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Defects:
    """What one pass over a space found; each ``*_ids`` names the first rows concerned.

    Norms are Euclidean, over finite rows (None without any); the median is that of at most 2^20
    evenly spaced rows. ``mean_over_sd`` is the largest |mean| / standard deviation over dimensions,
    ``constant_dims`` how many dimensions never change.
    """

    rows: int
    non_finite: int
    non_finite_ids: tuple[Any, ...]
    zero_vectors: int
    zero_ids: tuple[Any, ...]
    duplicate_ids: int
    duplicates: tuple[Any, ...]
    constant_dims: int
    norm_min: float | None
    norm_median: float | None
    norm_max: float | None
    mean_over_sd: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def find_defects(space: "Space", *, limit: int) -> Defects:
    """Scan ``space`` once, in blocks; 8 bytes a row are kept for the ids."""
    n = len(space)
    virtual = space.id_kind == "range"
    keys = np.empty(0 if virtual else n, dtype=np.uint64)
    step = -(-n // _NORMS)
    norms: list[np.ndarray] = []
    bad: list[Any] = []
    zero: list[Any] = []
    counts = {"bad": 0, "zero": 0}
    low, high, span = np.inf, -np.inf, _Spread(space.dim)
    for block in space.blocks(rows=_ROWS):
        if not virtual:
            ids = block.ids
            part = ids.view(np.uint64) if ids.dtype.kind == "i" else hashed(ids, seed=0)
            keys[block.start : block.start + len(ids)] = part
        values = block.vectors.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            length = np.sqrt(np.einsum("ij,ij->i", values, values))
            # Squares leave float64 where the numbers do not: such rows are scaled first.
            odd = np.flatnonzero(~np.isfinite(length) | (length < 1e-140))
            largest = np.abs(values[odd]).max(axis=1, keepdims=True)
            safe = np.where(largest > 0, largest, 1.0)
            length[odd] = largest[:, 0] * np.linalg.norm(values[odd] / safe, axis=1)
        finite = np.isfinite(length) | np.isfinite(values).all(axis=1)
        empty = length == 0
        for name, found, mask in (("bad", bad, ~finite), ("zero", zero, empty)):
            counts[name] += int(mask.sum())
            found += block.ids[np.flatnonzero(mask)[: limit - len(found)]].tolist()
        if not finite.all():
            values = values[finite]
        if len(values):
            low, high = min(low, length[finite].min()), max(high, length[finite].max())
            norms.append(
                length[(-block.start) % step :: step][finite[(-block.start) % step :: step]]
            )
            span.update(values)
    order = np.argsort(keys, kind="stable")
    again = repeated(space.id_column, keys[order], order)[0] if not virtual else order
    kept = np.concatenate(norms) if norms else np.empty(0)
    return Defects(
        rows=n,
        non_finite=counts["bad"],
        non_finite_ids=tuple(bad),
        zero_vectors=counts["zero"],
        zero_ids=tuple(zero),
        duplicate_ids=len(again),
        duplicates=tuple(space.take_ids(again[:limit]).tolist()),
        constant_dims=span.constant(),
        norm_min=float(low) if norms else None,
        norm_median=float(np.median(kept)) if len(kept) else None,
        norm_max=float(high) if norms else None,
        mean_over_sd=span.mean_over_sd(),
    )


class _Spread:
    """Range, mean and variance per dimension, shifted by the first row against cancellation."""

    def __init__(self, dim: int) -> None:
        self.n = 0
        self._low, self._high = np.full(dim, np.inf), np.full(dim, -np.inf)
        self._shift, self._sum, self._squares = np.zeros((3, dim))

    def update(self, values: np.ndarray) -> None:
        """Take in finite rows (m, dim), which are overwritten."""
        if not self.n:
            self._shift = values[0].copy()
        np.minimum(self._low, values.min(axis=0), out=self._low)
        np.maximum(self._high, values.max(axis=0), out=self._high)
        self.n += len(values)
        values -= self._shift
        with np.errstate(over="ignore"):
            self._sum += values.sum(axis=0)
            self._squares += np.einsum("ij,ij->j", values, values)

    def constant(self) -> int:
        """How many dimensions never change."""
        return int((self._low == self._high).sum())

    def mean_over_sd(self) -> float | None:
        """The largest |mean| / sd over the dimensions that change."""
        varies = self._low < self._high
        if not varies.any():
            return None
        mean = self._sum / self.n
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.maximum(self._squares / self.n - mean**2, 0.0)
            ratio = np.abs(self._shift + mean) / np.sqrt(np.maximum(variance, np.finfo(float).tiny))
        ratio = ratio[varies & np.isfinite(ratio)]
        return float(ratio.max()) if len(ratio) else None
