"""Decide: one strategy out of many measured on the same few queries, without falling for luck."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.core.random import Seed, generator

#: What a recommendation may cost against the best, as a share of it.
PROMISE = 0.01
#: The half of it that is spent on taking the cheaper one; noise takes the other half.
GIVEN_UP = PROMISE / 2
_DRAWS = 4000
#: Standard deviations of the true means among each other that are thought possible.
SPREADS = np.geomspace(1e-4, 0.5, 60)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What the queries say of each strategy's true mean: ``mean`` (s,) and ``covariance`` (s, s).

    ``spread`` is the believed standard deviation of the true means among each other.
    """

    mean: np.ndarray
    covariance: np.ndarray
    spread: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The column chosen, the leader by believed mean, and how sure.

    ``sure`` is the believed probability that the chosen one reaches 99 % of the best there is.
    """

    chosen: int
    leader: int
    sure: float


def shrunken(values: np.ndarray) -> Belief:
    r"""Means of many strategies over the same queries, drawn together as far as noise goes.

    m = mean of the rows; m ~ N(θ, C), C = cov / q; θ ~ N(μ 1, τ² I), μ and τ uniform. Given τ, with
    K = τ² I and the most likely μ, the belief is θ | m ~ N(μ + K (K + C)^-1 (m - μ), K - K (K +
    C)^-1 K); it is averaged over τ by its likelihood, for one guess of τ would be too sure of
    itself: at τ = 0 all strategies are equal. C knows which of them rise and fall together:
    likeness makes a difference sure, and a lead that comes from queries which tell strategies apart
    badly is drawn in.

    Parameters
    ----------
    values : (q, s) array
        A metric of q queries under s strategies.

    References
    ----------
    Efron, Morris, *Data analysis using Stein's estimator and its generalizations*, JASA 1975;
    Andrews, Kitagawa, McCloskey, *Inference on winners*, QJE 2024, on why a winner's own mean
    flatters.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(size=(50, 4))
    >>> belief = shrunken(noisy)
    >>> bool(np.ptp(belief.mean) < np.ptp(noisy.mean(axis=0)))
    True
    """
    q, s = values.shape
    m, one = values.mean(axis=0), np.ones(s)
    noise = np.atleast_2d(np.cov(values, rowvar=False)) / q
    fits, means, covariances = [], [], []
    for spread in SPREADS:
        total = noise + spread**2 * np.eye(s)
        inverse = np.linalg.inv(total)
        weight = float(one @ inverse @ one)
        centre = float(one @ inverse @ m) / weight
        rest = m - centre
        # Uniform in τ, on a grid of equal ratios.
        fit = -0.5 * (np.linalg.slogdet(total)[1] + np.log(weight) + rest @ inverse @ rest)
        fits.append(fit + np.log(spread))
        gain = spread**2 * inverse
        means.append(centre + gain @ rest)
        covariances.append(spread**2 * (np.eye(s) - gain))
    share = np.exp(np.array(fits) - max(fits))
    share /= share.sum()
    grid = np.array(means)
    mean = share @ grid
    apart = grid - mean
    covariance = np.einsum("t,tij->ij", share, np.array(covariances))
    covariance += np.einsum("t,ti,tj->ij", share, apart, apart)
    return Belief(mean, (covariance + covariance.T) / 2, float(share @ SPREADS))


def decide(values: np.ndarray, price: Sequence[int], *, rng: Seed = 0) -> Decision:
    """The cheapest strategy whose believed mean lies within half a percent of the best believed.

    Ties of price go to the better one.

    Parameters
    ----------
    values : (q, s) array
        The metric of every query under every strategy.
    price : sequence of s integers
        The order of the strategies by what they cost; smaller is cheaper.
    rng : int or numpy.random.Generator
        Source of randomness of ``sure``.

    Examples
    --------
    >>> values = np.tile([[0.5, 0.501, 0.2], [0.6, 0.601, 0.3]], (20, 1))
    >>> decide(values, [0, 1, 2]).chosen
    0
    """
    if values.shape[1] == 1:
        return Decision(0, 0, 1.0)
    belief = shrunken(values)
    leader = int(belief.mean.argmax())
    near = np.flatnonzero(belief.mean >= (1 - GIVEN_UP) * belief.mean[leader])
    chosen = min(near.tolist(), key=lambda i: (price[i], -belief.mean[i]))
    powers, axes = np.linalg.eigh(belief.covariance)
    draws = generator(rng).normal(size=(_DRAWS, len(powers))) * np.sqrt(np.maximum(powers, 0))
    draws = belief.mean + draws @ axes.T
    sure = float((draws[:, chosen] >= (1 - PROMISE) * draws.max(axis=1)).mean())
    return Decision(chosen, leader, sure)
