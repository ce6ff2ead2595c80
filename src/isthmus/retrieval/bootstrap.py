"""Bootstrap over queries: how sure a mean, or a difference of two means, is.

Queries are the units that are drawn again, never rows of a space: a metric's values on two queries
are independent given the collection, two rows of one neighbour graph are not.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator

RESAMPLES = 2000
_CELLS = 4_000_000  # draws held at a time: bounds the memory at about 64 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A mean paired difference over ``n`` queries, its 95 % interval and two-sided p."""

    mean: float
    ci: tuple[float, float]
    p: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.mean:+.4g} [{self.ci[0]:+.4g}, {self.ci[1]:+.4g}]  p {self.p:.2g}  n={self.n}"
        )


def interval(values: Any, *, rng: Seed = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % interval of the mean of ``values``, drawing queries with replacement.

    BCa: the bootstrap percentiles at Phi(z0 + (z0 + z) / (1 - a (z0 + z))), with z = +-1.96, z0 the
    normal quantile of the share of resampled means below the mean and a = sum d^3 / (6 (sum
    d^2)^(3/2)), d = values - mean, which is the jackknife's acceleration in closed form for a mean.
    Of 2000 samples of 40 values it covers the true mean for 95 % of normal, 93 % of exponential and
    90 % of log-normal ones. A constant vector gives an interval of width zero, and fewer than about
    30 queries one that is too narrow.

    Parameters
    ----------
    values : (n,) array
        One number per query; NaN marks a query that does not count and is left out.
    rng : int or numpy.random.Generator
        Source of randomness.
    resamples : int
        Number of times the queries are drawn again.

    Raises
    ------
    InputError
        When no finite value is left, or ``resamples`` is below 100.

    References
    ----------
    Efron, *Better bootstrap confidence intervals*, JASA 1987, section 2 and eq. 6.6.

    Examples
    --------
    >>> low, high = interval([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    >>> bool(low < 0.625 < high)
    True

    """
    kept = _vector(values, "values")
    kept = kept[~np.isnan(kept)]
    return _bca(kept, _resampled_means(kept, rng, resamples), float(np.abs(kept).max()))


def paired(a: Any, b: Any, *, rng: Seed = 0, resamples: int = RESAMPLES) -> Difference:
    """The mean of ``a - b`` over queries with its 95 % BCa interval and two-sided p.

    Both systems answered the same queries, so the differences are what is drawn again; the
    variance that queries share cancels. p = 2 min(P(d* <= 0), P(d* >= 0)) over the resampled means
    d*, counting the sample itself once, so it is never below 2 / (resamples + 1).

    Parameters
    ----------
    a, b : (n,) arrays
        The metric per query under either system, in the same order; NaN in both marks a query that
        does not count.
    rng, resamples
        As in ``interval``.

    Raises
    ------
    InputError
        When the lengths differ, or a query counts on one side only.

    References
    ----------
    Sakai, *Evaluating evaluation metrics based on the bootstrap*, SIGIR 2006, section 3.

    Examples
    --------
    >>> difference = paired([0.9, 0.8, 0.7, 0.9], [0.5, 0.5, 0.5, 0.5])
    >>> round(difference.mean, 3), difference.ci[0] > 0
    (0.325, True)

    """
    one, two = _vector(a, "a"), _vector(b, "b")
    if one.shape != two.shape:
        raise InputError(
            "paired bootstrap",
            f"{one.size} and {two.size} values",
            "one value per query on both sides, in the same order",
        )
    if (np.isnan(one) != np.isnan(two)).any():
        where = np.flatnonzero(np.isnan(one) != np.isnan(two))
        raise InputError(
            "paired bootstrap",
            f"{where.size} queries that count on one side only (first: {where[0]})",
            "the same queries on both sides",
        )
    delta = one - two
    delta = delta[~np.isnan(delta)]
    means = _resampled_means(delta, rng, resamples)
    # Sums of floats that should cancel exactly may not; such a crumb is no difference.
    scale = float(max(np.nanmax(np.abs(one)), np.nanmax(np.abs(two))))
    means = np.where(np.abs(means) < 1e-12 * scale, 0.0, means)
    below, above = (means <= 0).sum() + 1, (means >= 0).sum() + 1
    p = min(1.0, 2.0 * min(below, above) / (len(means) + 1))
    return Difference(
        mean=float(delta.mean()), ci=_bca(delta, means, scale), p=float(p), n=delta.size
    )


def _vector(values: Any, name: str) -> np.ndarray:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "bootstrap",
            f"{name} that are no numbers ({error})",
            "a vector with one finite number per query",
        ) from error
    if vector.ndim != 1 or np.isnan(vector).all() or np.isinf(vector).any():
        raise InputError(
            "bootstrap",
            f"{name} of shape {vector.shape} with {int(np.isfinite(vector).sum())} finite values",
            "a vector with one finite number per query",
        )
    return vector


def _resampled_means(values: np.ndarray, rng: Seed, resamples: int) -> np.ndarray:
    if resamples < 100:
        raise InputError("bootstrap", f"resamples={resamples}", "at least 100")
    random, n = generator(rng), values.size
    means, block = np.empty(resamples), max(1, _CELLS // n)
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        means[start:stop] = values[random.integers(0, n, size=(stop - start, n))].mean(axis=1)
    return means


def _bca(values: np.ndarray, means: np.ndarray, scale: float) -> tuple[float, float]:
    """The interval; what lies below 1e-12 of ``scale``, the largest value, is rounding."""
    centre = values.mean()
    spread = (values - centre) / (scale or 1.0)
    power = float((spread**2).sum())
    if power <= 1e-24 * values.size:
        return float(centre), float(centre)
    acceleration = float((spread**3).sum()) / (6.0 * power**1.5)
    # Discrete metrics tie with the mean often: half of the ties count as below it.
    near = np.isclose(means, centre, rtol=1e-12, atol=1e-15 * scale)
    share = ((means < centre) & ~near).mean() + 0.5 * near.mean()
    bias = ndtri(np.clip(share, 1 / (len(means) + 1), len(means) / (len(means) + 1)))
    shifted = bias + ndtri(np.array([0.025, 0.975]))
    low, high = np.quantile(means, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)
