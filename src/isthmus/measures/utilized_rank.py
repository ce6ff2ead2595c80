r"""Utilised rank: how many directions of a layer or a linear bridge the data really use."""

from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="utilized_rank",
    summary="Share of a linear map's rank that its inputs use, with the equal map of that rank.",
    paper=Paper(
        "Revealing the Utilized Rank of Subspaces of Learning in Neural Networks", "Garg et al.",
        2024,
    ),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    invariant=("isotropic_scale",),
    spaces=0,
    min_rows=1,
    caveat="It speaks of these rows: inputs of another kind may use other directions.",
)  # fmt: skip


@register(CARD)
def utilized_rank(weights: Any, x: Any, *, tol: float = 1e-6) -> Score:
    r"""Smallest rank that keeps all outputs of a linear map, over the largest possible; 0 to 1.

    .. math:: \frac{r}{\min(d_x, d_y)}, \quad r = \min\{\, k : \sum_{i > k} s_i^2
              \le \text{tol}^2 \sum_i s_i^2 \,\}

    with s_i the singular values of the outputs X W = U S Vᵀ. The paper projects W onto the
    directions that inputs fill and those that outputs fill, W' = P_S W P_T, and calls the smaller
    of the two ranks utilised. No map of smaller rank misses the outputs by less than W V_r V_rᵀ
    (Eckart & Young 1936), so that is the map given here: ``parts["left"]`` (dx, r) = W V_r and
    ``parts["right"]`` (r, dy) = V_rᵀ, two layers in the place of one; a bias is added after them
    as before. ``parts``: ``rank`` r, ``input_rank`` by the same rule for X, ``error`` the relative
    error of the outputs, ``parameters`` those of the two factors over those of W, and
    ``singular_values`` of the outputs.

    Parameters
    ----------
    weights : (dx, dy) array; y = x @ weights
    x : (n, dx) array of inputs, not centred
    tol : root mean square error allowed, relative to the outputs, at least 0 and below 1

    Raises
    ------
    InputError
        On widths that do not fit, non-finite values, outputs that are all zero, or tol out of
        range.

    References
    ----------
    Garg et al. 2024; Eckart & Young 1936.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 8))
    >>> utilized_rank(rng.normal(size=(8, 8)), x).value
    0.25
    """
    if not 0 <= tol < 1:
        raise InputError("utilized_rank", f"tol={tol}", "0 <= tol < 1")
    w = to_numpy(matrix("weights", weights, operation="utilized_rank")).astype(np.float64)
    x = to_numpy(matrix("x", x, operation="utilized_rank")).astype(np.float64)
    if x.shape[1] != w.shape[0]:
        raise InputError(
            "utilized_rank", f"weights {w.shape} and x {x.shape}", "x (n, dx), weights (dx, dy)",
            "Pass the transpose of a torch Linear's weight.",
        )  # fmt: skip
    inputs = _spectrum(x)[0]
    # Of n rows or more, only the triangle of X's QR matters; it has the same products.
    values, right = _spectrum(np.linalg.qr(x, mode="r") @ w)
    if not values[0] > 0:
        raise InputError(
            "utilized_rank",
            f"outputs that are all zero: x {x.shape}, weights {w.shape}",
            "inputs the map acts on",
            "Look at the inputs: the map sends all of them to zero.",
        )
    rank, most = _rank(values, tol), min(w.shape)
    kept = right[:rank]
    error = float(np.sqrt(np.sum(values[rank:] ** 2) / np.sum(values**2)))
    warnings: tuple[str, ...] = ()
    if rank == len(x) < most:
        warnings = (f"{rank} rows cannot use more than {rank} directions: bring more of them",)
    return Score(
        value=rank / most, method="utilized_rank", n=len(x), warnings=warnings,
        parts={
            "rank": rank, "input_rank": _rank(inputs, tol), "error": error,
            "left": w @ kept.T, "right": kept, "singular_values": values,
            "parameters": rank * sum(w.shape) / w.size,
        },
    )  # fmt: skip


def _spectrum(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, values, right = np.linalg.svd(a, full_matrices=False)
    # What is no more than rounding is zero, so that tol = 0 finds the rank itself.
    values[values <= max(a.shape) * np.finfo(float).eps * values[0]] = 0.0
    return values, right


def _rank(values: np.ndarray, tol: float) -> int:
    """The fewest values whose rest holds at most ``tol``² of the sum of squares."""
    unit = values / (values[0] or 1.0)
    rest = np.append(np.cumsum(unit[::-1] ** 2)[::-1], 0.0)
    return int(np.argmax(rest <= tol**2 * rest[0]))
