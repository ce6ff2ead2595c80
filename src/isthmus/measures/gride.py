r"""Gride: intrinsic dimension from the ratio of two neighbour distances of any ranks, by scale."""

from functools import lru_cache, partial

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.local_distances import gaussian_logs, low_reading, nearest, overlap_sum

CARD = Card(
    name="gride",
    summary="Intrinsic dimension from the ratio of two neighbour distances, at growing scales.",
    paper=Paper(
        "The generalized ratios intrinsic dimension estimator", "Denti et al.", 2022
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=12,
    caveat="Simulated: the interval covers too seldom at 50 rows.",
    rough=ALWAYS,
)  # fmt: skip

#: Half the 95 % point of χ² with one degree of freedom: what the log-likelihood may fall by.
_FALL = 1.9207294103470462
#: The curve over scales doubles the ranks up to this one.
_FARTHEST = 16


@register(CARD)
def gride(x: Array, *, near: int = 2, far: int = 4) -> Score:
    r"""Intrinsic dimension by maximum likelihood from ratios μ_i = r_far(i) / r_near(i).

    .. math:: f(\mu \mid d) = \frac{d\,(\mu^d - 1)^{b - a - 1}}
              {\mu^{(b - 1) d + 1}\, B(b - a, a)}, \qquad a = \mathrm{near},\ b = \mathrm{far}

    The log-likelihood is concave in d and its maximum is the one root of its derivative. Ranks 1
    and 2 give the TwoNN likelihood; larger ones look at a larger scale, where noise weighs less and
    curvature more. The interval is where the log-likelihood falls by 1.92, widened by what
    overlapping neighbourhoods err in common (the ratio of the score's variance to the information).
    Parts ``near``, ``far`` and ``dimension`` are the curve over scales at ranks (1, 2), (2, 4), ...
    up to 16: read it for a plateau.

    Exact duplicates are removed first and counted in a warning. High dimensions read low at any
    practical n: a warning then names the Gaussian dimension that would read as this value.

    Parameters
    ----------
    x : (n, d) array
    near, far : ranks of the two neighbours, 1 <= near < far

    Raises
    ------
    InputError
        On fewer than 12 distinct rows or far + 2, non-finite values, ranks out of order, or all
        neighbours equally far.

    References
    ----------
    Denti et al. 2022, "The generalized ratios intrinsic dimension estimator"; Varin et al. 2011 for
    likelihoods of dependent terms.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 2, 3], [0, 1, 5]])
    >>> 1.8 < float(gride(x)) < 2.2
    True
    """
    if not 1 <= near < far:
        raise InputError("gride", f"near={near}, far={far}", "1 <= near < far")
    x = matrix("x", x, operation="gride")
    least = max(CARD.min_rows, far + 2)
    reach = max(far, min(_FARTHEST, int(x.shape[0]) - 2))
    try:
        found = nearest(x, reach, operation="gride", least=max(least, reach + 1))
    except InputError:  # too few distinct rows for the curve, perhaps not for the value
        reach = far
        found = nearest(x, reach, operation="gride", least=least)
    n = len(found.rows)
    logs = np.log(found.distances[:, far - 1] / found.distances[:, near - 1])
    if not logs.sum() > 0:
        raise InputError(
            "gride",
            f"{n} rows on a regular grid: all neighbours equally far",
            "ratios > 1",
            "Bring rows at varied distances.",
        )
    value = _maximum(logs, near, far)
    # A composite likelihood: information H, variance J of the score with neighbours' covariances.
    pull, information = _score(value, logs, near, far)
    spread = overlap_sum(pull, found.indices[:, :far]) / float(information.sum())
    curve = [(1 << i, 2 << i) for i in range(reach.bit_length()) if 2 << i <= reach]
    ratios = [np.log(found.distances[:, b - 1] / found.distances[:, a - 1]) for a, b in curve]
    kept = [(a, b, _maximum(r, a, b)) for (a, b), r in zip(curve, ratios, strict=True) if r.any()]
    ends = np.array(kept).reshape(-1, 3)
    return Score(
        value=value,
        method="gride",
        n=n,
        ci=_interval(value, logs, near, far, _FALL * spread),
        warnings=found.warnings + low_reading(value, n, partial(_reading, n, near, far)),
        parts={"near": ends[:, 0], "far": ends[:, 1], "dimension": ends[:, 2]},
    )


def _score(d: float, logs: np.ndarray, near: int, far: int) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of each row's log-likelihood at d, and minus its second derivative."""
    between = far - near - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = -np.expm1(-d * logs)  # 1 - μ^-d
        first = np.where(logs > 0, logs / rest, 1 / d)
        second = np.where(logs > 0, first**2 * (1 - rest), 1 / d**2)
    return 1 / d + between * first - (far - 1) * logs, 1 / d**2 + between * second


def _maximum(logs: np.ndarray, near: int, far: int) -> float:
    from scipy.optimize import brentq

    def slope(log_d: float) -> float:
        return float(_score(np.exp(log_d), logs, near, far)[0].mean())

    low = high = float(-np.log(logs.mean()))
    while slope(low) < 0:
        low -= 1
    while slope(high) > 0:
        high += 1
    return float(np.exp(brentq(slope, low, high, xtol=1e-14, rtol=1e-14)))


def _interval(
    value: float, logs: np.ndarray, near: int, far: int, fall: float
) -> tuple[float, float]:
    """Where the log-likelihood lies within ``fall`` of its maximum."""
    from scipy.optimize import brentq

    positive = logs[logs > 0]

    def likelihood(d: float) -> float:
        between = d * positive + np.log(-np.expm1(-d * positive))
        ties = (len(logs) - len(positive)) * np.log(d)
        one = len(logs) * np.log(d) + (far - near - 1) * (between.sum() + ties)
        return float(one - (far - 1) * d * logs.sum())

    top = likelihood(value)

    def above(log_d: float) -> float:
        return likelihood(np.exp(log_d)) - top + fall

    ends = []
    for step in (-0.1, 0.1):
        end = float(np.log(value)) + step
        while above(end) > 0:
            end += step
        ends.append(float(np.exp(brentq(above, np.log(value), end))))
    return min(ends[0], value), max(ends[1], value)


@lru_cache(maxsize=4096)
def _reading(n: int, near: int, far: int, dim: float) -> float:
    """What n Gaussian rows of dimension ``dim`` read."""
    return _maximum(gaussian_logs(n, dim, near, far), near, far)
