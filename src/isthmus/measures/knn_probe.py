r"""kNN probe: how often a row's nearest other rows name its class."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import accuracy, codes, indicators

CARD = Card(
    name="knn_probe",
    summary="Leave-one-out accuracy of a nearest-neighbour vote on the labels.",
    paper=Paper("Nearest neighbor pattern classification", "Cover & Hart", 1967),
    cost="n^2 d + n^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    min_rows=12,
    caveat="The interval takes hits as independent; rows that share neighbours are not quite. "
    "Simulated: the interval covers too seldom at every size; the test is conservative at 50 "
    "rows; the test rejects too often at 500 rows of 20 dims.",
    rough=ALWAYS,
)


@register(CARD)
def knn_probe(x: Array, labels: Any, *, k: int = 10) -> Score:
    r"""Share of rows whose k nearest other rows (Euclidean) vote for their class, 0 to 1.

    .. math:: \frac1n \sum_i [\, y_i = \mathrm{mode}\{y_j : j \in N_k(i)\} \,]

    A tied vote goes to the class of the nearest among the tied. Exact search. ``chance``, z and
    p are exact over shuffles of the guesses; ``parts["majority"]`` is the share of the
    largest class, which naming it blindly has. The interval is Clopper and Pearson's.
    ``parts["hits"]`` (n,) bool.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes
    k : number of votes, below n

    Raises
    ------
    InputError
        On non-finite values, k outside 1 to n - 1, labels of other length or one class.

    References
    ----------
    Cover & Hart 1967, "Nearest neighbor pattern classification".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> x[:30] += 9
    >>> knn_probe(x, np.arange(60) < 30).value
    1.0
    """
    x = matrix("x", x, operation="knn_probe")
    numbers, sizes = codes(labels, x.shape[0], operation="knn_probe", min_rows=k + 2)
    found, _ = neighbors(x, x, k, exclude_self=True)
    cast = indicators(numbers)[to_numpy(found)]  # (n, k, g)
    nearest = np.where(cast.any(axis=1), np.argmax(cast, axis=1), k)
    winner = np.argmax(cast.sum(axis=1) - nearest / (k + 1), axis=1)
    warnings: tuple[str, ...] = ()
    if sizes.min() <= k // 2:
        warnings = (f"the smallest class has {sizes.min()} rows: it can hardly win {k} votes",)
    return accuracy(winner, numbers, "knn_probe", warnings)
