r"""Input- and feature-debiased CKA: what CKA would read on all inputs and all features."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import Array, namespace, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.debiased_cka import from_moments as debiased
from isthmus.measures.gram import unbiased
from isthmus.measures.rows import centred, check_varied, jackknife

CARD = Card(
    name="input_feature_debiased_cka",
    summary="CKA of whole populations from a sample of rows and a sample of features.",
    paper=Paper(
        "Estimating Neural Representation Alignment from Sparsely Sampled Inputs and Features",
        "Chun et al.",
        2025,
    ),
    cost="n d^2",
    memory="d^2",
    invariant=("permutation", "isotropic_scale", "translation"),
    symmetric=True,
    chance=0.0,
    min_rows=4,
    spaces=0,  # not any two matrices: their columns must sample features of one space each
    caveat="Features that share little geometry leave little to divide by: the interval then is "
    "wider than the scale. Columns that both sides share read above 1. Simulated: the interval "
    "covers too often at 20 dims; the test is liberal at 50 rows of 500 dims.",
    rough=(0, 0.5),
)

#: Fewer features than these leave the delete-one jackknife over them too wide.
_FEW = 100
#: Share of the features' HSIC that distinct ones must hold to be told from rounding in float32.
_LITTLE = 1e-4


@register(CARD)
def input_feature_debiased_cka(x: Array, y: Array | None = None) -> Score:
    r"""Linear CKA with neither the bias of few rows nor that of few features (neurons).

    Columns are a random sample of features: the kernel of the population is the mean of K_p = x_p
    x_pᵀ over them. ``debiased_cka`` divides by HSIC(K, K), in which every sampled feature meets
    itself, so with few features it reads too low. Here only pairs of distinct features meet:

    .. math:: \frac{\frac{1}{d_x d_y} \sum_{pq} \mathrm{HSIC}_u(x_p, y_q)}{\sqrt{
              \frac{1}{d_x(d_x-1)} \sum_{p \ne q} \mathrm{HSIC}_u(x_p, x_q) \,
              \frac{1}{d_y(d_y-1)} \sum_{p \ne q} \mathrm{HSIC}_u(y_p, y_q)}}

    Numerator and both factors below it are unbiased; the ratio may exceed 1. Rotations change
    which features there are, hence the value. z and p are those of ``debiased_cka``, from which it
    differs by a factor that no shuffle of pairs changes. The interval adds three exact delete-one
    jackknives in squares: over rows, over columns of x and over columns of y, O(n d²) in all.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs; dx >= 3
    y : (n, dy) array of the same kind, paired with x by row; dy >= 3

    Raises
    ------
    InputError
        On fewer than 4 rows or 3 columns, unequal row counts, non-finite values, a side whose rows
        are all equal, or a side whose features share no geometry.

    References
    ----------
    Chun et al. 2025, "Estimating Neural Representation Alignment from Sparsely Sampled Inputs and
    Features"; Song et al. 2012, eq. 5, for HSIC_u.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(300, 5))
    >>> x, y = (hidden @ rng.normal(size=(5, 20)) for _ in range(2))
    >>> bool(abs(input_feature_debiased_cka(x, y).value - 1) < 0.1)
    True
    """
    x, y = paired(x, y, operation="input_feature_debiased_cka", min_rows=4)
    moments = Moments.of(x, y)
    for name, side, scatter, mean in (
        ("x", x, moments.scatter_xx, moments.mean_x),
        ("y", y, moments.scatter_yy, moments.mean_y),
    ):
        check_varied(name, side, scatter, mean, operation="input_feature_debiased_cka")
        if side.shape[1] < 3:
            raise InputError(
                "input_feature_debiased_cka",
                f"{name} with {side.shape[1]} columns: {tuple(side.shape)}",
                "a sample of at least 3 features",
                "Use debiased_cka, which takes the features as all there are.",
            )
    sums = _Sums.of(x, y, moments)
    xx, xy, yy = sums.pair(0, 0), sums.pair(0, 1), sums.pair(1, 1)
    own_x, own_y = sums.own(0), sums.own(1)
    dx, dy = moments.dims
    shared = xx.sum() - own_x.sum(), yy.sum() - own_y.sum()
    xp = namespace(x, y)
    if x.dtype == xp.float32 and min(shared[0] / xx.sum(), shared[1] / yy.sum()) < _LITTLE:
        # A difference of large sums, of which float32 has too few digits left.
        return input_feature_debiased_cka(xp.astype(x, xp.float64), xp.astype(y, xp.float64))
    for name, left, total in (("x", shared[0], xx.sum()), ("y", shared[1], yy.sum())):
        if not left > 1e-12 * total:
            raise InputError(
                "input_feature_debiased_cka",
                f"{name} whose features share no geometry: x {tuple(x.shape)}, y {tuple(y.shape)}",
                "features that sample one space",
                "Take more features or rows, or use debiased_cka.",
            )
    value = float(_ratio(xy.sum(), shared[0], shared[1], dx, dy))
    # Without column p: its row of pairs leaves the numerator, and twice that the factor below.
    without_x = _ratio(xy.sum() - xy, shared[0] - 2 * (xx - own_x), shared[1], dx - 1, dy)
    yx = sums.pair(1, 0)
    without_y = _ratio(xy.sum() - yx, shared[0], shared[1] - 2 * (yy - own_y), dx, dy - 1)
    rows = sums.without_rows(x, y) if moments.n > 4 else [np.array([np.nan])]
    intervals = [jackknife(value, left) for left in (rows, [without_x], [without_y])]
    ci = None
    if all(intervals):
        half = math.hypot(*(one[1] - value for one in intervals if one))
        ci = value - half, value + half
    test = debiased(moments)
    return Score(
        value=value, method="input_feature_debiased_cka", n=moments.n, ci=ci, chance=0.0,
        z=test.z, p=test.p, warnings=_warnings(value, ci, min(dx, dy)),
    )  # fmt: skip


def _warnings(value: float, ci: tuple[float, float] | None, features: int) -> tuple[str, ...]:
    if ci is None or ci[1] - value > 0.5:
        return (
            "the features share so little geometry that the value is mostly noise: take more "
            "features or rows",
        )
    found = []
    if ci[0] > 1:
        found.append("above 1: columns of x and y are not drawn apart, or not at random")
    if features < _FEW:
        found.append(f"from {features} features the interval is wider than its 95 % asks")
    return tuple(found)


def _ratio(xy: np.ndarray, xx: np.ndarray, yy: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """The value from sums over pairs of features, distinct ones in ``xx`` and ``yy``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = xy / np.sqrt(xx) / np.sqrt(yy) * math.sqrt((1 - 1 / dx) * (1 - 1 / dy))
    return result


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over centred rows u (of x) and v (of y), each in units of its size; a = |u|², b = |v|².

    By side: ``mean``; ``unit``; ``square`` Σu_p²; ``cube`` Σu_p³; ``fourth`` Σu_p⁴; and with the
    norms of each side, ``norm`` Σa u, Σb u; ``weighted`` Σa u_p², Σb u_p². ``scatter`` by pair.
    """

    n: int
    mean: list[np.ndarray]
    unit: list[float]
    scatter: dict[tuple[int, int], np.ndarray]
    square: list[np.ndarray]
    cube: list[np.ndarray]
    fourth: list[np.ndarray]
    norm: list[np.ndarray]
    weighted: list[np.ndarray]

    @classmethod
    def of(cls, x: Array, y: Array, moments: Moments) -> "_Sums":
        mean = [moments.mean_x, moments.mean_y]
        unit = [math.sqrt(moments.variance_x), math.sqrt(moments.variance_y)]
        cross = moments.scatter_xy / unit[0] / unit[1]
        scatter = {
            (0, 0): moments.scatter_xx / unit[0] ** 2,
            (0, 1): cross,
            (1, 0): cross.T,
            (1, 1): moments.scatter_yy / unit[1] ** 2,
        }
        dims = moments.dims
        square, cube, fourth = ([np.zeros(d) for d in dims] for _ in range(3))
        norm, weighted = ([np.zeros((2, d)) for d in dims] for _ in range(2))
        sums = cls(moments.n, mean, unit, scatter, square, cube, fourth, norm, weighted)
        for pair in sums.blocks(x, y):
            norms = np.array([np.einsum("ij,ij->i", u, u) for u in pair])
            for i, u in enumerate(pair):
                squares = u * u
                square[i] += squares.sum(axis=0)
                cube[i] += np.einsum("ij,ij->j", squares, u)
                fourth[i] += np.einsum("ij,ij->j", squares, squares)
                norm[i] += norms @ u
                weighted[i] += norms @ squares
        return sums

    def blocks(self, x: Array, y: Array) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The centred rows in units of their size."""
        both = zip(centred(x, self.mean[0]), centred(y, self.mean[1]), strict=True)
        return ((u / self.unit[0], v / self.unit[1]) for u, v in both)

    def pair(self, i: int, j: int) -> np.ndarray:
        """Σ_q HSIC_u(x_p, y_q) for each column p of side i, over the columns q of side j."""
        return self._hsic(
            np.sum(self.scatter[i, j] ** 2, axis=1),
            self.square[i] * self.square[j].sum(),
            self.weighted[i][j],
        )

    def own(self, i: int) -> np.ndarray:
        """HSIC_u(x_p, x_p) for each column p of side i."""
        return self._hsic(self.square[i] ** 2, self.square[i] ** 2, self.fourth[i])

    def _hsic(self, square: np.ndarray, totals: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Of centred rows, whose row sums without the diagonal are -|u|²."""
        return unbiased(self.n, square - shared, totals, shared)

    def without_rows(self, x: Array, y: Array) -> Iterator[np.ndarray]:
        """The value without row m, for each row m."""
        dx, dy = len(self.mean[0]), len(self.mean[1])
        for pair in self.blocks(x, y):
            xx, xy, yy = (self._left(pair, i, j) for i, j in ((0, 0), (0, 1), (1, 1)))
            yield _ratio(xy, xx - self._own_left(pair, 0), yy - self._own_left(pair, 1), dx, dy)

    def _left(self, pair: tuple[np.ndarray, np.ndarray], i: int, j: int) -> np.ndarray:
        u, v, c = pair[i], pair[j], self.scatter[i, j]
        a, b = np.einsum("ij,ij->i", u, u), np.einsum("ij,ij->i", v, v)
        return self._without(
            np.einsum("ij,ij->i", u @ c, v), a, b, v @ self.norm[j][i] + u @ self.norm[i][j],
            np.sum(c**2), self.square[i].sum(), self.square[j].sum(), self.weighted[i][j].sum(),
        )  # fmt: skip

    def _own_left(self, pair: tuple[np.ndarray, np.ndarray], i: int) -> np.ndarray:
        u, s = pair[i], self.square[i]
        a = u * u
        left = self._without(a * s, a, a, 2 * u * self.cube[i], s**2, s, s, self.fourth[i])
        total: np.ndarray = left.sum(axis=1)
        return total

    def _without(
        self,
        both: np.ndarray,
        a: np.ndarray,
        b: np.ndarray,
        reach: np.ndarray,
        square: np.ndarray,
        sa: np.ndarray,
        sb: np.ndarray,
        sab: np.ndarray,
    ) -> np.ndarray:
        """HSIC_u without row m from Σ_j K_mj L_mj, the norms and Σ_j (b_j K_mj + a_j L_mj)."""
        t = both - a * b
        cross = sab - 3 * a * b + reach + t
        return unbiased(self.n - 1, square - sab - 2 * t, (2 * a - sa) * (2 * b - sb), cross)
