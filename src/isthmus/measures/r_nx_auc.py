r"""R_NX: neighbourhoods kept beyond chance at every size, and the area under that curve."""

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.ranks import centred_points, over_rows, rank_rows
from isthmus.measures.rows import jackknife

CARD = Card(
    name="r_nx_auc",
    summary="Neighbours kept beyond chance at all neighbourhood sizes, small ones weighing most.",
    paper=Paper(
        "Multi-scale similarities in stochastic neighbour embedding: Reducing dimensionality while "
        "preserving both local and global structure", "Lee et al.", 2015,
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    identical=1.0,
    chance=0.0,
    min_rows=8,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at 50 rows.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def r_nx_auc(x: Array, y: Array | None = None) -> Score:
    r"""Area under the curve of neighbours kept beyond chance, over the logarithm of their number.

    .. math:: Q(K) = \frac{1}{nK} \sum_i |N^K_x(i) \cap N^K_y(i)|, \quad
              R(K) = \frac{(n - 1) Q(K) - K}{n - 1 - K}, \quad
              s = \frac{\sum_{K=1}^{n-2} R(K) / K}{\sum_{K=1}^{n-2} 1 / K}

    R is 0 for unrelated spaces on average and 1 for equal neighbourhoods, whatever K; weights 1 / K
    give each scale of neighbourhood the same say, so no k has to be chosen. Neighbours are
    Euclidean; all ranks of all rows are taken, in blocks of rows. The interval is the delete-one
    jackknife, exact but for pairs of equal rank in both spaces. ``parts``: ``curve`` (n - 2,), R at
    K = 1..n-2, and ``per_row`` (n,), each row's own area. No z: the law of the area over
    permutations is not known; ``mutual_knn`` tests at one k, exactly.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row

    Raises
    ------
    InputError
        On fewer than 8 rows, unequal row counts or non-finite values.

    References
    ----------
    Lee, Peluffo-Ordóñez, Verleysen 2015, "Multi-scale similarities in stochastic neighbour
    embedding".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(float(r_nx_auc(x, 3 * x[:, ::-1] + 1)), 9)
    1.0
    """
    x, y = paired(x, y, operation="r_nx_auc", min_rows=CARD.min_rows)
    n = x.shape[0]
    sides = [centred_points(x), centred_points(y)]
    whole, whole_base = _gain_by_rank(n)
    fewer, fewer_base = _gain_by_rank(n - 1)
    fewer = np.append(fewer, 0.0)
    # What a pair at rank r wins when a row before it goes.
    step = np.append(0.0, fewer[:-1] - fewer[1:])

    def work(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        ranks, equal = zip(*(rank_rows(*side, rows) for side in sides), strict=True)
        # A row is not its own neighbour: rank n, where nothing is won.
        both = np.maximum(*ranks)
        left = fewer[both]
        change = left.sum() - left.sum(axis=0)
        change[rows] -= left.sum(axis=1)
        for mine, other in (ranks, ranks[::-1]):
            won = np.where(mine > other, step[mine], np.where(mine == other, step[mine] / 2, 0.0))
            change += _moved(won, mine)
        kept = np.bincount(both.ravel(), minlength=n + 1)
        return whole[both].sum(axis=1), change, kept, max(equal)

    per_row, change, kept, tied = zip(*over_rows(work, sides[0][0]), strict=True)
    own = np.concatenate(per_row)
    value = float(own.mean()) + whole_base
    ci = jackknife(value, [np.sum(change, axis=0) / (n - 1) + fewer_base])
    sizes = np.arange(1, n - 1)
    share = np.cumsum(np.sum(kept, axis=0)[1 : n - 1]) / (n * sizes)
    warnings = ("rows at equal distances: their ranks are arbitrary",) if max(tied) > 0.01 else ()
    return Score(
        value=value, method="r_nx_auc", n=n, ci=None if ci is None else (ci[0], min(ci[1], 1.0)),
        chance=0.0, warnings=warnings,
        parts={"curve": ((n - 1) * share - sizes) / (n - 1 - sizes), "per_row": own + whole_base},
    )  # fmt: skip


def _gain_by_rank(n: int) -> tuple[np.ndarray, float]:
    """What one pair whose larger rank is r adds to its row's area, (n + 1,); and what no pair does.

    The area is linear in the indicators [rank <= K]; summing over K >= r leaves one weight a rank.
    """
    sizes = np.arange(1, n - 1)
    weights = 1 / sizes / np.sum(1 / sizes)
    gain = np.zeros(n + 1)
    each = weights * (n - 1) / (sizes * (n - 1 - sizes))
    gain[1 : n - 1] = np.cumsum(each[::-1])[::-1]
    return gain, -float(np.sum(weights * sizes / (n - 1 - sizes)))


def _moved(won: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Per row m, what pairs (i, j) win together by m's going: those that m stands before, (n,)."""
    n = won.shape[1]
    by_rank = np.zeros((len(won), n + 1))
    np.put_along_axis(by_rank, ranks, won, axis=1)
    by_rank[:, n] = 0.0
    later = by_rank[:, ::-1].cumsum(axis=1)[:, ::-1] - by_rank
    gained: np.ndarray = np.take_along_axis(later, ranks, axis=1).sum(axis=0)
    return gained
