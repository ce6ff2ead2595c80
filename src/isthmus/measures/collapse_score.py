r"""Collapse score: whether vectors of one role have become one vector."""

import math
from typing import Any

import numpy as np
from scipy.special import gammaincc

from isthmus.core.arrays import Array, all_equal, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.cdnv import Classes
from isthmus.measures.classes import codes
from isthmus.measures.rows import jackknife, squares

CARD = Card(
    name="collapse_score",
    summary="Distance within roles over distance between roles; 0 when a role is one vector.",
    paper=Paper("Feature Collapse", "Laurent et al.", 2023),
    cost="n d^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    chance=1.0,
    min_rows=4,
    caveat="p has an exact mean and variance, and a tail that is right at many rows of each role.",
    rough=(0, 2),
)


@register(CARD)
def collapse_score(x: Array, labels: Any) -> Score:
    r"""Root mean square distance within roles over that between roles, 0 collapsed, 1 unrelated.

    .. math:: \sqrt{\frac{\mathrm{mean}\{|x_i - x_j|^2 : y_i = y_j, i \ne j\}}
              {\mathrm{mean}\{|x_i - x_j|^2 : y_i \ne y_j\}}}

    over all pairs of rows, in one pass. Chance is 1; z and p use the exact mean and variance, over
    all relabellings of the rows, of the sum of squared distances within roles (Mantel 1967): large
    where roles have collapsed. At many rows that sum is one of χ² weighted by the directions of x,
    and of single rows where roles are of unequal sizes. So p is the gamma tail of its skewness,
    2 √2 tr S³ / (tr S²)^1.5 / √(g - 1) times the χ²'s share of the variance to the power 1.5. The
    interval is the exact delete-one jackknife. ``parts["roles"]`` (g,) is the same ratio for the
    pairs within each role (0 for a role of one row).

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings, the role of every row; at least 2 roles, one with 2 rows

    Raises
    ------
    InputError
        On non-finite values, rows that are all equal, roles of one row each, labels of other length
        or one role.

    References
    ----------
    Laurent et al. 2023, "Feature Collapse"; the ratio is our summary of what they show.

    Examples
    --------
    >>> import numpy as np
    >>> role = np.arange(40) % 4
    >>> round(float(collapse_score(np.eye(4)[role], role)), 6)
    0.0
    """
    x = matrix("x", x, operation="collapse_score")
    numbers, sizes = codes(labels, x.shape[0], operation="collapse_score")
    if sizes.max() < 2:
        raise InputError(
            "collapse_score",
            f"{len(sizes)} roles of one row each",
            "a role with 2 rows or more",
            "Bring more rows of each role.",
        )
    seen, n = Classes.of(x, numbers, sizes), len(numbers)
    means, own, a = seen.means, np.empty(n), np.empty(n)
    for rows, rest in seen.rests():
        own[rows] = squares(rest)  # squared distance from the role's mean
        rest += means.astype(rest.dtype)[numbers[rows]]
        a[rows] = squares(rest)  # and from that of all rows
    scatter = Moments.of(x).scatter_xx / seen.unit**2
    role = np.bincount(numbers, own)
    inside = sizes * role  # Σ over pairs i < j within a role
    # Between roles every term is positive: nothing cancels where roles have collapsed.
    apart = np.array([np.sum((means - mean) ** 2, axis=1) for mean in means])
    outside = float(np.outer(role, sizes).sum() - role @ sizes + sizes @ apart @ sizes / 2)
    within, between = sizes * (sizes - 1) / 2, (n**2 - int(sizes @ sizes)) / 2
    if not outside > 0:
        raise all_equal("x", x.shape, operation="collapse_score")
    typical = outside / between
    value = math.sqrt(inside.sum() / within.sum() / typical)
    # A row's sums of squared distances to its own role and to all rows.
    near = sizes[numbers] * own + role[numbers]
    far = np.maximum(n * a + a.sum() - near, 0.0)
    fewer = within.sum() - (sizes[numbers] - 1)
    left = None
    if (fewer > 0).all() and (between > n - sizes[numbers]).all():
        rests = np.maximum(inside.sum() - near, 0.0) / fewer
        others = (outside - far) / (between - (n - sizes[numbers]))
        left = np.sqrt(rests / others) if (others > 0).all() else None
    z, share = _standing(sizes, float(inside.sum()), a, scatter)
    p = _tail(z, scatter, len(sizes), share)
    ci = None if left is None else jackknife(value, [left])
    return Score(
        value=value, method="collapse_score", n=n, chance=1.0, z=z, p=p,
        ci=None if ci is None else (max(ci[0], 0.0), ci[1]),
        parts={"roles": np.sqrt(inside / np.maximum(within, 1) / typical)},
        warnings=() if ci else ("too few pairs for an interval",),
    )  # fmt: skip


def _standing(
    sizes: np.ndarray, found: float, a: np.ndarray, scatter: np.ndarray
) -> tuple[float, float]:
    """How far Σ D_ij over pairs within roles lies below its mean, in exact standard deviations.

    And the share of its variance that is of pairs: roles of unequal sizes weigh far rows unequally,
    which adds a sum over single rows.

    With D_ij = |x_i - x_j|² of centred rows and w_ij = 1 within a role, Mantel's moments need the
    sums, row sums and squares of both; those of D are ΣD = 2nΣa, rows n a_i + Σa, and
    ΣD² = 2nΣa² + 2(Σa)² + 4|S|².
    """
    n, total = len(a), float(a.sum())
    d_sum, d_rows = 2 * n * total, float(np.sum((n * a + total) ** 2))
    d_squares = 2 * n * float(a @ a) + 2 * total**2 + 4 * float(np.sum(scatter**2))
    w = sizes * (sizes - 1.0)
    w_sum = w_squares = float(w.sum())
    w_rows = float(w @ (sizes - 1))
    mean = d_sum * w_sum / (n * (n - 1))
    # Products of two entries that share both, one or no row, each at its mean over relabellings.
    both = 2 * d_squares * w_squares / (n * (n - 1))
    one = 4 * (d_rows - d_squares) * (w_rows - w_squares) / (n * (n - 1) * (n - 2))
    none = (d_sum**2 + 2 * d_squares - 4 * d_rows) * (w_sum**2 + 2 * w_squares - 4 * w_rows)
    variance = both + one + none / (n * (n - 1) * (n - 2) * (n - 3)) - mean**2
    if not variance > 1e-12 * mean**2:
        return 0.0, 1.0
    rows = sizes @ sizes**2 - float(sizes @ sizes) ** 2 / n  # Σ (size of the own role - its mean)²
    single = 4 * float(rows) * float(np.sum((a - total / n) ** 2)) / (n - 1)
    return (mean - 2 * found) / math.sqrt(variance), max(1 - single / variance, 0.0)


def _tail(z: float, scatter: np.ndarray, roles: int, share: float) -> float:
    """P(Z > z) of a standardised gamma as skew as a sum of χ² weighted by the spectrum.

    That sum makes ``share`` of the variance; what else there is is nearly normal.
    """
    square = scatter @ scatter
    second = float(np.trace(square))
    skew = math.sqrt(8 / (roles - 1)) * float(np.sum(square * scatter)) / second**1.5
    skew = max(skew * share**1.5, 1e-3)
    shape = 4 / skew**2
    return float(gammaincc(shape, max(shape + z * math.sqrt(shape), 0.0)))
