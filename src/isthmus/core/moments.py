r"""Moments: everything linear that two paired spaces say about each other, in one pass.

With rows shifted by fixed origins, x_i := row_i - p and y_i := row_i - q, and squared norms
a_i = |x_i|², b_i = |y_i|², a ``Moments`` holds

    n,  Σx, Σy,  Σxxᵀ, Σxyᵀ, Σyyᵀ,  Σa, Σb, Σa², Σab, Σb²,  Σax, Σay, Σbx, Σby.

The second line of sums is what the unbiased HSIC of linear kernels needs beyond covariances (Song
et al. 2012, eq. 5, with the Gram matrices multiplied out), so debiased CKA streams like the rest.
The set is closed under a change of origin, hence ``merge`` is exact and associative: a billion
rows cost one pass and O(d²) memory, and a distributed fit is a tree of merges.
"""

from collections.abc import Iterable
from itertools import combinations, pairwise
from typing import Literal, Self

import numpy as np

from isthmus.core.arrays import (
    Array,
    check_finite,
    is_numpy,
    like,
    matrix,
    namespace,
    row_blocks,
    to_numpy,
)
from isthmus.core.errors import InputError

Keeps = Literal["all", "source", "cross"]

#: Rows per block: large enough for the matrix product to run at full rate and for adding its result
#: up to cost little beside it.
BLOCK = 8192
#: Rows whose norms and sums are taken at once: they stay in a core's own cache.
_STRIP = 512

#: Rows that say whether a shift is needed, and by how much.
_PILOT = 256

#: A column whose squared mean exceeds its variance by this factor loses too many digits in an
#: unshifted float32 product; below it the shift would only cost a pass over the data.
_OFFSET = 1.0


class Moments:
    """Mergeable first and second moments of one space, or of two with paired rows.

    ``scatter_xx`` (dx, dx), ``scatter_xy`` (dx, dy), ``scatter_yy`` (dy, dy) are sums over rows of
    outer products of centred rows; all statistics are float64 NumPy whatever the input kind.
    Products run in the input's own precision per block and are accumulated in float64.
    ``keeps`` says which scatters: ``"all"``; ``"source"``, not y's own, at three quarters of the
    cost, which is enough for regression; ``"cross"``, that of x with y alone, at half the cost,
    which is enough for Procrustes. Means and total variances are always kept.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> whole, parts = Moments.of(x), Moments.of(x[:40]) + Moments.of(x[40:])
    >>> bool(np.allclose(whole.scatter_xx, parts.scatter_xx))
    True
    """

    __slots__ = ("_known", "_m", "_origin", "dims", "keeps", "n")

    def __init__(self, *, keeps: Keeps = "all") -> None:
        self.n = 0
        self.keeps = keeps
        self.dims: tuple[int, int] = (0, 0)  # (dx, dy); dy = 0 for a single space
        # One augmented row w = [x, y, a, b, 1] makes every sum above an entry of _m = Σ w wᵀ.
        self._m = np.zeros((0, 0))
        self._origin = np.zeros(0)
        # What was asked for since the last row came, read-only: measures ask several times.
        self._known: dict[tuple[int, int] | None, np.ndarray] = {}

    @classmethod
    def of(cls, x: Array, y: Array | None = None, *, keeps: Keeps = "all") -> Self:
        """Moments of the rows of x (n, dx), paired with those of y (n, dy) when given."""
        return cls(keeps=keeps).update(x, y)

    @classmethod
    def from_blocks(
        cls, blocks: Iterable[tuple[Array, Array | None]], *, keeps: Keeps = "all"
    ) -> Self:
        """Moments of a stream of (x, y) blocks, y None for a single space."""
        moments = cls(keeps=keeps)
        for x, y in blocks:
            moments.update(x, y)
        return moments

    def update(self, x: Array, y: Array | None = None) -> Self:
        """Add the rows of x (n, dx), paired with y (n, dy); raises InputError on bad rows."""
        x = matrix("x", x, operation="moments", finite=False)
        if y is not None:
            y = matrix("y", y, operation="moments", finite=False)
            namespace(x, y)
            if x.shape[0] != y.shape[0]:
                raise InputError(
                    "moments",
                    f"x {tuple(x.shape)} and y {tuple(y.shape)}",
                    "equally many rows, paired by position",
                )
        dims = (x.shape[1], 0 if y is None else y.shape[1])
        if self.n == 0:
            self._start(x, y, dims)
        elif dims != self.dims:
            raise InputError("moments", f"dims {dims}", f"dims {self.dims} as in earlier rows")
        # Only complete updates count: an error in here leaves the moments as they were.
        products = _products(x, y, self._origin, keeps=self.keeps)
        if self.n:
            self._m += products
        else:
            self._m = products
        self.n += x.shape[0]
        self._known.clear()
        return self

    def merge(self, *others: "Moments") -> "Moments":
        """The moments of all sets of rows together; no operand changes."""
        first, *rest = [one for one in (self, *others) if one.n] or [self]
        result = first.copy()
        for other in rest:
            if first.dims != other.dims or first.keeps != other.keeps:
                raise InputError(
                    "merge moments",
                    f"dims {first.dims} (keeps={first.keeps!r}) and {other.dims} "
                    f"(keeps={other.keeps!r})",
                    "equal dims and contents",
                )
            result._m += other._moved(first._origin)
            result.n += other.n
        return result

    __add__ = merge

    def copy(self) -> "Moments":
        """An independent copy."""
        result = Moments(keeps=self.keeps)
        result.n, result.dims = self.n, self.dims
        result._m, result._origin = self._m.copy(), self._origin.copy()
        return result

    @property
    def mean_x(self) -> np.ndarray:
        """Mean of x, (dx,)."""
        return self._mean()[: self.dims[0]]

    @property
    def mean_y(self) -> np.ndarray:
        """Mean of y, (dy,)."""
        return self._mean()[self.dims[0] :]

    @property
    def scatter_xx(self) -> np.ndarray:
        """Centred scatter of x, (dx, dx), read-only."""
        return self._scatter(slice(0, self.dims[0]), slice(0, self.dims[0]))

    @property
    def scatter_xy(self) -> np.ndarray:
        """Centred cross-scatter, (dx, dy), read-only."""
        return self._scatter(slice(0, self.dims[0]), slice(self.dims[0], sum(self.dims)))

    @property
    def scatter_yy(self) -> np.ndarray:
        """Centred scatter of y, (dy, dy), read-only."""
        side = slice(self.dims[0], sum(self.dims))
        return self._scatter(side, side)

    @property
    def variance_x(self) -> float:
        """Sum over rows of |x - mean|², the trace of ``scatter_xx``."""
        return self._variance(sum(self.dims), slice(0, self.dims[0]))

    @property
    def variance_y(self) -> float:
        """Sum over rows of |y - mean|², the trace of ``scatter_yy``."""
        return self._variance(sum(self.dims) + 1, slice(self.dims[0], sum(self.dims)))

    def hsic_xx(self) -> float:
        """Unbiased HSIC of x with itself, linear kernel; needs n >= 4."""
        return self._hsic(self.scatter_xx, 0, 0)

    def hsic_xy(self) -> float:
        """Unbiased HSIC of x and y, linear kernels; needs n >= 4; may be negative."""
        return self._hsic(self.scatter_xy, 0, 1)

    def hsic_yy(self) -> float:
        """Unbiased HSIC of y with itself, linear kernel; needs n >= 4."""
        return self._hsic(self.scatter_yy, 1, 1)

    def _hsic(self, scatter: np.ndarray, a: int, b: int) -> float:
        self._need(4)
        n, d, thin = self.n, sum(self.dims), self.norm_sums()
        # At the mean rows of either Gram matrix sum to zero, so that without their diagonals
        # 1ᵀK1 = -Σa and 1ᵀKL1 = Σab.
        ab = thin[a, d + b]
        total = float(np.vdot(scatter, scatter)) - ab
        total += thin[2, d + a] * thin[2, d + b] / ((n - 1) * (n - 2)) - 2 * ab / (n - 2)
        return float(total / (n * (n - 3)))

    def norm_sums(self) -> np.ndarray:
        """Σa w, Σb w and Σw about the mean, (3, dx + dy + 3), of rows w = [x, y, a, b, 1]."""
        self._need(1)
        if None not in self._known:
            self._known[None] = self._norm_sums()
            self._known[None].flags.writeable = False
        return self._known[None]

    def _norm_sums(self) -> np.ndarray:
        d, dx = sum(self.dims), self.dims[0]
        delta = self._origin - self._mean()
        # The three thin rows of ``_moved``, which cost less than all of it.
        thin = self._m[d:].copy()
        sides = slice(0, dx), slice(dx, d)
        for i, side in enumerate(sides):
            thin[i] += 2 * delta[side] @ self._m[side] + delta[side] @ delta[side] * self._m[-1]
        shifts = [2 * thin[:, s] @ delta[s] + delta[s] @ delta[s] * thin[:, -1] for s in sides]
        thin[:, d : d + 2] += np.stack(shifts, axis=1)
        thin[:, :d] += np.outer(thin[:, -1], delta)
        return thin

    def _start(self, x: Array, y: Array | None, dims: tuple[int, int]) -> None:
        self.dims = dims
        width = sum(dims) + 3
        self._m = np.zeros((width, width))
        self._origin = np.concatenate([_pilot(x), _pilot(y) if y is not None else np.zeros(0)])

    def _mean(self) -> np.ndarray:
        self._need(1)
        return self._origin + self._m[-1, : sum(self.dims)] / self.n

    def _variance(self, norms: int, side: slice) -> float:
        self._need(1)
        total = self._m[-1, side]
        return float(self._m[-1, norms] - total @ total / self.n)

    def _scatter(self, rows: slice, columns: slice) -> np.ndarray:
        self._need(1)
        if rows == columns and self.keeps != "all" and (rows.start or self.keeps == "cross"):
            raise self._lacking()
        place = rows.start, columns.start
        if place not in self._known:
            total = self._m[-1, : sum(self.dims)]
            found = np.outer(total[rows] / -self.n, total[columns])
            found += self._m[rows, columns]
            found.flags.writeable = False
            self._known[place] = found
        return self._known[place]

    def _lacking(self) -> InputError:
        return InputError("moments", f"keeps={self.keeps!r}", "moments that keep this scatter")

    def _need(self, rows: int) -> None:
        if self.n < rows:
            raise InputError("moments", f"{self.n} rows", f"at least {rows}")

    def _moved(self, origin: np.ndarray) -> np.ndarray:
        """Σ w wᵀ with rows taken relative to ``origin`` instead of this object's own.

        Moving the origin by δ is linear in w: x' = x + δ·1, a' = a + 2 x·δ + |δ|²·1. Written as
        w' = T w the sums become T m Tᵀ, but T differs from the identity in two rows and one column
        only, so each side costs O(d²).
        """
        delta = self._origin - origin
        if not delta.any():
            return self._m
        return self._shifted_rows(self._shifted_rows(self._m, delta).T, delta)

    def _shifted_rows(self, m: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """T m for the T of ``_moved``."""
        m, d, dx = m.copy(), sum(self.dims), self.dims[0]
        ones = m[-1]
        for norms, side in ((d, slice(0, dx)), (d + 1, slice(dx, d))):
            m[norms] += 2 * delta[side] @ m[side] + delta[side] @ delta[side] * ones
        m[:d] += np.outer(delta, ones)
        return m


def _pilot(x: Array) -> np.ndarray:
    """The origin to shift rows by: a mean of the first rows, or zero where no shift is needed."""
    head = to_numpy(x[: min(_PILOT, x.shape[0]), :]).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = head.mean(axis=0), head.var(axis=0)
        # max over columns of mean²/variance, free of 0/0 where a column is constant at zero.
        needed = np.any(mean**2 > _OFFSET * variance)
    return mean if needed and np.isfinite(mean).all() else np.zeros_like(mean)


def _products(x: Array, y: Array | None, origin: np.ndarray, *, keeps: Keeps) -> np.ndarray:
    """Σ w wᵀ over all rows, products in the input's precision, accumulated in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        m = _accumulate(x, y, origin, keeps=keeps)
        total = m.sum()
    # A finite total is quicker to see, and proves the same.
    if np.isfinite(total) or np.isfinite(m).all():
        return m
    # Either the rows are not finite, which is the caller's to know, or float32 squares overflowed.
    check_finite("x", x, operation="moments")
    if y is not None:
        check_finite("y", y, operation="moments")
    with np.errstate(over="ignore", invalid="ignore"):
        m = _accumulate(x, y, origin, keeps=keeps, wide=True)
    if not np.isfinite(m).all():
        raise InputError(
            "moments",
            "entries so large that sums of their fourth powers leave float64",
            "entries below about 1e75",
            "Rescale the space first.",
        )
    return m


def _accumulate(
    x: Array, y: Array | None, origin: np.ndarray, *, keeps: Keeps, wide: bool = False
) -> np.ndarray:
    given = [x] if y is None else [x, y]
    edges = np.cumsum([0] + [side.shape[1] for side in given])
    place = [slice(low, high) for low, high in pairwise(edges)]
    d = int(edges[-1])
    m = np.zeros((d + 3, d + 3))
    # A single space leaves the sums of b at zero.
    thin_rows = slice(d, None) if y is not None else slice(d, None, 2)
    buffers: dict[int, np.ndarray] = {}
    for rows in row_blocks(x.shape[0], BLOCK):
        sides = []
        for i, side in enumerate(given):
            block = side[rows, :]
            if wide:
                block = to_numpy(block).astype(np.float64)
            sides.append(_shifted(block, origin[place[i]], buffers, i))
        for i, left in enumerate(sides):
            for j in range(i, len(sides)):
                if i == j and (keeps == "cross" or (keeps == "source" and i)):
                    continue
                m[place[i], place[j]] += to_numpy(left.T @ sides[j])
        # Norms and the constant 1 ride along as three thin rows, strip by strip while in cache.
        count = sides[0].shape[0]
        for strip in row_blocks(count, _STRIP if is_numpy(x) else count):
            parts = [side[strip, :] for side in sides]
            thin = _thin(parts)
            for i, part in enumerate(parts):
                m[place[i], thin_rows] += to_numpy(_thin_products(thin, part)).T
            # Fourth powers are summed in float64: |x|⁴ leaves float32's range long before |x|².
            corner = to_numpy(thin).astype(np.float64)
            m[thin_rows, thin_rows] += corner @ corner.T
    for upper, lower in combinations([*place, slice(d, None)], 2):
        m[lower, upper] = m[upper, lower].T
    return m


def _shifted(block: Array, origin: np.ndarray, buffers: dict[int, np.ndarray], key: int) -> Array:
    """``block`` minus ``origin``; NumPy reuses one buffer, for fresh pages cost as much as math."""
    if not origin.any():
        return block
    if not is_numpy(block):
        return block - like(origin, block)
    if key not in buffers:
        buffers[key] = np.empty((BLOCK, block.shape[1]), dtype=block.dtype)
    return np.subtract(block, origin.astype(block.dtype), out=buffers[key][: len(block)])


def _thin_products(thin: Array, block: Array) -> Array:
    """``thin`` (2 or 3, rows) times ``block`` (rows, d): NumPy is faster row by row."""
    return np.stack([row @ block for row in thin]) if is_numpy(block) else thin @ block


def _thin(sides: list[Array]) -> Array:
    """The rows a, b and 1 of one block, (3, rows), of a single space a and 1."""
    xp = namespace(*sides)
    if is_numpy(sides[0]):
        norms = [np.vecdot(side, side) for side in sides]
    else:
        norms = [xp.sum(side * side, axis=1) for side in sides]
    return xp.stack([*norms, norms[0] * 0 + 1])
