r"""Eigenspace overlap: how much of the larger span of columns two embeddings share."""

import math

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import check_room, overlap_influence, overlap_test, span
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="eigenspace_overlap",
    summary="Share of the larger column span that two spaces have in common, means included.",
    paper=Paper(
        "On the Downstream Performance of Compressed Word Embeddings", "May et al.", 2019,
    ),
    cost="n d^2",
    memory="n d",
    invariant=("invertible_linear",),
    symmetric=True,
    metric=True,
    identical=1.0,
    min_rows=4,
    caveat="Wide spans overlap whatever they hold; the score warns where chance is above 0.1. The "
    "interval is around the value that rows so few read. Simulated: the interval hardly ever "
    "covers at every size.",
    rough=(0, 5000),
)  # fmt: skip


@register(CARD)
def eigenspace_overlap(x: Array, y: Array | None = None) -> Score:
    r"""Overlap of the spans of the columns of two spaces, 0 to 1.

    .. math:: \frac{\|U_x^\top U_y\|_F^2}{\max(r_x, r_y)}

    with U (n, r) the left singular vectors with nonzero singular value, of the rows as they come:
    nothing is centred, so a common mean counts as agreement. ``chance`` is the exact mean over all
    shuffles of the pairs, z uses their exact standard deviation, and p the Beta with those two
    moments. The interval comes from the influence of each row. ``length`` =
    |P_x - P_y|_F / sqrt(2), P = U Uᵀ, which is sqrt(r (1 - value)) at equal ranks.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a side that is all zero, or
        one whose span fills all rows (rank n - 1 or more).

    References
    ----------
    May et al. 2019, "On the Downstream Performance of Compressed Word Embeddings".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 4))
    >>> round(eigenspace_overlap(x, x[:, :3] @ np.diag([1, 10, 100])).value, 9)
    0.75
    """
    x, y = paired(x, y, operation="eigenspace_overlap", min_rows=4)
    u, _ = span("x", x, operation="eigenspace_overlap", centre=False)
    v, _ = span("y", y, operation="eigenspace_overlap", centre=False)
    check_room("x", x, u.shape[1], operation="eigenspace_overlap")
    check_room("y", y, v.shape[1], operation="eigenspace_overlap")
    cross = u.T @ v
    rank = max(cross.shape)
    value = min(float(np.sum(cross**2)) / rank, 1.0)
    mean, z, p = overlap_test(u, v, cross)
    chance = mean / rank
    influences, apart = overlap_influence(u, v, cross)
    warnings: tuple[str, ...] = ()
    if chance > 0.1:
        warnings = (f"shuffled pairs of these {len(u)} rows would read {chance:.2f}",)
    return Score(
        value=value,
        method="eigenspace_overlap",
        n=len(u),
        ci=influence_interval(value, [influences / rank]),
        chance=chance,
        z=z,
        p=p,
        length=math.sqrt(apart),
        warnings=warnings,
    )
