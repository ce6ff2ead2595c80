"""Minibatch couplings: which row of one batch flows to which of another."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from isthmus.bridges.sinkhorn import sinkhorn
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="minibatch_couple",
    summary="Optimal-transport pairing of two batches, for straighter and cheaper flows.",
    paper=Paper(
        "Multisample Flow Matching: Straightening Flows with Minibatch Couplings",
        "Pooladian et al.",
        2023,
    ),
    spaces=0,
    cost="n^2 d + n^3",
    memory="n^2",
    library="SciPy",
    pairs="none",
)

Solver = Literal["exact", "entropic", "independent"]
Pairs = tuple[np.ndarray, np.ndarray]

#: Entropy against the mean cost of a batch.
_EPSILON = 0.05


@register(CARD)
def minibatch_couple(
    X0: Array, X1: Array, solver: Solver = "exact", *, rng: Seed = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Row numbers (i, j) of two batches that travel together, one of each for every row of X0.

    The coupling is a plan P over rows with both batches as its marginals: the one of least
    Σ P_ij |x_i - x_j|² (``exact``: an assignment, of batches of equal size), the same with entropy,
    ε = 0.05 of the mean cost (``entropic``: partners are drawn from P), or P_ij = 1/nm
    (``independent``, what plain flow matching does). Whatever the batch size, the marginals stay
    right; the larger the batch, the nearer the flow is to optimal transport.

    Parameters
    ----------
    X0 : (n, d);  X1 : (m, d)
    solver : ``exact``, ``entropic`` or ``independent``
    rng : seed or Generator of the draws

    Returns
    -------
    i, j : (n,) int64 each

    Raises
    ------
    InputError
        On unequal dims, an unknown solver, or ``exact`` on batches of unequal size.

    References
    ----------
    Pooladian et al. 2023, Multisample Flow Matching; Tong et al. 2024, Improving and generalizing
    flow-based generative models with minibatch optimal transport.

    Examples
    --------
    >>> i, j = minibatch_couple(np.array([[0.0], [5.0]]), np.array([[5.1], [0.1]]))
    >>> j[np.argsort(i)].tolist()
    [1, 0]
    """
    x, y = (
        to_numpy(matrix(name, side, operation="minibatch_couple")).astype(np.float64)
        for name, side in (("X0", X0), ("X1", X1))
    )
    if x.shape[1] != y.shape[1]:
        raise InputError(
            "minibatch_couple", f"X0 {x.shape} and X1 {y.shape}", "equal dims",
            "Carry one side into the other's space first.",
        )  # fmt: skip
    if solver not in _SOLVERS:
        raise InputError("minibatch_couple", f"solver {solver!r}", f"one of {', '.join(_SOLVERS)}")
    return _SOLVERS[solver](x, y, generator(rng))


def _exact(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Pairs:
    if len(x) != len(y):
        raise InputError(
            "minibatch_couple", f"batches of {len(x)} and {len(y)} rows",
            "equally many for an assignment", "Take solver='entropic', or equal batches.",
        )  # fmt: skip
    i, j = linear_sum_assignment(cdist(x, y, "sqeuclidean"))
    return i.astype(np.int64), j.astype(np.int64)


def _entropic(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Pairs:
    cost = cdist(x, y, "sqeuclidean")
    mean = float(cost.mean()) or 1.0
    plan = sinkhorn(cost, epsilon=_EPSILON * mean, most=200, tolerance=1e-4)
    steps = np.cumsum(plan / plan.sum(axis=1, keepdims=True), axis=1)
    draws = rng.random((len(x), 1)) * steps[:, -1:]
    return np.arange(len(x)), np.sum(steps < draws, axis=1)


def _independent(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Pairs:
    if len(x) == len(y):
        return np.arange(len(x)), rng.permutation(len(y))
    return np.arange(len(x)), rng.integers(len(y), size=len(x))


_SOLVERS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Pairs]] = {
    "exact": _exact,
    "entropic": _entropic,
    "independent": _independent,
}
