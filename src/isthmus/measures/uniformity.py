r"""Uniformity: how evenly a space's rows spread over the unit sphere."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import jackknife

CARD = Card(
    name="uniformity",
    summary="Log mean Gaussian potential of pairs on the unit sphere; lower is more uniform.",
    paper=Paper(
        "Understanding Contrastive Representation Learning through Alignment and Uniformity on the "
        "Hypersphere", "Wang & Isola", 2020, where="eq. 8",
    ),
    cost="n^2 d",
    caveat="Simulated: the interval covers too often at 50 rows of 500 dims.",
    rough=(0, 0.2),
    memory="n d",
    invariant=("orthogonal", "row_scale"),
    spaces=1,
    paired=False,
)  # fmt: skip

#: Entries of one block of cosines.
_ENTRIES = 2**19


@register(CARD)
def uniformity(x: Array, *, t: float = 2.0) -> Score:
    r"""Log of the mean pairwise Gaussian potential after L2 normalisation; lower is more uniform.

    .. math:: \log \frac{2}{n(n-1)} \sum_{i<j} e^{-t \|u_i - u_j\|^2}, \quad u_i = x_i/\|x_i\|

    Between -4t (two antipodal points) and 0 (all rows in one direction); only distinct pairs count,
    so the value does not saturate at -log n. The interval is the exact delete-one jackknife. Zero
    vectors are left out and counted in a warning; so does one say that all rows point one way.

    Parameters
    ----------
    x : (n, d) array
    t : sharpness of the potential, positive and at most 150

    Raises
    ------
    InputError
        On non-finite values, fewer than two nonzero rows, or t out of range.

    References
    ----------
    Wang & Isola 2020, eq. 8. ``loss`` in this module is the same number as a differentiable tensor.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(uniformity(np.array([[1.0, 0.0], [-2.0, 0.0]]))), 9)
    -8.0
    """
    _check(t)
    x = matrix("x", x.detach() if hasattr(x, "detach") else x, operation="uniformity")
    xp = namespace(x)
    u, total = _directions(xp, xp.astype(x, xp.float64)), int(x.shape[0])
    n = int(u.shape[0])
    if n < 2:
        raise _few(n, x)
    block = _potentials(xp, u, t)

    def work(part: slice) -> np.ndarray:
        return to_numpy(xp.sum(block(part), axis=1))

    parts = map_on_cores(work, _blocks(n), u)
    rows = np.concatenate(list(parts))
    energy = float(rows.sum())
    value = math.log(energy / (n * (n - 1)))
    ci = None
    if n > 2:
        left = (energy - 2 * rows) / ((n - 1) * (n - 2))
        ci = jackknife(value, [np.log(left)]) if (left > 0).all() else None
    warnings: tuple[str, ...] = (f"{total - n} zero vectors left out",) if total > n else ()
    if value >= -1e-12 * t:
        warnings += ("all rows point one way: the space has collapsed, and 0 is the worst value",)
    return Score(value=value, method="uniformity", n=n, ci=ci, warnings=warnings)


def loss(x: Array, *, t: float = 2.0) -> Array:
    """``uniformity`` as a 0-d array of the kind given, differentiable where that kind is.

    x is (n, d); zero vectors are left out. Raises InputError on fewer than two nonzero rows or t
    out of range.

    >>> import numpy as np
    >>> round(float(loss(np.array([[1.0, 0.0], [-2.0, 0.0]]))), 9)
    -8.0
    """
    _check(t)
    x = matrix("x", x, operation="uniformity", finite=False)
    xp = namespace(x)
    u = _directions(xp, x)
    n = int(u.shape[0])
    if n < 2:
        raise _few(n, x)
    block = _potentials(xp, u, t)
    energy = xp.sum(xp.stack([xp.sum(block(part)) for part in _blocks(n)]))
    return xp.log(energy / (n * (n - 1)))


def _directions(xp: Any, x: Array) -> Array:
    """Nonzero rows at length one."""
    # Dividing by the peak first keeps squares of 1e200 finite.
    peak = xp.max(xp.abs(x), axis=1)
    kept = xp.nonzero(peak > 0)[0]
    x = xp.take(x, kept, axis=0) / xp.take(peak, kept, axis=0)[:, None]
    return x / xp.sqrt(xp.sum(x * x, axis=1, keepdims=True))


def _potentials(xp: Any, u: Array, t: float) -> Callable[[slice], Array]:
    """Blocks of rows of exp(-t |u_i - u_j|²), with 0 where i = j."""
    every = xp.arange(u.shape[0], device=getattr(u, "device", None))

    def block(rows: slice) -> Array:
        e = xp.exp(2 * t * (u[rows, :] @ u.T - 1))
        return xp.where(every[rows][:, None] == every[None, :], xp.zeros_like(e), e)

    return block


def _blocks(n: int) -> list[slice]:
    return list(row_blocks(n, max(1, _ENTRIES // n)))


def _few(n: int, x: Array) -> InputError:
    return InputError(
        "uniformity", f"{n} nonzero rows in x {tuple(x.shape)}", "at least 2",
        "Bring more rows, or look at why these vectors are zero.",
    )  # fmt: skip


def _check(t: float) -> None:
    if not 0 < t <= 150:
        raise InputError("uniformity", f"t={t}", "0 < t <= 150", "2 is the paper's.")
