r"""Cycle k-NN: how many rows find back to themselves through both spaces' neighbours."""

from dataclasses import replace

import numpy as np

from isthmus.core.arrays import Array
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.neighbors import Metric
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mantel import graph_sums, permutation_moments
from isthmus.measures.neighbour_lists import Lists, neighbour_lists
from isthmus.measures.rows import jackknife, upper_tail

CARD = Card(
    name="cycle_knn",
    summary="Share of rows found again by going to a neighbour in y and from there to one in x.",
    paper=Paper("The Platonic Representation Hypothesis", "Huh et al.", 2024),
    cost="n^2 d",
    memory="n d + n k^2",
    invariant=("orthogonal", "row_scale"),
    min_rows=12,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife misreads the "
    "standard error, mostly upwards. Simulated: the interval covers too seldom at 50 rows of 500 "
    "dims; the interval covers too often at 500 rows and at 20 dims; the test is conservative at "
    "50 rows.",
    rough=ALWAYS,
)


@register(CARD)
def cycle_knn(x: Array, y: Array | None = None, *, k: int = 10, metric: Metric = "cosine") -> Score:
    r"""Share of rows i with a j among i's neighbours in y of which i is a neighbour in x.

    .. math:: s = \frac{1}{n} \sum_i \big[ \exists j \in N^k_y(i) : i \in N^k_x(j) \big]

    Directed: swapping the spaces reverses the cycles. It saturates: a space with itself gives 1
    wherever each row has a mutual neighbour, at far less than equal spaces. Chance is exact,
    the mean over rows of 1 - C(n - 1 - c_i, k) / C(n - 1, k) with c_i the number of rows that have
    i as neighbour in x. z takes the exact variance of the number of cycles over all permutations
    of the rows, scaled by what finding back varies beside that number; p is its normal upper tail.
    The interval is the exact delete-one jackknife. ``parts``: ``per_row`` (1 or 0).
    Without z and p where rows tie, as in ``mutual_knn``.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, at most n - 2
    metric : ``cosine``, ``euclidean`` or ``inner``; the invariances on the card are cosine's

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or fewer than k + 2 rows.

    References
    ----------
    Huh et al. 2024, "The Platonic Representation Hypothesis" (its accompanying program); Mantel
    1967 for the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> float(cycle_knn(x, 2 * x[:, ::-1], k=5)) > 0.9
    True
    """
    from scipy.stats import hypergeom

    lists, _, _ = neighbour_lists(x, y, k, metric, operation="cycle_knn")
    n = lists.n
    places = _places(lists)
    number = (places[:, :k] < k).sum(axis=1)
    own = (number > 0).astype(np.float64)
    value = float(own.mean())
    into = np.bincount(lists.x[:, :k].ravel(), minlength=n)
    missed = hypergeom.pmf(0, n - 1, into, k)
    chance = float(1 - missed.mean())
    graph = graph_sums(lists.x[:, :k])
    turned = replace(graph, rows=graph.columns, columns=graph.rows)
    _, cycles = permutation_moments(turned, graph_sums(lists.y[:, :k]))
    share = into / (n - 1)
    alone = float((k * share * (1 - share)).sum()) * (n - 1 - k) / (n - 2)
    spread = cycles * float(np.sqrt((missed * (1 - missed)).sum() / alone)) / n if alone else 0.0
    z = (value - chance) / spread if spread > 0 and not lists.tied else None
    ci = jackknife(value, [(own.sum() - own + _gains(lists, places, number)) / (n - 1)])
    return Score(
        value=value,
        method="cycle_knn",
        n=n,
        ci=None if ci is None else (max(ci[0], 0.0), min(ci[1], 1.0)),
        chance=chance,
        z=z,
        p=None if z is None else upper_tail(z),
        warnings=lists.warnings,
        parts={"per_row": own},
    )


def _places(lists: Lists) -> np.ndarray:
    """Where row i stands in the x list of its q-th neighbour in y, (n, k + 1); k + 1 if nowhere."""
    n, width = lists.x.shape
    keys = np.repeat(np.arange(n, dtype=np.int64), width) * n + lists.x.ravel()
    order = np.argsort(keys)
    asked = (lists.y.astype(np.int64) * n + np.arange(n)[:, None]).ravel()
    where = order[np.minimum(np.searchsorted(keys, asked, sorter=order), n * width - 1)]
    return np.where(keys[where] == asked, where % width, width).reshape(n, width)


def _gains(lists: Lists, places: np.ndarray, number: np.ndarray) -> np.ndarray:
    """How many more of the other rows find back when row m is left out, (n,); may be negative."""
    n, k = lists.n, lists.k
    x, y = lists.x, lists.y
    rows, at = np.nonzero(places[:, :k] < k)
    # Cycles through m are lost ...
    events = [(rows, y[rows, at], -1)]
    # ... and where m made room, the neighbour beyond k closes a cycle: the one of i in y,
    rows = np.flatnonzero(places[:, k] < k)
    events.append((np.repeat(rows, k), y[rows, :k].ravel(), 1))
    # i itself in the list of its neighbour in x,
    rows, at = np.nonzero(places[:, :k] == k)
    events.append((np.repeat(rows, k), x[y[rows, at], :k].ravel(), 1))
    # or both at once, where m stands in both lists.
    rows = np.flatnonzero(places[:, k] == k)
    in_y, in_x = y[rows, :k], x[y[rows, k], :k]
    which, at = np.nonzero((in_y[:, :, None] == in_x[:, None, :]).any(axis=2))
    events.append((rows[which], in_y[which, at], 1))
    keys = np.concatenate([one.astype(np.int64) * n + left for one, left, _ in events])
    change = np.concatenate([np.full(len(one), float(sign)) for one, _, sign in events])
    pairs, inverse = np.unique(keys, return_inverse=True)
    after = number[pairs // n] + np.bincount(inverse, weights=change, minlength=len(pairs))
    moved = (after > 0).astype(np.float64) - (number[pairs // n] > 0)
    return np.bincount(pairs % n, weights=moved, minlength=n)
