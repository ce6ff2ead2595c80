r"""Alignment: how close the two views of each row lie on the unit sphere."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, paired, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import BLOCK, Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Z95, squares, unit_rows, upper_tail

CARD = Card(
    name="alignment",
    summary="Mean distance of the two views of each row on the unit sphere; 0 is perfect.",
    paper=Paper(
        "Understanding Contrastive Representation Learning through Alignment and Uniformity on the "
        "Hypersphere", "Wang & Isola", 2020, where="eq. 7",
    ),
    cost="n d^2",
    memory="n + d^2",
    invariant=("orthogonal", "row_scale"),
    jointly=True,
    symmetric=True,
    identical=0.0,
)  # fmt: skip


@register(CARD)
def alignment(x: Array, y: Array | None = None, *, alpha: float = 2.0) -> Score:
    r"""Mean distance between paired rows after L2 normalisation, 0 aligned, at most 2^α.

    .. math:: \ell = \frac1n \sum_i \|u_i - v_i\|^\alpha, \quad
              u_i = x_i/\|x_i\|,\ v_i = y_i/\|y_i\|

    Both sides live in one space: they may be rotated together, not apart. Chance (α = 2 only) is
    the exact mean over all pairings of the rows, 2 - 2 ū·v̄; z = (chance - ℓ) / sd uses the exact
    permutation variance, positive where aligned. The interval is normal over rows. Pairs with a
    zero vector are left out and counted in a warning. Collapsed spaces align perfectly, which is
    why this goes with ``uniformity``: a side whose rows all point one way is named in a warning.

    Parameters
    ----------
    x, y : (n, d) arrays of one kind, or x a Pairs
    alpha : power of the distance, positive

    Raises
    ------
    InputError
        On unequal shapes, non-finite values, fewer than two pairs of nonzero vectors, or an alpha
        that is not positive.

    References
    ----------
    Wang & Isola 2020, eq. 7. ``loss`` in this module is the same number as a differentiable tensor.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(alignment(np.eye(3), np.roll(np.eye(3), 1, axis=0))), 9)
    2.0
    """
    x, y = paired(_plain(x), _plain(y), operation="alignment")
    _check(x, y, alpha)
    xp = namespace(x, y)
    found, sides = [], {"x": Moments(), "y": Moments()}
    for rows in row_blocks(int(x.shape[0]), BLOCK):
        (u, one), (v, two) = unit_rows(x[rows, :]), unit_rows(y[rows, :])
        kept = one & two
        if not kept.any():
            continue
        if not kept.all():
            place = xp.asarray(np.flatnonzero(kept), device=getattr(x, "device", None))
            u, v = xp.take(u, place, axis=0), xp.take(v, place, axis=0)
        found.append(squares(to_numpy(u - v)))
        sides["x"].update(u)
        sides["y"].update(v)
    gaps = np.concatenate([*found, np.empty(0)]) ** (alpha / 2)
    n = len(gaps)
    if n < 2:
        raise InputError(
            "alignment", f"{n} pairs of nonzero vectors in x and y {tuple(x.shape)}", "at least 2",
            "Bring more pairs, or look at why these vectors are zero.",
        )  # fmt: skip
    value, half = float(gaps.mean()), Z95 * float(gaps.std(ddof=1)) / math.sqrt(n)
    chance = z = None
    collapsed = [name for name, side in sides.items() if side.variance_x <= 1e-12 * n]
    if alpha == 2:
        chance = 2 - 2 * float(sides["x"].mean_x @ sides["y"].mean_x)
        # Σ_i u_i·v_π(i) has variance Σ_ij (ũ_i·ṽ_j)² / (n - 1) over permutations π.
        shared = float(np.vdot(sides["x"].scatter_xx, sides["y"].scatter_xx))
        spread = 2 * math.sqrt(max(shared, 0.0) / (n - 1)) / n
        z = (chance - value) / spread if spread > 1e-12 and not collapsed else None
    skipped = int(x.shape[0]) - n
    warnings: tuple[str, ...] = (f"{skipped} pairs with a zero vector left out",) if skipped else ()
    if collapsed:
        where = " and of ".join(collapsed)
        warnings += (f"all rows of {where} point one way: collapsed, so any pairing reads this",)
    return Score(
        value=value, method="alignment", n=n, ci=(max(value - half, 0.0), value + half),
        chance=chance, z=z, p=None if z is None else upper_tail(z), warnings=warnings,
    )  # fmt: skip


def loss(x: Array, y: Array, *, alpha: float = 2.0) -> Array:
    """``alignment`` as a 0-d array of the kind given, differentiable where that kind is.

    x, y are (n, d); pairs with a zero vector contribute nothing. Raises InputError on unequal
    shapes or an alpha that is not positive.

    >>> import numpy as np
    >>> float(loss(np.eye(3), np.roll(np.eye(3), 1, axis=0)))
    2.0
    """
    x = matrix("x", x, operation="alignment", finite=False)
    y = matrix("y", y, operation="alignment", finite=False)
    xp = namespace(x, y)
    _check(x, y, alpha)
    kept = _nonzero(xp, x, y)
    gap = _directions(xp, xp.take(x, kept, axis=0)) - _directions(xp, xp.take(y, kept, axis=0))
    squares = xp.sum(gap * gap, axis=1)
    # The square root has no gradient at 0, where alpha = 2 needs none.
    return xp.mean(squares if alpha == 2 else squares ** (alpha / 2))


def _nonzero(xp: Any, x: Array, y: Array) -> Array:
    """Rows that are nonzero on both sides."""
    return xp.nonzero(xp.any(x != 0, axis=1) & xp.any(y != 0, axis=1))[0]


def _directions(xp: Any, x: Array) -> Array:
    """Nonzero rows at length one; dividing by the peak first keeps squares of 1e200 finite."""
    x = x / xp.max(xp.abs(x), axis=1, keepdims=True)
    return x / xp.sqrt(xp.sum(x * x, axis=1, keepdims=True))


def _plain(x: Any) -> Any:
    return x.detach() if hasattr(x, "detach") else x


def _check(x: Array, y: Array, alpha: float) -> None:
    if tuple(x.shape) != tuple(y.shape):
        raise InputError(
            "alignment", f"x {tuple(x.shape)} and y {tuple(y.shape)}", "equal shapes",
            "Bridge one side into the other's space first.",
        )  # fmt: skip
    if not alpha > 0:
        raise InputError("alignment", f"alpha={alpha}", "a positive number", "2 is the paper's.")
