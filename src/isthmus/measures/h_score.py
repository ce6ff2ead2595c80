r"""H-score: how much of the whitened variance of features lies between classes."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import across, check_room, overlap_test, span
from isthmus.measures.classes import codes, indicators
from isthmus.measures.rows import influence_interval, squares

CARD = Card(
    name="h_score",
    summary="Whitened between-class variance of features: sum over up to g - 1 directions.",
    paper=Paper(
        "An Information-Theoretic Approach to Transferability in Task Transfer Learning",
        "Bao et al.", 2019,
    ),
    cost="n d^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("affine",),
    min_rows=4,
    caveat="Rises with width: noise reads r (g - 1) / (n - 1), and the interval is around that. "
    "Simulated: the interval hardly ever covers at 50 rows; the interval covers too seldom at 500 "
    "rows.",
    rough=(0, 1000),
)  # fmt: skip


@register(CARD)
def h_score(x: Array, labels: Any) -> Score:
    r"""Trace of the between-class covariance in units of the whole, 0 to min(r, g - 1).

    .. math:: H = \mathrm{tr}\!\left(\mathrm{cov}(x)^{+} \, \mathrm{cov}(E[x \mid y])\right)
              = \|U_x^\top U_y\|_F^2

    with U_x a basis of the centred columns of x (rank r) and U_y of the centred class indicators:
    the sum of the squared canonical correlations of features and labels. So ``chance``, z and p
    are exact moments over shuffled labels, as in ``cca``; ``chance`` = r (g - 1) / (n - 1). The
    interval comes from the influence of each row.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes

    Raises
    ------
    InputError
        On non-finite values, rows that are all equal, labels of other length or one class, or
        n - 1 at or below the rank of x (``log_me`` works there).

    References
    ----------
    Bao et al. 2019.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> labels = np.arange(60) % 2
    >>> x[:, 0] += 9 * labels
    >>> round(h_score(x, labels).value, 2), round(h_score(x, labels).chance, 2)
    (0.94, 0.05)
    """
    x = matrix("x", x, operation="h_score")
    numbers, sizes = codes(labels, x.shape[0], operation="h_score")
    u, _ = span("x", x, operation="h_score")
    check_room("x", x, u.shape[1], operation="h_score")
    # A row of its own class each: the labels' span fills all rows and everything agrees with it.
    check_room("labels", np.empty((len(u), len(sizes))), len(sizes) - 1, operation="h_score")
    v, _ = span("labels", indicators(numbers), operation="h_score")
    cross = across(v, u).T
    value = float(np.sum(cross**2))
    chance, z, p = overlap_test(u, v, cross)
    # ``overlap_influence``, where |M b|² of few classes goes by way of MᵀM; the errors of an
    # interval do with the digits that the rows came in.
    forth = u @ cross.astype(u.dtype)
    influences = 2 * np.vecdot(forth, v) - squares(forth) - np.vecdot(v @ (cross.T @ cross), v)
    warnings: tuple[str, ...] = ()
    if chance > 0.1 * min(u.shape[1], v.shape[1]):
        warnings = (f"shuffled labels would read {chance:.2f} at this width and {len(u)} rows",)
    return Score(
        value=value,
        method="h_score",
        n=len(u),
        ci=influence_interval(value, [len(u) * influences]),
        chance=chance,
        z=z,
        p=p,
        warnings=warnings,
    )
