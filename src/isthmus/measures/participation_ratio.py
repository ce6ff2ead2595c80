r"""Participation ratio: how many directions share a space's variance."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix
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
    fits_narrow,
    jackknife,
    squares,
)

CARD = Card(
    name="participation_ratio",
    summary="Effective number of dimensions: how many directions share a space's variance.",
    paper=Paper(
        "A theory of multineuronal dimensionality, dynamics and measurement", "Gao et al.", 2017
    ),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    streams=True,
    paired=False,
    min_rows=2,
    caveat="Without debias the value is held down by few rows. The interval is of the "
    "population's value and a little short. Simulated: the interval covers too seldom at 20 dims.",
    rough=(1000, 50),
)


@register(CARD)
def participation_ratio(x: Array, *, debias: bool = False) -> Score:
    r"""Effective number of dimensions by variance, between 1 and d.

    .. math:: \mathrm{PR} = \frac{\mathrm{tr}(C)^2}{\mathrm{tr}(C^2)}

    with C the sample covariance. A sample of n rows cannot read more than n - 1; for white noise of
    width d it reads about n d / (n + d). ``debias`` replaces numerator and denominator by unbiased
    estimates of tr(Σ)² and tr(Σ²) over distinct rows, (tr Σ)² from products of squared distances
    |x_i - x_j|² |x_k - x_l|² / 4 and tr Σ² as unbiased HSIC, which removes that ceiling. Interval:
    exact delete-one jackknife of the debiased value, whichever is returned, within 1 to d; it
    reaches to the returned value. There is none where rows are so few that the debiased value,
    of all or with a row left out, has no bound.

    Parameters
    ----------
    x : (n, d) array
    debias : whether to estimate the value of the whole population; needs 4 rows

    Raises
    ------
    InputError
        On too few rows, non-finite values or rows that are all equal; with ``debias`` on rows
        that are all equally far apart.

    References
    ----------
    Gao et al. 2017; Song et al. 2012, eq. 5 for the unbiased denominator.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 40))
    >>> float(participation_ratio(x)) < 25 < float(participation_ratio(x, debias=True))
    True
    """
    return spread(x, debias=debias, operation=CARD.name)


def spread(x: Array, *, debias: bool, operation: str) -> Score:
    """``participation_ratio``, under the name of the measure that was called."""
    x = matrix("x", x, operation=operation)
    moments = Moments.of(x)
    score, corrected, unit, sums = _estimated(moments, debias=debias, operation=operation)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation=operation)
    ci = None
    if score.n > 4 and corrected < math.inf:
        found = jackknife(corrected, _left_out(x, moments, unit, sums, debias=True))
        if found is not None:
            # No population of this width lies outside 1 to d.
            low, high = max(found[0], 1.0), min(found[1], float(x.shape[1]))
            ci = min(low, score.value), max(high, score.value)
    return replace(score, ci=ci)


def from_moments(moments: Moments, *, debias: bool = False) -> Score:
    """``participation_ratio`` of the rows of x that ``moments`` has seen; no interval.

    Raises InputError where ``participation_ratio`` does, and on moments that do not keep the
    scatter of x.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x = np.vstack([np.eye(3), -np.eye(3)])
    >>> round(from_moments(Moments.of(x[:2]) + Moments.of(x[2:])).value, 9)
    3.0
    """
    return _estimated(moments, debias=debias, operation=CARD.name)[0]


def _estimated(
    moments: Moments, *, debias: bool, operation: str
) -> tuple[Score, float, float, np.ndarray]:
    """The score without an interval, the value without bias, and tr(C) and ``_ratio``'s sums."""
    n = moments.n
    check_rows(4 if debias else 2, operation=operation, x=(n, moments.dims[0]))
    moments.check_varied(operation=operation, sides=1)
    scatter = moments.scatter_xx
    unit = float(np.trace(scatter)) / n  # keeps fourth powers of large entries within range
    about = moments.norm_sums()  # Σa x, Σa² and Σa of rows about the mean
    square = float(np.sum((scatter / unit) ** 2))
    sums = np.array([about[2, -3] / unit, square, about[0, -3] / unit**2])
    value = float(_ratio(n, *sums, debias=debias))
    warnings: tuple[str, ...] = ()
    corrected = float(_ratio(n, *sums, debias=True)) if n >= 4 else value
    if debias and corrected == math.inf:
        raise InputError(
            operation, f"x {(n, len(scatter))} whose rows are equally far apart",
            "rows enough to tell the dimensions of the whole population (debias=True)",
            "Leave debias out: the value is then that of these rows.",
        )  # fmt: skip
    if not debias and abs(corrected - value) > 0.1 * value:
        known = "has no bound" if corrected == math.inf else f"reads {corrected:.3g}"
        warnings = (f"{n} rows hold it down: without that bias it {known} (debias=True)",)
    return Score(value=value, method=operation, n=n, warnings=warnings), corrected, unit, sums


def _ratio(
    n: int,
    total: np.ndarray | float,
    square: np.ndarray | float,
    fourth: np.ndarray | float,
    *,
    debias: bool,
) -> np.ndarray | float:
    """The ratio from Σa, |S|² and Σa² of n centred rows with squared norms a and scatter S.

    Infinite where tr Σ² is estimated at 0 or less: rows as far apart as if each had a direction of
    its own.
    """
    if not debias:
        return total**2 / square
    # With D_ij = |x_i - x_j|² / 2: ΣD_ij = nΣa, row sums (n a_i + Σa) / 2, ΣD² below.
    rows = (n**2 * fourth + 3 * n * total**2) / 4
    pairs = (2 * n * fourth + 2 * total**2 + 4 * square) / 4
    distinct = n * (n - 1) * (n - 2) * (n - 3)
    squared_trace = ((n * total) ** 2 - 4 * rows + 2 * pairs) / distinct
    trace = square - fourth + total**2 / ((n - 1) * (n - 2)) - 2 * fourth / (n - 2)
    bounded = trace > 1e-9 * square  # less is rounding
    return np.where(bounded, squared_trace / np.where(bounded, trace / (n * (n - 3)), 1.0), np.inf)


def _left_out(
    x: Array,
    moments: Moments,
    unit: float,
    sums: np.ndarray,
    *,
    debias: bool,
) -> Iterator[np.ndarray]:
    """The ratio with row m left out, for every m; all sums are about the mean of the rest."""
    n, (total, square, fourth) = moments.n, sums
    weighted = moments.norm_sums()[0, : x.shape[1]] / unit
    c, k = 1 / (n - 1), n / (n - 1)
    through = Form(moments.scatter_xx / unit, symmetric=True)
    for u in centred(x, moments.mean_x, wide=not fits_narrow(moments)):
        a = squares(u) / unit
        q = through.of(u, u) / unit  # Σ_i K_im²
        p = along(u, weighted) / unit  # Σ_i a_i K_im
        # |x_i - mean₋ₘ|² = a_i + 2c K_im + c² a_m, squared and summed over i ≠ m.
        rest = (
            fourth - a**2 + 4 * c**2 * (q - a**2) + c**3 * a**2 + 4 * c * (p - a**2)
            + 2 * c**2 * a * (total - a) - 4 * c**3 * a**2
        )  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore"):
            yield np.asarray(
                _ratio(n - 1, total - k * a, square - 2 * k * q + k**2 * a**2, rest, debias=debias)
            )
