r"""Continuity: are the neighbours that rows have in x still close in y?"""

from isthmus.core.arrays import Array, paired
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.trustworthiness import kept_close

CARD = Card(
    name="continuity",
    summary="Whether the neighbours that rows have in x are still close in y: 1 if all are.",
    paper=Paper(
        "Neighborhood Preservation in Nonlinear Projection Methods: An Experimental Study",
        "Venna and Kaski", 2001,
    ),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    identical=1.0,
    min_rows=8,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at every size; the test is "
    "conservative at 50 rows of 500 dims.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def continuity(x: Array, y: Array | None = None, *, k: int | None = None) -> Score:
    r"""One minus the scaled ranks, in y, of the neighbours that x had.

    .. math:: C = 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in N^k_x(i)} \max(r^y_{ij} - k, 0)

    with r^y_ij the rank of row j among the distances from row i in y: the ``trustworthiness`` of x
    for y, with its chance level, z, interval and ``parts``. C falls where y tears apart what was
    close in x.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs; the original
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, less than n / 2; 5 (or as many as few rows allow) when None

    Raises
    ------
    InputError
        On fewer than 8 rows, unequal row counts, non-finite values, or k out of range.

    References
    ----------
    Venna and Kaski 2001, "Neighborhood Preservation in Nonlinear Projection Methods".

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.measures import trustworthiness
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> float(continuity(x, x[:, :1])) == float(trustworthiness(x[:, :1], x))
    True
    """
    x, y = paired(x, y, operation="continuity", min_rows=CARD.min_rows)
    return kept_close(y, x, k, method="continuity")
