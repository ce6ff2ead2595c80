r"""Trustworthiness: are the neighbours that y shows close in x as well?"""

import numpy as np

from isthmus.core.arrays import Array, paired, take, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mantel import graph_sums, permutation_moments
from isthmus.measures.ranks import centred_points, over_rows, rank_sums, rounding, tied_share
from isthmus.measures.rows import jackknife, upper_tail
from isthmus.measures.thresholds import Thresholds

CARD = Card(
    name="trustworthiness",
    summary="Whether the neighbours that rows have in y are close to them in x: 1 if all are.",
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
    "the standard error. Simulated: the interval covers too often at every size.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def trustworthiness(x: Array, y: Array | None = None, *, k: int | None = None) -> Score:
    r"""One minus the scaled ranks, in x, of the neighbours that y adds.

    .. math:: T = 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in N^k_y(i)} \max(r^x_{ij} - k, 0)

    with r^x_ij the rank of row j among the distances from row i in x. x is the original and y what
    was made of it (a projection, a translation, another encoder): T falls where y shows neighbours
    that are none in x. ``continuity`` swaps the sides. 1 where all neighbours are kept, 0 where
    those of y are the farthest of x. Chance is exact, 1 - (n - k - 1)(n - k) / ((n - 1)(2n - 3k -
    1)), about one half. z takes the variance over all permutations of the rows (for more than 512
    rows that of ranks comes from 512 of them); the interval is the exact delete-one jackknife.
    Without z where rows tie, as in ``mutual_knn``. ``parts``: ``per_row``, whose mean is the value.

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
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> float(trustworthiness(x, 3 * x[:, ::-1] + 1))
    1.0
    """
    x, y = paired(x, y, operation="trustworthiness", min_rows=CARD.min_rows)
    return kept_close(x, y, k, method="trustworthiness")


def kept_close(x: Array, y: Array, k: int | None, *, method: str) -> Score:
    """The formula of ``trustworthiness`` for checked x and y, under the name ``method``."""
    n = x.shape[0]
    k = min(5, (n - 2) // 2) if k is None else k
    if not 1 <= k < n / 2 or k > n - 2:
        raise InputError(
            method,
            f"k={k} with x {tuple(x.shape)} and y {tuple(y.shape)}",
            "1 <= k < rows / 2",
            "Lower k, or bring more rows.",
        )
    near, distances = (to_numpy(one) for one in neighbors(y, y, k + 1, exclude_self=True))
    points, norms = centred_points(x)
    own, change = _excess(points, norms, near, k)
    total = float(own.sum())
    scale, left = _scale(n, k), _scale(n - 1, k)
    value = 1 - scale * total
    ci = None
    if 2 * k < n - 1:
        ci = jackknife(value, [1 - left * (total - own + change)])
    mean, spread = permutation_moments(rank_sums(points, norms, beyond=k), graph_sums(near[:, :k]))
    equal = np.flatnonzero(distances[:, k - 1] == distances[:, k])
    # Ties go to the lower row on both sides alike, which no shuffle of the rows does.
    arbitrary = tied_share(points, norms) > 0.01 or len(equal) > 0.01 * n
    if len(equal) and not arbitrary:
        # The row itself is among these, at distance 0.
        apart = to_numpy(neighbors(take(x, equal), x, k + 2)[1])
        arbitrary = bool((apart[:, k] == apart[:, k + 1]).any())
    z = (mean - total) / spread if spread > 0 and not arbitrary else None
    warnings = []
    if arbitrary:
        warnings.append(
            "rows at equal distances: their ranks and neighbours are arbitrary: no test"
        )
    return Score(
        value=value, method=method, n=n, ci=None if ci is None else (ci[0], min(ci[1], 1.0)),
        chance=1 - (n - k - 1) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1)), z=z,
        p=None if z is None else upper_tail(z), warnings=tuple(warnings),
        parts={"per_row": 1 - n * scale * own},
    )  # fmt: skip


def _scale(n: int, k: int) -> float:
    return 2 / (n * k * (2 * n - 3 * k - 1))


def _excess(
    points: Array, norms: np.ndarray, near: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each row's sum of max(rank - k, 0) over its neighbours, (n,); by how much those of all other
    rows change when row m is left out, (n,).
    """  # noqa: D205
    n = len(norms)
    distances = Thresholds(points, norms)

    def work(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = near[rows]
        reach = distances.exact(rows, found) - rounding(norms, rows)[:, None]
        order = np.argsort(reach, axis=1)
        ordered = (np.take_along_axis(one, order, axis=1) for one in (found, reach))
        passed = distances.reached(rows, distances.rough(rows), *ordered)
        closer = np.stack([np.bincount(row, minlength=k + 2) for row in passed]).cumsum(axis=1)
        mine = np.empty_like(found)
        np.put_along_axis(mine, order, 1 + closer[:, : k + 1], axis=1)
        over = np.maximum(mine - k, 0)
        # A row in front of neighbours beyond rank k moves each of them up by one. Those come last,
        # and the one that is no neighbour yet, if among them, does not count.
        last = (np.take_along_axis(over, order, axis=1) == 0).sum(axis=1, dtype=passed.dtype)
        spare = order.argmax(axis=1).astype(passed.dtype)
        spare[spare < last] = -1
        first = np.maximum(passed, last[:, None])
        change = first.sum(axis=0, dtype=np.int64) + (first <= spare[:, None]).sum(axis=0)
        change = change - float((k + 1) * len(rows))
        # A neighbour in y that goes lets the one beyond k in, which may move up as well.
        spare_over = over[:, k:] - ((mine[:, :k] < mine[:, k:]) & (over[:, k:] > 0))
        weights = (spare_over - over[:, :k]).ravel().astype(np.float64)
        change += np.bincount(found[:, :k].ravel(), weights=weights, minlength=n)
        return over[:, :k].sum(axis=1), change

    own, change = zip(*over_rows(work, points), strict=True)
    return np.concatenate(own), np.sum(change, axis=0)
