r"""CCA: how well the best-correlated directions of two spaces agree."""

import math

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import (
    check_room,
    correlations,
    overlap_influence,
    overlap_test,
    span,
)
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="cca",
    summary="Mean squared canonical correlation, with the level that chance reaches.",
    paper=Paper("Relations between two sets of variates", "Hotelling", 1936),
    cost="n d^2",
    memory="n d",
    invariant=("affine",),
    symmetric=True,
    metric=True,
    identical=1.0,
    min_rows=4,
    caveat="Reads at least max rank / (n - 1) whatever the spaces; the interval is around that "
    "biased value. Simulated: the interval hardly ever covers at every size.",
    rough=(0, 5000),
)


@register(CARD)
def cca(x: Array, y: Array | None = None) -> Score:
    r"""Mean of the squared canonical correlations ρ of two spaces, 0 to 1.

    .. math:: \overline{\rho^2} = \frac{\|U_x^\top U_y\|_F^2}{\min(r_x, r_y)}

    with U orthonormal bases of the centred columns, cut at their numerical rank r, by an SVD of
    each side. ``chance`` is the exact mean over all shuffles of the pairs, max(r_x, r_y) / (n - 1);
    z uses the exact standard deviation over them and p the Beta with those two moments (Pillai's
    trace). The interval comes from the influence of each row. ``length`` is
    |P_x - P_y|_F / sqrt(2), P = U Uᵀ, which is sqrt(r (1 - value)) at equal ranks, a metric between
    spans. ``parts``: ``rho`` (min r,) the correlations and ``mean_rho`` their mean.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, a side whose rows are all equal, or n - 1 at or
        below the rank of a side, where any two spaces correlate perfectly.

    References
    ----------
    Hotelling 1936, "Relations between two sets of variates"; Kazi-Aoual et al. 1995, "Refined
    approximations to permutation tests for multivariate inference", for the moments.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 101, 20))
    >>> score = cca(x, y)
    >>> round(score.value, 1), round(score.chance, 3), score.p > 0.05
    (0.2, 0.2, True)
    """
    x, y = paired(x, y, operation="cca", min_rows=4)
    bases = []
    for name, side in (("x", x), ("y", y)):
        u, _ = span(name, side, operation="cca")
        check_room(name, side, u.shape[1], operation="cca")
        bases.append(u)
    u, v = bases
    cross = u.T @ v
    rank = min(cross.shape)
    rho = correlations(cross)
    value = float(rho @ rho) / rank
    mean, z, p = overlap_test(u, v, cross)
    chance = mean / rank
    influences, apart = overlap_influence(u, v, cross)
    warnings: tuple[str, ...] = ()
    if chance > 0.1:
        warnings = (f"unrelated spaces of these widths and {len(u)} rows read {chance:.2f}",)
    return Score(
        value=value,
        method="cca",
        n=len(u),
        ci=influence_interval(value, [influences / rank]),
        chance=chance,
        z=z,
        p=p,
        length=math.sqrt(apart),
        warnings=warnings,
        parts={"rho": rho, "mean_rho": float(rho.mean())},
    )
