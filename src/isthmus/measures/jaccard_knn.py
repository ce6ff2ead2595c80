r"""Jaccard k-NN: shared neighbours over all neighbours, row by row, in two spaces."""

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
    overlap_law,
)
from isthmus.measures.rows import jackknife, upper_tail

CARD = Card(
    name="jaccard_knn",
    summary="Shared neighbours over all neighbours that rows have in either space.",
    paper=Paper(
        "Similarity of Neural Network Models: A Survey of Functional and Representational Measures",
        "Klabunde et al.", 2023,
    ),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "row_scale"),
    symmetric=True,
    metric=True,
    identical=1.0,
    min_rows=12,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at every size; the test rejects "
    "too often at 50 rows of 20 dims.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def jaccard_knn(
    x: Array,
    y: Array | None = None,
    *,
    k: int = 10,
    metric: Metric = "cosine",
    approximate: int | None = None,
    rng: Seed = 0,
) -> Score:
    r"""Mean Jaccard similarity of each row's k-nearest-neighbour sets in the two spaces.

    .. math:: s = \frac{1}{n} \sum_i \frac{|N^k_x(i) \cap N^k_y(i)|}{|N^k_x(i) \cup N^k_y(i)|}

    Over the union, where ``mutual_knn`` divides by k; so it is lower. Chance is exact: for
    unrelated spaces one row's overlap is hypergeometric. z takes the exact variance of the mean
    overlap over all permutations of the rows, scaled by what one row's Jaccard varies beside its
    overlap; p is its normal upper tail. The interval is the exact delete-one jackknife.
    ``length`` = 1 - s is a mean of Jaccard distances, which are metrics. ``parts``: ``per_row``.
    Without z and p where rows tie, as in ``mutual_knn``.

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
    Klabunde et al. 2023, "Similarity of Neural Network Models"; Mantel 1967 for the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> float(jaccard_knn(x, 2 * x[:, ::-1], k=5))
    1.0
    """
    lists, _, _ = neighbour_lists(
        x, y, k, metric, operation="jaccard_knn", approximate=approximate, rng=rng
    )
    n = lists.rows

    def jaccard(shared: np.ndarray) -> np.ndarray:
        return np.asarray(shared[:, -1] / (2 * k - shared[:, -1]))

    own = jaccard(counts(lists))
    overlap, chances = overlap_law(n, k)
    possible = overlap / (2 * k - overlap)
    chance = float(possible @ chances)
    if approximate is not None:
        return mean_of_drawn("jaccard_knn", own, lists, chance)
    value = float(own.mean())
    ratio = (possible**2 @ chances - chance**2) / (overlap**2 @ chances - (overlap @ chances) ** 2)
    spread = float(np.sqrt(max(ratio * null_covariance(lists)[1][-1, -1], 0.0))) / n
    z = (value - chance) / spread if spread > 0 and not lists.tied else None
    ci = jackknife(value, [(own.sum() - own + gains(lists, jaccard)) / (n - 1)])
    return Score(
        value=value,
        method="jaccard_knn",
        n=n,
        ci=None if ci is None else (max(ci[0], 0.0), min(ci[1], 1.0)),
        chance=chance,
        z=z,
        p=None if z is None else upper_tail(z),
        length=1.0 - value,
        warnings=lists.warnings,
        parts={"per_row": own},
    )
