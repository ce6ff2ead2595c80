r"""Debiased CKA: similarity of two spaces from their centred Gram matrices, unbiased at small n."""

from collections.abc import Iterator

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import centred, check_varied, jackknife, upper_tail

CARD = Card(
    name="debiased_cka",
    summary="Similarity of two spaces from their centred Gram matrices, unbiased at small n.",
    paper=Paper(
        "Feature Selection via Dependence Maximization", "Song et al.", 2012, where="eq. 5"
    ),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    streams=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
)

#: Rows of one block of the pass behind the interval: few enough to stay in cache.
ROWS = 1024


@register(CARD)
def debiased_cka(x: Array, y: Array | None = None, *, ci: bool = True) -> Score:
    r"""Unbiased HSIC of two linear kernels, normalised; 1 the same geometry, 0 unrelated.

    .. math:: \mathrm{HSIC}_u(XX^\top, YY^\top) \big/ \sqrt{\mathrm{HSIC}_u(XX^\top, XX^\top)\,
              \mathrm{HSIC}_u(YY^\top, YY^\top)}

    Computed from ``Moments`` in O(n d²) without any n x n matrix. Under shuffled pairs its mean is
    0 and its standard deviation exactly sqrt(2 / (n (n - 3))) for any data, so z is free. p is the
    upper tail of a gamma distribution with these two moments and the skewness that the spectra
    imply, sqrt(8) tr(S_xx³) tr(S_yy³) / (tr(S_xx²) tr(S_yy²))^1.5: a normal where many directions
    share the variance, a χ² with one degree of freedom where one has it all. The interval is an
    exact leave-one-out jackknife, also O(n d²). Unbiased estimates of small values are negative
    half of the time and are not clipped.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    ci : whether to make the second pass that the interval costs

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, or a side whose rows are equal.

    References
    ----------
    Song et al. 2012, eq. 5; Kornblith et al. 2019 for the normalisation; Székely & Rizzo 2013 for
    the U-centring that gives the null moments.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> round(float(debiased_cka(x, x[:, ::-1] * 3 + 1)), 6)
    1.0
    """
    x, y = paired(x, y, operation="debiased_cka", min_rows=4)
    moments = Moments.of(x, y)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation="debiased_cka")
    check_varied("y", y, moments.scatter_yy, moments.mean_y, operation="debiased_cka")
    score = from_moments(moments)
    # Leaving one of four rows out would leave fewer rows than the estimator needs.
    interval = jackknife(score.value, _left_out(x, y, moments)) if ci and moments.n > 4 else None
    return Score(
        value=score.value, method=score.method, n=score.n, ci=interval, chance=score.chance,
        z=score.z, p=score.p,
    )  # fmt: skip


def from_moments(moments: Moments) -> Score:
    """``debiased_cka`` of the rows that ``moments`` has seen; no interval.

    Raises InputError on fewer than 4 rows or a side without variation.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> round(from_moments(Moments.of(x[:30], x[:30]) + Moments.of(x[30:], x[30:])).value, 6)
    1.0
    """
    n = moments.n
    if n < 4:
        raise InputError("debiased_cka", f"{n} rows", "at least 4 rows")
    hxx, hxy, hyy = moments.hsics()
    if not (hxx > 0 and hyy > 0):
        raise InputError(
            "debiased_cka", "a side whose rows do not vary", "rows that vary on both sides"
        )
    value = hxy / (np.sqrt(hxx) * np.sqrt(hyy))
    z = float(np.sqrt(n * (n - 3) / 2) * value)
    skew = np.sqrt(8) * _third(moments.scatter_xx) * _third(moments.scatter_yy)
    return Score(
        value=float(value),
        method="debiased_cka",
        n=n,
        chance=0.0,
        z=z,
        p=_tail(z, float(skew)),
    )


def _third(scatter: np.ndarray) -> float:
    """tr(S³) / tr(S²)^1.5: 1 for a single direction, 0 for a flat spectrum."""
    unit = scatter / np.linalg.norm(scatter)
    return float(np.sum((unit @ unit) * unit))


def _tail(z: float, skew: float) -> float:
    """P(Z > z) for the gamma distribution of mean 0, variance 1 and this skewness."""
    from scipy.special import gammaincc

    shape = 4 / skew**2
    # Beyond this shape it is normal to every digit that matters, and the gamma function slow.
    if shape > 1e6:
        return upper_tail(z)
    return float(gammaincc(shape, max(shape + z * np.sqrt(shape), 0.0)))


def _left_out(x: Array, y: Array, moments: Moments) -> Iterator[np.ndarray]:
    """The n values with one row left out, block by block."""
    sides = [(x, moments.mean_x), (y, moments.mean_y)]
    # First pass: Σa_i y_i and its kin, which turn every sum over a Gram row into one product.
    ax = np.zeros(moments.dims[0])
    bx, ay, by = ax.copy(), np.zeros(moments.dims[1]), np.zeros(moments.dims[1])
    totals = np.zeros(5)  # Σa, Σb, Σaa, Σab, Σbb
    for u, v in zip(*(centred(*side, rows=ROWS) for side in sides), strict=True):
        a, b = np.einsum("ij,ij->i", u, u), np.einsum("ij,ij->i", v, v)
        ax, bx, ay, by = ax + a @ u, bx + b @ u, ay + a @ v, by + b @ v
        totals += np.array([a.sum(), b.sum(), a @ a, a @ b, b @ b])
    through = [Product(c, x) for c in (moments.scatter_xx, moments.scatter_xy, moments.scatter_yy)]
    n, (sa, sb, saa, sab, sbb) = moments.n, totals
    for u, v in zip(*(centred(*side, rows=ROWS) for side in sides), strict=True):
        a, b = np.einsum("ij,ij->i", u, u), np.einsum("ij,ij->i", v, v)
        hxx = _hsic_left_out(n, through[0], u, u, a, a, u @ ax, u @ ax, sa, sa, saa)
        hxy = _hsic_left_out(n, through[1], u, v, a, b, v @ ay, u @ bx, sa, sb, sab)
        hyy = _hsic_left_out(n, through[2], v, v, b, b, v @ by, v @ by, sb, sb, sbb)
        with np.errstate(invalid="ignore", divide="ignore"):
            yield hxy / (np.sqrt(hxx) * np.sqrt(hyy))


class Product:
    """Rows times a matrix c (p, q), in the precision that the rows came in.

    For errors of intervals: there float32's digits are enough, at half of float64's cost.
    """

    def __init__(self, c: np.ndarray, kind: Array) -> None:
        self.square = float(np.sum(c**2))
        # In units of the largest entry, so that float32's range is never left.
        self._unit = float(np.abs(c).max()) or 1.0
        self._narrow = to_numpy(kind[:1, :]).dtype == np.float32
        self._c = (c / self._unit).astype(np.float32) if self._narrow else c

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Rows (r, p) float64 times c, (r, q) float64."""
        if not self._narrow:
            return rows @ self._c
        peak = max(float(rows.max()), -float(rows.min())) or 1.0
        narrow = np.empty(rows.shape, dtype=np.float32)
        np.divide(rows, peak, out=narrow, casting="same_kind")
        return np.multiply(narrow @ self._c, peak * self._unit, dtype=np.float64)


def _hsic_left_out(
    n: int,
    c: "Product",
    u: np.ndarray,
    v: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    vay: np.ndarray,
    ubx: np.ndarray,
    sa: float,
    sb: float,
    sab: float,
) -> np.ndarray:
    """Unbiased HSIC without row m, for each row m of a block; rows are centred, so k_m = -a_m."""
    t = np.einsum("ij,ij->i", c.of(u), v) - a * b  # Σ_j≠m K_mj L_mj
    trace = c.square - sab - 2 * t
    sums = (2 * a - sa) * (2 * b - sb)
    # Σ_j k_j l_j once row m is taken out of both sums: - k_m l_m - (Lk)_m - (Kl)_m + t_m.
    cross = sab - a * b - (a * b - vay) - (a * b - ubx) + t
    m = n - 1
    return (trace + sums / ((m - 1) * (m - 2)) - 2 * cross / (m - 2)) / (m * (m - 3))
