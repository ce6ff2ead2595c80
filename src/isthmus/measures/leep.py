r"""LEEP: how well a source model's class probabilities, as they are, predict new labels."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import codes, indicators
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="leep",
    summary="Log likelihood per row of new labels under a source classifier's probabilities.",
    paper=Paper(
        "LEEP: A New Measure to Evaluate Transferability of Learned Representations",
        "Nguyen et al.", 2020,
    ),
    cost="n d k",
    memory="n d",
    invariant=("permutation",),
    spaces=0,
    given=("labels",),
    min_rows=4,
    caveat="The likelihood is of the rows it was fitted on, so it is a little high; chance, from "
    "99 shuffles, is high by about as much. Simulated: the interval covers too seldom at 50 rows "
    "and at 500 rows of 20 dims.",
    rough=(1000, 0),
)  # fmt: skip

_SHUFFLES = 99


@register(CARD)
def leep(probabilities: Array, labels: Any, *, rng: Seed = 0) -> Score:
    r"""Log expected empirical prediction, in nats per row, at most 0.

    .. math:: \frac1n \sum_i \log \sum_z P(y_i \mid z)\, \theta_{iz}, \quad
              P(y \mid z) = \frac{\sum_{i : y_i = y} \theta_{iz}}{\sum_i \theta_{iz}}

    with θ_iz the probability that the source model gives its class z for row i. The interval comes
    from the influence of each row, through P too. ``chance``, z and p come from 99 seeded shuffles
    of the labels; chance lies a little above minus the entropy of the labels.

    Parameters
    ----------
    probabilities : (n, c) array; rows at least 0 that sum to 1
    labels : (n,) integers or strings of at least 2 classes
    rng : seed of the shuffles, which do not depend on the order of rows

    Raises
    ------
    InputError
        On rows that are no probabilities, non-finite values, labels of other length or one class.

    References
    ----------
    Nguyen et al. 2020, "LEEP: A New Measure to Evaluate Transferability of Learned
    Representations".

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.arange(40) % 4
    >>> bool(np.isclose(leep(np.eye(4)[labels], labels).value, 0))
    True
    """
    x = matrix("probabilities", probabilities, operation="leep")
    theta = to_numpy(x).astype(np.float64)
    n = len(theta)
    numbers, _ = codes(labels, n, operation="leep")
    sums = theta.sum(axis=1)
    if theta.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise InputError(
            "leep",
            f"probabilities {theta.shape} from {theta.min():.3g}, with rows that sum to "
            f"{sums.min():.3g} to {sums.max():.3g}",
            "rows at least 0 that sum to 1",
            "Apply a softmax to logits first.",
        )
    theta = theta / sums[:, None]
    theta = theta[:, theta.sum(axis=0) > 0]  # a class that is never predicted says nothing
    y = indicators(numbers)
    value, influence = _likelihood(theta, y)
    order = np.lexsort((numbers, *theta.T))
    draw, first, last = generator(rng), theta[order], y[order]
    null = np.array([_likelihood(first, last[draw.permutation(n)])[0] for _ in range(_SHUFFLES)])
    spread = float(null.std(ddof=1))
    warnings: tuple[str, ...] = ()
    if y.shape[1] * theta.shape[1] > n / 5:
        warnings = (
            f"{y.shape[1]} x {theta.shape[1]} conditional probabilities from {n} rows: "
            f"shuffled labels would read {null.mean():.3g}",
        )
    return Score(
        value=value,
        method="leep",
        n=n,
        ci=influence_interval(value, [influence]),
        chance=float(null.mean()),
        z=(value - float(null.mean())) / spread if spread > 1e-12 else 0.0,
        p=float(1 + np.sum(null >= value - 1e-12)) / (1 + _SHUFFLES),
        warnings=warnings,
    )


def _likelihood(theta: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The value, and the influence (n,) of each row on it."""
    marginal = theta.mean(axis=0)
    given = y.T @ theta / len(y) / marginal  # P(y | z), (g, c)
    expected = np.einsum("ij,ij->i", y @ given, theta)
    value = float(np.log(expected).mean())
    pull = y.T @ (theta / expected[:, None]) / len(y)  # d value / d P(y | z), (g, c)
    moved = y @ pull - np.sum(given * pull, axis=0)
    return value, np.log(expected) - value + np.einsum("ij,ij->i", theta / marginal, moved)
