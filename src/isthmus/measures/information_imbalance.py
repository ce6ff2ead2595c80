r"""Information imbalance: how far the source's nearest neighbour is, in ranks, in the target."""

from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mantel import Sums, graph_sums, permutation_moments
from isthmus.measures.ranks import centred_points, over_rows, rank_sums, rounding
from isthmus.measures.rows import jackknife, upper_tail
from isthmus.measures.thresholds import Thresholds

CARD = Card(
    name="information_imbalance",
    summary="Rank in the target of the source's nearest neighbours: 0 knows all of it, 1 nothing.",
    paper=Paper(
        "Ranking the information content of distance measures",
        "Glielmo et al.",
        2022,
        where="eq. 2",
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    chance=1.0,
    min_rows=4,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at every size.",
    rough=ALWAYS,
)


@register(CARD)
def information_imbalance(x: Array, y: Array | None = None) -> Score:
    r"""Information imbalance of x towards y: 2/n where x orders y's neighbours perfectly, 1 chance.

    .. math:: \Delta(x \to y) = \frac{2}{n^2} \sum_i r^y_{i, \mathrm{nn}_x(i)}

    where r^y_ij is the rank of row j among the distances from row i in y (the nearest has rank 1)
    and nn_x(i) the nearest neighbour of row i in x, both Euclidean. Directed: lower means that x
    knows more of y. Ties: the rank is 1 + the number strictly closer + half of those at the same
    distance up to rounding; of equally near neighbours in x the lower row is taken. Chance is
    exactly 1. z = (1 - Δ) / sd over all permutations of the rows, positive where related (for more
    than 512 rows the ranks' own variance comes from 512 of them); the interval is the exact
    delete-one jackknife.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts or non-finite values.

    References
    ----------
    Glielmo et al. 2022, eq. 2; Mantel 1967 for the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> y = x[:, :1]
    >>> float(information_imbalance(x, x)) == 2 / 50
    True
    >>> float(information_imbalance(x, y)) < float(information_imbalance(y, x))
    True
    """
    x, y = paired(x, y, operation="information_imbalance", min_rows=4)
    n = x.shape[0]
    indices, distances = (to_numpy(a) for a in neighbors(x, x, 2, exclude_self=True))
    ranks = _rank(y, indices)
    total = float(ranks.first.sum())
    value = 2 * total / n**2
    # Leaving row m out lowers every rank that m stood before, and moves those whose neighbour m was
    # on to their second one.
    moved = np.bincount(indices[:, 0], weights=ranks.second - ranks.first, minlength=n)
    ci = jackknife(value, [2 * (total - ranks.first - ranks.before + moved) / (n - 1) ** 2])
    mean, spread = permutation_moments(graph_sums(indices[:, :1]), ranks.sums)
    z = (mean - total) / spread if spread > 0 else None
    tied = int((distances[:, 0] == distances[:, 1]).sum())
    warnings: tuple[str, ...] = ()
    if tied > 0.01 * n:
        warnings = (
            f"{tied} of {n} rows of the source have several equally near neighbours; the lower row "
            "is taken, which makes the value depend on the order of rows",
        )
    return Score(
        value=value, method="information_imbalance", n=n,
        ci=None if ci is None else (max(ci[0], 0.0), ci[1]), chance=1.0, z=z,
        p=None if z is None else upper_tail(z), warnings=warnings,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Ranks in y: of each row's first neighbour in x; of its second, once the first is gone; for
    each row, how many neighbours it stands before; and the sums of the whole rank matrix.
    """  # noqa: D205

    first: np.ndarray
    second: np.ndarray
    before: np.ndarray
    sums: Sums


def _rank(y: Array, indices: np.ndarray) -> _Ranks:
    points, norms = centred_points(y)
    distances = Thresholds(points, norms)

    def work(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        near, rough, local = indices[rows], distances.rough(rows), np.arange(len(rows))
        slack = rounding(norms, rows)

        def ahead(one: np.ndarray) -> np.ndarray:
            """2 where strictly closer than the row ``one`` (r,), 1 where as close, else 0."""
            both = np.column_stack([one, one])
            limits = distances.exact(rows, both) + np.column_stack([-slack, slack])
            limits[:, 1] = np.nextafter(limits[:, 1], np.inf)
            count: np.ndarray = 2 - distances.reached(rows, rough, both, limits)
            return count

        first, second = ahead(near[:, 0]), ahead(near[:, 1])
        first[local, near[:, 0]] = 0
        second[local[:, None], near] = 0
        sums = (one.sum(axis=1, dtype=np.int64) for one in (first, second))
        rank, next_rank = (1 + one / 2 for one in sums)
        return rank, next_rank, first.sum(axis=0, dtype=np.int64) / 2

    first, second, before = zip(*over_rows(work, points), strict=True)
    return _Ranks(
        np.concatenate(first), np.concatenate(second), np.sum(before, axis=0),
        rank_sums(points, norms),
    )  # fmt: skip
