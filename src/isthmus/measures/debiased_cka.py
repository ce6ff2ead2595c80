r"""Debiased CKA: similarity of two spaces from their centred Gram matrices, unbiased at small n."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from isthmus.core.arrays import Array, check_rows, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import (
    Form,
    along,
    centred,
    check_varied,
    compact,
    fits_narrow,
    jackknife,
    squares,
    upper_tail,
)

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
    x, y = (compact(side) for side in paired(x, y, operation="debiased_cka", min_rows=4))
    moments = Moments.of(x, y)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation="debiased_cka")
    check_varied("y", y, moments.scatter_yy, moments.mean_y, operation="debiased_cka")
    score = from_moments(moments)
    # Leaving one of four rows out would leave fewer rows than the estimator needs.
    interval = jackknife(score.value, left_out(x, y, moments)) if ci and moments.n > 4 else None
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
    x, y = ((n, d) for d in moments.dims)
    check_rows(4, operation="debiased_cka", x=x, y=y)
    hxx, hxy, hyy = moments.hsic_xx(), moments.hsic_xy(), moments.hsic_yy()
    if not (hxx > 0 and hyy > 0):
        raise InputError(
            "debiased_cka", f"x {x} and y {y}, of which one side does not vary",
            "rows that vary on both sides", "Look at how these vectors were made.",
        )  # fmt: skip
    value = hxy / (np.sqrt(hxx) * np.sqrt(hyy))
    z = float(np.sqrt(n * (n - 3) / 2) * value)
    # Each in units of its own size, so that tr(S²) is one.
    units = (s / np.linalg.norm(s) for s in (moments.scatter_xx, moments.scatter_yy))
    skew = np.sqrt(8) * math.prod(_third(unit) for unit in units)
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
    # A matrix times its own transpose costs half; in its own units no entry leaves the range.
    return float(np.vdot(scatter @ scatter.T, scatter))


def _tail(z: float, skew: float) -> float:
    """P(Z > z) for the gamma distribution of mean 0, variance 1 and this skewness."""
    from scipy.special import gammaincc

    shape = 4 / skew**2
    # Beyond this shape it is normal to every digit that matters, and the gamma function slow.
    if shape > 1e6:
        return upper_tail(z)
    return float(gammaincc(shape, max(shape + z * np.sqrt(shape), 0.0)))


#: Which sides a product is of: x with itself, x with y, y with itself.
Between = Sequence[tuple[int, int]]
ALL: Between = ((0, 0), (0, 1), (1, 1))


def row_products(
    x: Array,
    y: Array,
    moments: Moments,
    units: tuple[float, float] = (1.0, 1.0),
    between: Between = ALL,
) -> Iterator[tuple[np.ndarray, ...]]:
    """u, v, |u|², |v|² and uᵀS_xx u, uᵀS_xy v, vᵀS_yy v of centred rows, block by block.

    Norms and forms are those of rows over ``units``, scatters too; u and v are as they came. Forms
    are those ``between`` the sides asked for.
    """
    p, q = units
    forms = [
        Form(_scatter(moments, i, j) / units[i] / units[j], symmetric=i == j) for i, j in between
    ]
    wide = not fits_narrow(moments)
    sides = (centred(x, moments.mean_x, wide=wide), centred(y, moments.mean_y, wide=wide))
    for rows in zip(*sides, strict=True):
        yield (
            *rows, squares(rows[0]) / p**2, squares(rows[1]) / q**2,
            *(form.of(rows[i], rows[j]) / units[i] / units[j]
              for form, (i, j) in zip(forms, between, strict=True)),
        )  # fmt: skip


def _scatter(moments: Moments, i: int, j: int) -> np.ndarray:
    if i != j:
        return moments.scatter_xy
    return moments.scatter_yy if i else moments.scatter_xx


def left_out(x: Array, y: Array, moments: Moments) -> Iterator[np.ndarray]:
    """The n values of ``debiased_cka`` with one row left out, block by block."""
    for hxx, hxy, hyy in hsics_left_out(x, y, moments):
        with np.errstate(invalid="ignore", divide="ignore"):
            yield hxy / (np.sqrt(hxx) * np.sqrt(hyy))


def hsics_left_out(
    x: Array, y: Array, moments: Moments, between: Between = ALL
) -> Iterator[list[np.ndarray]]:
    """Unbiased HSICs ``between`` sides with one row left out, block by block."""
    n, sums = moments.n, moments.norm_sums()
    dx, d = moments.dims[0], sum(moments.dims)
    # Σa_i y_i and its kin turn every sum over a Gram row into one product.
    weighted = np.split(sums[0, :d], [dx]), np.split(sums[1, :d], [dx])
    second, first = sums[:2, d : d + 2], sums[2, d : d + 2]
    square = [
        float(np.vdot(scatter, scatter)) for scatter in (_scatter(moments, *p) for p in between)
    ]
    for u, v, a, b, *through in row_products(x, y, moments, between=between):
        rows, norms, found = (u, v), (a, b), []
        for whole, form, (i, j) in zip(square, through, between, strict=True):
            ahead = along(rows[j], weighted[i][j])
            back = ahead if i == j else along(rows[i], weighted[j][i])
            found.append(
                _hsic_left_out(
                    n, whole, form, norms[i], norms[j], ahead, back, first[i], first[j],
                    second[i, j],
                )
            )  # fmt: skip
        yield found


def _hsic_left_out(
    n: int,
    square: float,
    through: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    vay: np.ndarray,
    ubx: np.ndarray,
    sa: float,
    sb: float,
    sab: float,
) -> np.ndarray:
    """Unbiased HSIC without row m, for each row m of a block; rows are centred, so k_m = -a_m."""
    t = through - a * b  # Σ_j≠m K_mj L_mj
    trace = square - sab - 2 * t
    sums = (2 * a - sa) * (2 * b - sb)
    # Σ_j k_j l_j once row m is taken out of both sums: - k_m l_m - (Lk)_m - (Kl)_m + t_m.
    cross = sab - a * b - (a * b - vay) - (a * b - ubx) + t
    m = n - 1
    return (trace + sums / ((m - 1) * (m - 2)) - 2 * cross / (m - 2)) / (m * (m - 3))
