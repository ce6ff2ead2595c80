r"""Energy distance: how far apart two samples of one space are, from distances alone."""

from typing import Any

import numpy as np

from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.two_sample import blockwise, compared, samples

CARD = Card(
    name="energy_distance",
    summary="How far apart two samples of one space are, from the distances between their rows.",
    paper=Paper(
        "Energy statistics: A class of statistics based on distances", "Székely and Rizzo", 2013
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "translation"),
    jointly=True,
    symmetric=True,
    metric=True,
    paired=False,
    library="NumPy",
    chance=0.0,
    min_rows=2,
    caveat="Samples that are alike make the interval wide. Simulated: the interval covers too "
    "often at 50 rows; the test is conservative at 20 dims; the test rejects too often at 500 "
    "rows of 500 dims.",
    rough=ALWAYS,
)


@register(CARD)
def energy_distance(x: Any, y: Any, *, approximate: int | None = None, rng: Seed = 0) -> Score:
    r"""Distance between the distributions that two unpaired samples come from; 0 when they agree.

    .. math:: \mathcal{E} = 2\,\mathbb{E}|X - Y| - \mathbb{E}|X - X'| - \mathbb{E}|Y - Y'|

    The value is unbiased (means over distinct rows), hence negative half of the time where the
    distributions agree. ``length`` is the root of the biased form, which is a metric. z is against
    one common distribution: a large one says that they *differ*. It uses the exact variance over
    all relabellings of the rows. Interval: two-sample delete-one jackknife.

    With ``approximate=b`` it is the mean over blocks of b random rows a side, O(n d b), with a
    normal interval and test from the spread of the blocks, which hold the error of the
    approximation too, and no ``length``; b = 2 takes linear time, and √b is its gain in power.

    Parameters
    ----------
    x : (n, d) array
    y : (m, d) array, of the same space, not paired
    approximate : rows a side of a block, at least 2 and enough for 30 blocks, for more rows than
        about 20,000
    rng : seed or generator of the blocks

    Raises
    ------
    InputError
        On unequal widths, fewer than 2 rows, non-finite values or rows that are all equal; on
        blocks of too few rows or too few blocks.

    References
    ----------
    Székely & Rizzo 2013, "Energy statistics"; Hubert & Schultz 1976 for the variance; Gretton et
    al. 2012, lemma 14, and Zaremba, Gretton & Blaschko 2013, "B-test", for blocks.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> float(energy_distance(x[:80], x[80:])) < 0.05 < float(energy_distance(x[:80], x[80:] + 1))
    True
    """
    both, first = samples(x, y, operation="energy_distance")
    if approximate is not None:
        return blockwise(both, first, np.sqrt, approximate, rng, operation="energy_distance")
    found = compared(both, first, lambda squared: np.sqrt(squared, out=squared))
    return Score(
        value=found.unbiased, method="energy_distance", n=first, ci=found.ci, chance=0.0,
        z=found.z, p=found.p, length=float(np.sqrt(found.biased)),
    )  # fmt: skip
