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
    # What a pair at a rank wins when a row before it goes; nothing the last, a row with itself.
    step = np.append(0.0, fewer[:-1] - fewer[1:])
    places = np.arange(n)

    def work(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        orders, equal = zip(*(rank_rows(*side, rows) for side in sides), strict=True)
        flat = [order + n * np.arange(len(rows))[:, None] for order in orders]
        ranks = []
        for order in flat:
            ranks.append(np.empty_like(order))
            ranks[-1].ravel()[order] = places
        both = np.maximum(*ranks)
        left = fewer[both]
        change = left.sum() - left.sum(axis=0)
        change[rows] -= left.sum(axis=1)
        for mine, order, other in zip(orders, flat, ranks[::-1], strict=True):
            theirs = other.ravel()[order]
            won = step * (places > theirs) + step / 2 * (places == theirs)
            # A row's going wins for the pairs that it stands before.
            later = won[:, ::-1].cumsum(axis=1)[:, ::-1] - won
            change += np.bincount(mine.ravel(), weights=later.ravel(), minlength=n)
        kept = np.bincount(both.ravel(), minlength=n)
        return whole[both].sum(axis=1), change, kept, max(equal)

    per_row, change, kept, tied = zip(*over_rows(work, sides[0][0]), strict=True)
    own = np.concatenate(per_row)
    value = float(own.mean()) + whole_base
    ci = jackknife(value, [np.sum(change, axis=0) / (n - 1) + fewer_base])
    sizes = np.arange(1, n - 1)
    share = np.cumsum(np.sum(kept, axis=0)[: n - 2]) / (n * sizes)
    warnings = ("rows at equal distances: their ranks are arbitrary",) if max(tied) > 0.01 else ()
    return Score(
        value=value, method="r_nx_auc", n=n, ci=None if ci is None else (ci[0], min(ci[1], 1.0)),
        chance=0.0, warnings=warnings,
        parts={"curve": ((n - 1) * share - sizes) / (n - 1 - sizes), "per_row": own + whole_base},
    )  # fmt: skip


def _gain_by_rank(n: int) -> tuple[np.ndarray, float]:
    """What one pair whose larger rank is r adds to its row's area, at r - 1, (n,); and what no pair
    does.

    The area is linear in the indicators [rank <= K]; summing over K >= r leaves one weight a rank.
    """  # noqa: D205
    sizes = np.arange(1, n - 1)
    weights = 1 / sizes / np.sum(1 / sizes)
    gain = np.zeros(n)
    each = weights * (n - 1) / (sizes * (n - 1 - sizes))
    gain[: n - 2] = np.cumsum(each[::-1])[::-1]
    return gain, -float(np.sum(weights * sizes / (n - 1 - sizes)))
