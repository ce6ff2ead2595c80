r"""TwoNN: intrinsic dimension from the ratio of second to first neighbour distances."""

import math
from functools import lru_cache

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="two_nn",
    summary="Intrinsic dimension from the ratio of second to first neighbour distances.",
    paper=Paper(
        "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
        "Facco et al.", 2017, where="eq. 4",
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=12,
    caveat="The interval takes the ratios of different rows as independent, which neighbours are "
    "not: in simulations it is close to the lower edge of the 93 to 97 % that are asked for.",
    rough=ALWAYS,
)  # fmt: skip

#: Points of the deterministic sample behind one value of the bias curve.
_POINTS = 1024


@register(CARD)
def two_nn(x: Array, *, discard: float = 0.1) -> Score:
    r"""Intrinsic dimension by the TwoNN maximum likelihood, largest ratios censored.

    .. math:: \hat d = \frac{m - 1}{\sum_{i \le m} \log\mu_{(i)} + (n - m) \log\mu_{(m)}},
              \qquad \mu_i = r_2(i) / r_1(i)

    over the m = n - floor(discard · n) smallest ratios μ_(1) <= μ_(2) <= ... of Euclidean distances
    to the second and first neighbour; each larger one enters as "at least μ_(m)" (censoring of type
    II, which stays unbiased where dropping them would read too high). log μ is exponential with
    rate d, so the 95 % interval is χ² with 2m degrees of freedom, exact if the ratios of different
    rows were independent. Exact duplicates of a row are removed first and counted in a warning.
    The method reads high dimensions too low at any practical n; ``bias_curve`` says how much for
    Gaussian rows, and the warning names the dimension that would read as this value.

    Parameters
    ----------
    x : (n, d) array
    discard : fraction of largest ratios that are censored, 0 <= discard < 0.9

    Raises
    ------
    InputError
        On fewer than 12 distinct rows, non-finite values, or discard out of range.

    References
    ----------
    Facco et al. 2017, eq. 4 (there with a line fitted to the smallest 90 % of ratios).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 2, 3], [0, 1, 5]])
    >>> 1.8 < float(two_nn(x)) < 2.2
    True
    """
    if not 0 <= discard < 0.9:
        raise InputError("two_nn", f"discard={discard}", "0 <= discard < 0.9")
    x = matrix("x", x, operation="two_nn")
    given = int(x.shape[0])
    check_rows(CARD.min_rows, operation="two_nn", x=x.shape)
    distances = to_numpy(neighbors(x, x, 2, exclude_self=True)[1])
    if not distances[:, 0].all():
        distinct = np.unique(to_numpy(x), axis=0)
        if len(distinct) < CARD.min_rows:
            raise InputError(
                "two_nn", f"{len(distinct)} distinct rows of {given}",
                f"at least {CARD.min_rows} distinct rows", "Bring more rows that differ.",
            )  # fmt: skip
        distances = neighbors(distinct, distinct, 2, exclude_self=True)[1]
    n = len(distances)
    total, m = _censored(np.log(distances[:, 1] / distances[:, 0]), discard)
    if not total > 0:
        raise InputError(
            "two_nn",
            f"x {tuple(x.shape)} with rows on a regular grid: all neighbours equally far",
            "ratios > 1",
            "Bring rows at varied distances.",
        )
    from scipy.stats import chi2

    value = (m - 1) / total
    low, high = (float(q) / (2 * total) for q in chi2.ppf([0.025, 0.975], 2 * m))
    warnings = []
    if n < given:
        warnings.append(f"{given - n} duplicate rows removed")
    corrected = _corrected(value, n, discard)
    if corrected > 1.1 * value:
        warnings.append(
            f"reads low here: Gaussian rows of dimension {corrected:.3g} read {value:.3g} at n={n}"
        )
    return Score(value=value, method="two_nn", n=n, ci=(low, high), warnings=tuple(warnings))


def bias_curve(n: int, dims: tuple[float, ...], *, discard: float = 0.1) -> tuple[float, ...]:
    """What ``two_nn`` reads, on average, for n Gaussian rows of each true dimension in ``dims``.

    Computed, not simulated: given its own radius, the squared distances from a Gaussian row to the
    others are noncentral χ², and the two smallest of n - 1 follow from uniform order statistics.
    A deterministic low-discrepancy sample integrates over radius and order statistics (error below
    1 %). Raises InputError on n < 12, a dimension below 1, or discard out of range.

    >>> [round(d, 1) for d in bias_curve(1000, (2.0, 20.0))]
    [2.0, 16.3]
    """
    if n < CARD.min_rows or any(d < 1 for d in dims) or not 0 <= discard < 0.9:
        raise InputError(
            "bias_curve", f"n={n}, dims={dims}, discard={discard}",
            f"n >= {CARD.min_rows}, dims >= 1, 0 <= discard < 0.9",
        )  # fmt: skip
    return tuple(_reading(n, float(d), discard) for d in dims)


@lru_cache(maxsize=4096)
def _reading(n: int, dim: float, discard: float) -> float:
    from scipy.special import chndtrix, gammaincinv

    # Additive recurrence by powers of the root of x⁴ = x + 1: even coverage of the cube.
    root = 1.2207440846057596
    u = (0.5 + np.outer(np.arange(1, _POINTS + 1), root ** -np.arange(1.0, 4.0))) % 1
    radius = 2 * gammaincinv(dim / 2, u[:, 0])  # χ² quantiles
    # The smallest of N uniforms is 1 - v^(1/N); the next is that of N - 1 on what is left.
    others = n - 1
    past = np.log(u[:, 1]) / others
    first = -np.expm1(past)
    second = -np.expm1(past + np.log(u[:, 2]) / (others - 1))
    ratio = np.log(chndtrix(second, dim, radius) / chndtrix(first, dim, radius)) / 2
    total, m = _censored(ratio, discard)
    return m / total


def _censored(logs: np.ndarray, discard: float) -> tuple[float, int]:
    """Total exposure Σ log μ with the largest ``discard`` share censored, and how many are not."""
    m = len(logs) - math.floor(discard * len(logs))
    kept = np.sort(logs)[:m]
    return float(kept.sum() + (len(logs) - m) * kept[-1]), m


def _corrected(value: float, n: int, discard: float) -> float:
    """The Gaussian dimension that reads ``value`` at this n; infinite beyond four times it."""
    low, high = max(value, 1.0), 4 * max(value, 1.0)
    if _reading(n, high, discard) < value:
        return math.inf
    if _reading(n, low, discard) >= value:
        return value
    for _ in range(7):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _reading(n, middle, discard) < value else (low, middle)
    return math.sqrt(low * high)
