r"""Mutual k-NN: how many nearest neighbours the rows keep from one space to the other."""

import numpy as np

from isthmus.core.arrays import Array
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.neighbors import Metric
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.neighbour_lists import (
    counts,
    gains,
    mean_of_drawn,
    neighbour_lists,
    null_covariance,
)
from isthmus.measures.rows import jackknife, upper_tail

CARD = Card(
    name="mutual_knn",
    summary="Share of the k nearest neighbours that rows keep from one space to the other.",
    paper=Paper("The Platonic Representation Hypothesis", "Huh et al.", 2024, where="eq. 1 and A"),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "row_scale"),
    symmetric=True,
    metric=True,
    identical=1.0,
    min_rows=12,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at every size.",
    rough=ALWAYS,
)


@register(CARD)
def mutual_knn(
    x: Array,
    y: Array | None = None,
    *,
    k: int = 10,
    metric: Metric = "cosine",
    approximate: int | None = None,
    rng: Seed = 0,
) -> Score:
    r"""Mean overlap of the k-nearest-neighbour sets of each row in the two spaces.

    .. math:: s = \frac{1}{nk} \sum_i |N^k_x(i) \cap N^k_y(i)|

    This is overlap / k, not Jaccard. Chance is k / (n - 1). z uses the exact variance of s over all
    permutations of the rows, so hubs and mutual neighbours are accounted for; p is its normal upper
    tail. The interval is the exact delete-one jackknife (each row is taken out of both neighbour
    graphs), which is conservative. ``length`` = 1 - s obeys the metric axioms between neighbour
    assignments. Equal distances are broken by the lower row; where they are common, or lie
    on both sides of a row, lists agree by that alone: a warning then stands in place of z and p.

    ``parts``: ``per_row`` (n,) shares; ``curve`` (k,) the same value for 1 to k neighbours, with
    its ``curve_chance`` and its ``curve_spread`` over permutations.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, at most n - 2
    metric : ``cosine``, ``euclidean`` or ``inner``; the invariances on the card are cosine's
    approximate : number of rows drawn, for more rows than about 50,000: each one's neighbours are
        sought among all rows, and the interval is for the exact value
    rng : seed or generator of the draw

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or fewer than k + 2 rows.

    References
    ----------
    Huh et al. 2024, "The Platonic Representation Hypothesis"; Mantel 1967 for the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> float(mutual_knn(x, 2 * x[:, ::-1], k=5))
    1.0
    """
    lists, _, _ = neighbour_lists(
        x, y, k, metric, operation="mutual_knn", approximate=approximate, rng=rng
    )
    n = lists.rows
    shared = counts(lists)
    own = shared[:, -1] / k
    if approximate is not None:
        return mean_of_drawn("mutual_knn", own, lists, k / (n - 1))
    value = float(own.mean())
    depth = np.arange(1, k + 1)
    mean, covariance = null_covariance(lists)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    z = None
    if spread[-1] > 0 and not lists.tied:
        z = float((shared[:, -1].sum() - mean[-1]) / spread[-1])
    gain = gains(lists, lambda one: one[:, -1] / k)
    ci = jackknife(value, [(own.sum() - own + gain) / (n - 1)])
    return Score(
        value=value,
        method="mutual_knn",
        n=n,
        ci=None if ci is None else (max(ci[0], 0.0), min(ci[1], 1.0)),
        chance=k / (n - 1),
        z=z,
        p=None if z is None else upper_tail(z),
        length=1.0 - value,
        warnings=lists.warnings,
        parts={
            "per_row": own,
            "curve": shared.mean(axis=0) / depth,
            "curve_chance": depth / (n - 1),
            "curve_spread": spread / (n * depth),
        },
    )
