r"""Bias-corrected distance correlation: dependence of any shape, zero in the mean without any."""

import math

from isthmus.core.arrays import Array, paired
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.gram import chi_squared_tail, correlation, deviation, hsic
from isthmus.measures.rdm import Dissimilarities
from isthmus.measures.rows import jackknife

CARD = Card(
    name="distance_correlation",
    summary="Correlation of the distances between rows, bias-corrected; sees any dependence.",
    paper=Paper(
        "The distance correlation t-test of independence in high dimension", "Székely & Rizzo", 2013
    ),
    cost="n^2 d + n^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
    caveat="Simulated: the test is conservative at 50 rows of 500 dims and at 500 rows of 20 dims.",
    rough=ALWAYS,
)


@register(CARD)
def distance_correlation(x: Array, y: Array | None = None, *, ci: bool = True) -> Score:
    r"""Bias-corrected squared distance correlation; 0 without dependence, 1 the same distances.

    .. math:: \mathcal{R}^* = \frac{(\tilde A \cdot \tilde B)}{\sqrt{(\tilde A \cdot \tilde A)
              (\tilde B \cdot \tilde B)}}

    with A, B the Euclidean distances between the rows of x and of y, U-centred: off the diagonal
    Ã_ij = A_ij - a_i/(n-2) - a_j/(n-2) + ΣA/((n-1)(n-2)), on it 0. It estimates the square of the
    distance correlation, so it may be negative and is neither clipped nor rooted. Over all shuffles
    of the pairs its mean is 0 and its standard deviation sqrt(2 / (n (n - 3))) exactly, which gives
    z; p is the χ² tail, valid on any spectrum where the t-test of the paper rejects too often
    (for spaces of one dimension 7 % at the 5 % level, 3 % at the 1 % level). The interval is the
    exact leave-one-out jackknife. ``length`` is the chord sqrt(2 - 2 R*) between the unit matrices.
    A pass over half of the pairs, and another for the interval; no n x n matrix. Products of
    float32 rows are float32, those of rows near one another excepted.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    ci : whether to make the second pass that the interval costs

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, or a side whose rows are all
        equal or all equally far apart.

    References
    ----------
    Székely & Rizzo 2013, "The distance correlation t-test of independence in high dimension";
    Shen, Panda & Vogelstein 2022, "The chi-square test of distance correlation".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> bool(distance_correlation(x, x**2).z > 10)  # though their correlation is 0
    True
    """
    x, y = paired(x, y, operation="distance_correlation", min_rows=4)
    sides = [
        Dissimilarities(name, side, operation="distance_correlation")
        for name, side in (("x", x), ("y", y))
    ]
    values, left_out = hsic(*sides, operation="distance_correlation", leave_out=ci)
    n, value = x.shape[0], float(correlation(values)[0, 1])
    interval = jackknife(value, [correlation(left_out)[:, 0, 1]]) if len(left_out) else None
    z = deviation(value, n)
    return Score(
        value=value,
        method="distance_correlation",
        n=n,
        ci=interval,
        chance=0.0,
        z=z,
        p=chi_squared_tail(z),
        length=math.sqrt(max(2.0 - 2.0 * value, 0.0)),
    )
