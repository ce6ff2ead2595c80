r"""Von Neumann entropy: how many directions unit rows fill, with its gradient in the rows."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.neighbors import unit
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import BLOCK, along, influence_interval, unit_rows

CARD = Card(
    name="vne",
    summary="Entropy of the eigenvalues of the autocorrelation of a space's directions.",
    paper=Paper(
        "VNE: An Effective Method for Improving Deep Representation by Manipulating Eigenvalue "
        "Distribution", "Kim et al.", 2023,
    ),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "row_scale"),
    spaces=1,
    paired=False,
    caveat="Simulated: the interval covers too seldom at every size.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def vne(x: Array) -> Score:
    r"""Von Neumann entropy of the autocorrelation of unit rows, in nats, 0 to log min(n, d).

    .. math:: S = -\sum_j \lambda_j \log \lambda_j, \qquad
              C = \frac1n \sum_i u_i u_i^\top = \sum_j \lambda_j v_j v_j^\top, \quad
              u_i = x_i / |x_i|

    Nothing is centred, as in the paper: a common direction is one large eigenvalue. Part
    ``effective_rank`` is exp S, part ``eigenvalues`` (d,) sums to 1, largest first. Zero rows are
    left out and counted in a warning. The interval comes from the exact influence of every row,
    v_j weighing in by (u_i · v_j)²; it does not cover that n rows read low where n is not many
    times d, of which a warning tells. ``vne_gradient`` in this module gives the derivative.

    Parameters
    ----------
    x : (n, d) array

    Raises
    ------
    InputError
        On non-finite values or fewer than 2 nonzero rows.

    References
    ----------
    Kim et al. 2023, "VNE".

    Examples
    --------
    >>> import numpy as np
    >>> round(float(np.exp(vne(np.eye(4)).value)), 9)
    4.0
    """
    x = matrix("x", x, operation="vne")
    given, d = (int(size) for size in x.shape)
    n, gram = 0, np.zeros((d, d))
    for one, kept in _directions(x, namespace(x).float64):
        u = to_numpy(one)
        n += int(kept.sum())
        gram += u.T @ u
    if n < 2:
        raise InputError("vne", f"{n} nonzero rows", "at least 2", "Bring more of them.")
    values, vectors, logs = _spectrum(gram / n)
    value = max(float(-values @ logs), 0.0)
    # Errors of an interval do with the digits that the rows came in.
    # A copy, for one column turned round is contiguous as it is and keeps its negative stride.
    turn = like(vectors.copy(), x)
    influences = (
        (-along(to_numpy(u @ turn) ** 2, logs) - value)[kept] for u, kept in _directions(x, x.dtype)
    )
    warnings: tuple[str, ...] = (f"{given - n} zero rows left out",) if given > n else ()
    if n < 5 * d:
        warnings += (f"{n} rows of width {d}: reads low until rows are several times the width",)
    return Score(
        value=value,
        method="vne",
        n=n,
        ci=influence_interval(value, influences),
        warnings=warnings,
        parts={"effective_rank": math.exp(value), "eigenvalues": values},
    )


def vne_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
    r"""``vne`` and its derivative in every entry of x, (n, d); raise it to spread a space.

    .. math:: \frac{\partial S}{\partial x_i} = -\frac{2}{n |x_i|}
              (1 - u_i u_i^\top) (\log C)\, u_i

    log C acts on the directions in use: into an unused one the entropy has slope 0, as its
    eigenvalue there grows with the square of the step. Zero rows have gradient 0. Raises InputError
    as ``vne`` does.

    >>> value, gradient = vne_gradient(np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> (-gradient + 0.0).round(3).tolist()
    [[0.0, 0.623], [0.312, -0.312]]
    """
    x = matrix("x", x, operation="vne").astype(np.float64)
    u, length = unit(x), np.linalg.norm(x, axis=1, keepdims=True)
    n = int(np.sum(length > 0))
    if n < 2:
        raise InputError("vne_gradient", f"{n} nonzero rows", "at least 2", "Bring more of them.")
    values, vectors, logs = _spectrum(u.T @ u / n)
    pull = (u @ (vectors * logs)) @ vectors.T
    across = pull - np.sum(pull * u, axis=1, keepdims=True) * u
    gradient = -2 / n * across / np.where(length > 0, length, 1.0)
    return max(float(-values @ logs), 0.0), gradient


def _directions(x: Array, dtype: Any) -> Iterator[tuple[Array, np.ndarray]]:
    """Blocks of rows at length one, of x's kind in ``dtype``, and which are not zero."""
    xp = namespace(x)
    for rows in row_blocks(x.shape[0], BLOCK):
        yield unit_rows(xp.astype(x[rows, :], dtype, copy=False))


def _spectrum(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues (sum 1), eigenvectors, and logs of the eigenvalues, 0 where one is rounding."""
    values, vectors = symmetric_eigen(correlation)
    used = values > len(values) * np.finfo(float).eps * values[0]
    values = np.where(used, values, 0.0) / values[used].sum()
    return values, vectors, np.log(np.where(used, values, 1.0))
