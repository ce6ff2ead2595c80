"""Entropic optimal transport between weighted points, in the log domain; mass may be left over."""

import numpy as np
from scipy.special import logsumexp

from isthmus.core.errors import InputError


def sinkhorn(
    cost: np.ndarray,
    a: np.ndarray | None = None,
    b: np.ndarray | None = None,
    *,
    epsilon: float,
    spare: float | None = None,
    most: int = 500,
    tolerance: float = 1e-9,
) -> np.ndarray:
    r"""The plan P (n, m) that minimises Σ P C - ε H(P) with row sums a and column sums b.

    With ``spare`` each side gains one more point that costs so much to send mass to, and takes what
    finds no partner: row sums are then at most a, column sums at most b.

    Parameters
    ----------
    cost : (n, m);  a : (n,) and b : (m,), non-negative with sum 1, equal weights when None
    epsilon : ε > 0 in units of the cost
    spare : cost of leaving a unit of mass unmatched, or None
    most, tolerance : sweeps at most, and the change of the scaled potentials at which to stop

    References
    ----------
    Cuturi 2013, Sinkhorn distances.

    Examples
    --------
    >>> plan = sinkhorn(np.array([[0.0, 1.0], [1.0, 0.0]]), epsilon=0.05)
    >>> plan.round(3).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    n, m = cost.shape
    a = np.full(n, 1 / n) if a is None else a
    b = np.full(m, 1 / m) if b is None else b
    if not epsilon > 0 or len(a) != n or len(b) != m:
        raise InputError(
            "sinkhorn", f"epsilon={epsilon}, cost {cost.shape}, weights {len(a)} and {len(b)}",
            "epsilon > 0 and one weight a row and a column",
        )  # fmt: skip
    if spare is not None:
        # Either spare point can take all of the other side, and both meet for nothing.
        wide = np.full((n + 1, m + 1), spare, dtype=np.float64)
        wide[:n, :m], wide[n, m] = cost, 0.0
        cost, a, b = wide, np.append(a, b.sum()), np.append(b, a.sum())
    kernel = -cost / epsilon
    with np.errstate(divide="ignore"):  # a point without weight takes no mass
        log_a, log_b = np.log(a), np.log(b)
    held = a > 0
    g = np.zeros(len(b))
    f = np.zeros(len(a))
    for _ in range(most):
        f_new = log_a - logsumexp(kernel + g, axis=1)
        g = log_b - logsumexp(kernel + f_new[:, None], axis=0)
        moved = np.abs(f_new[held] - f[held]).max(initial=0.0)
        f = f_new
        if moved < tolerance:
            break
    plan: np.ndarray = np.exp(kernel + f[:, None] + g)
    return plan[:n, :m]
