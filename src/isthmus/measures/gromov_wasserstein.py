r"""Gromov-Wasserstein: how far two unpaired clouds are from the same shape."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, all_equal, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="gromov_wasserstein",
    summary="How far two unpaired clouds are from being the same shape, by optimal transport.",
    paper=Paper(
        "Gromov-Wasserstein distances and the metric approach to object matching", "Mémoli", 2011
    ),
    cost="n^3 + n^2 d",
    memory="n^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    paired=False,
    library="POT",
    caveat="The solver finds a local optimum: the true value lies between part bound and value.",
    min_rows=3,
)

#: Rows beyond which a side is thinned, for n x n matrices are needed.
_MOST = 500


@register(CARD)
def gromov_wasserstein(x: Array, y: Array) -> Score:
    r"""Least mismatch of distances over all couplings of the rows, 0 where one is isometric.

    .. math:: \min_T \Big(\sum_{ijkl} (d^x_{ij} - d^y_{kl})^2\, T_{ik} T_{jl}\Big)^{1/2}

    with distances of each side divided by their root mean square, so that the value needs no unit
    and stays below √2. Finding the minimum is NP-hard. The value is the best end of descents
    by conditional gradient from the uniform coupling and from that of rows by mean distance, hence
    an upper bound. Part ``bound`` is a lower one, the transport between the two distributions of
    distances, and ``uniform`` the value of the uniform coupling. No permutation test is valid
    without pairs; no level of chance is known. Sides of more than 500 rows are thinned to 500 by
    distance from the mean, with a warning. A local optimum breaks triangles, so there is no length.

    Parameters
    ----------
    x : (n, dx) array
    y : (m, dy) array, not paired

    Raises
    ------
    InputError
        On fewer than 3 rows, non-finite values, or a side whose rows are all equal.
    MissingExtra
        Without POT, which solves the transport problems.

    References
    ----------
    Mémoli 2011; Peyré, Cuturi & Solomon 2016 for the descent.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 3)) * [4, 2, 1]
    >>> round(float(gromov_wasserstein(x, 2 * x[::-1, ::-1] + 1)), 6)
    0.0
    """
    try:
        from ot.gromov import gromov_wasserstein as descend
        from ot.lp import emd_1d
    except ImportError as error:
        raise MissingExtra("gromov_wasserstein", "POT", "transport") from error
    x = matrix("x", x, operation="gromov_wasserstein")
    y = matrix("y", y, operation="gromov_wasserstein")
    if min(x.shape[0], y.shape[0]) < 3:
        raise InputError(
            "gromov_wasserstein", f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "3 rows or more of both", "Bring more rows.",
        )  # fmt: skip
    a, b = _distances("x", x), _distances("y", y)
    masses = [np.full(len(side), 1 / len(side)) for side in (a, b)]
    starts = [np.outer(*masses), emd_1d(a.mean(axis=1), b.mean(axis=1), *masses)]
    plans = []
    for start in starts:  # both ways round, for the descent does not treat both sides alike
        plans.append(descend(a, b, *masses, G0=start, symmetric=True, max_iter=1000))
        back = descend(b, a, *masses[::-1], G0=start.T.copy(), symmetric=True, max_iter=1000)
        plans.append(back.T)
    value = min(_mismatch(a, b, plan) for plan in plans)
    warnings = tuple(
        f"{name}: {_MOST} of {side.shape[0]} rows, spread over all distances from the mean"
        for name, side in (("x", x), ("y", y))
        if side.shape[0] > _MOST
    )
    bound = min(_bound(a.ravel(), b.ravel()), value)
    if value > 2 * bound and value > 1e-3:
        warnings += (f"the true value is only known to lie within [{bound:.3g}, {value:.3g}]",)
    return Score(
        value=value, method="gromov_wasserstein", n=x.shape[0], warnings=warnings,
        parts={"bound": bound, "uniform": _mismatch(a, b, starts[0])},
    )  # fmt: skip


def _distances(name: str, x: Array) -> np.ndarray:
    """Distances of at most 500 rows over their root mean square."""
    from scipy.spatial.distance import cdist

    rows = to_numpy(x).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    order = np.argsort(np.einsum("ij,ij->i", rows, rows), kind="stable")
    if len(rows) > _MOST:
        order = order[np.linspace(0, len(rows) - 1, _MOST).round().astype(int)]
    apart = cdist(rows[order], rows[order])
    size = float(np.sqrt(np.mean(apart**2)))
    if not size > 0:
        raise all_equal(name, x.shape, operation="gromov_wasserstein")
    return np.asarray(apart / size)


def _mismatch(a: np.ndarray, b: np.ndarray, plan: Any) -> float:
    """Root of Σ (a_ij - b_kl)² T_ik T_jl."""
    left, right = plan.sum(axis=1), plan.sum(axis=0)
    square = left @ a**2 @ left + right @ b**2 @ right - 2 * np.sum((a @ plan @ b) * plan)
    return float(np.sqrt(max(square, 0.0)))


def _bound(a: np.ndarray, b: np.ndarray) -> float:
    """2-Wasserstein distance between two lists of numbers, of any lengths."""
    a, b = np.sort(a), np.sort(b)
    if len(a) == len(b):
        return float(np.sqrt(np.mean((a - b) ** 2)))
    ends = np.union1d(np.arange(1, len(a) + 1) / len(a), np.arange(1, len(b) + 1) / len(b))
    width = np.diff(ends, prepend=0.0)
    middle = ends - width / 2
    gap = a[(middle * len(a)).astype(int)] - b[(middle * len(b)).astype(int)]
    return float(np.sqrt(np.sum(width * gap**2)))
