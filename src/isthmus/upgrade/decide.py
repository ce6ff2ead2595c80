"""Decide: one strategy out of many measured on the same few queries, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.core.random import Seed, generator

#: What a recommendation may cost against the best, as a share of it.
PROMISE = 0.01
#: Strategies that keep the promise this probably are sure enough, and probabilities that lie no
#: further apart are alike: in either case the price decides.
SURE_ENOUGH, ALIKE = 0.95, 0.02
_DRAWS = 4000
#: Directions with less than this share of the largest variance are what rounding left.
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The column chosen, how sure, and the same of every column: ``reaching`` (s,).

    ``sure`` is the probability that the chosen strategy reaches 99 % of the best there is.
    """

    chosen: int
    sure: float
    reaching: np.ndarray


def believed(values: np.ndarray, *, draws: int = _DRAWS, rng: Seed = 0) -> np.ndarray:
    r"""What q queries say of the true means of s strategies: ``draws`` of them, (draws, s).

    θ | values ~ m + t, with m the means over the queries and t multivariate Student of q - r
    degrees of freedom and scale (q - 1) / (q - r) C; C = cov / q is their covariance, of rank r.
    That is what normal values leave to believe where neither means nor covariance were known
    before. What queries share (some are hard for all) cancels in differences; strategies that
    answer alike, or the same, differ as little in every draw. The covariance of many strategies
    seen on few queries is itself a guess: a normal belief would be too sure.

    Parameters
    ----------
    values : (q, s) array
        A metric of q queries under s strategies.
    draws : int
    rng : int or numpy.random.Generator

    References
    ----------
    Geisser, Cornfield, *Posterior distributions for multivariate normal parameters*, JRSS B 1963.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(50, 3)) + [0.0, 0.0, 5.0]
    >>> bool((believed(values).argmax(axis=1) == 2).all())
    True
    """
    random, (q, s) = generator(rng), values.shape
    powers, axes = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False)) / q)
    powers = np.where(powers > _ROUNDING * powers.max(), powers, 0.0)
    normal = (random.normal(size=(draws, s)) * np.sqrt(powers)) @ axes.T
    free = max(q - np.count_nonzero(powers), 1)
    wide = np.sqrt((q - 1) / random.chisquare(free, size=(draws, 1)))
    return np.asarray(values.mean(axis=0) + normal * wide)


def reaching(means: np.ndarray) -> np.ndarray:
    """How often each of s strategies reaches 99 % of the best, (s,), over draws of means (n, s)."""
    return np.asarray((means >= (1 - PROMISE) * means.max(axis=1, keepdims=True)).mean(axis=0))


def decide(values: np.ndarray, price: Sequence[int], *, rng: Seed = 0) -> Decision:
    """The cheapest strategy that reaches 99 % of the best for all one knows, or else most probably.

    Those with a probability of 0.95 or more will do; where there is none, those within 0.02 of the
    highest. Ties of price go to the more probable one.

    Parameters
    ----------
    values : (q, s) array
        The metric of every query under every strategy.
    price : sequence of s integers
        The order of the strategies by what they cost; smaller is cheaper.
    rng : int or numpy.random.Generator
        Source of randomness of the draws.

    Examples
    --------
    >>> values = np.tile([[0.5, 0.501, 0.2], [0.6, 0.601, 0.3]], (20, 1))
    >>> decide(values, [0, 1, 2]).chosen
    0
    """
    share = reaching(believed(values, rng=rng))
    near = np.flatnonzero(share >= min(share.max() - ALIKE, SURE_ENOUGH))
    chosen = min(near.tolist(), key=lambda i: (price[i], -share[i]))
    return Decision(chosen, float(share[chosen]), share)
