r"""LDReg: geometric mean of local intrinsic dimensions, with its gradient in the rows."""

import math
from functools import lru_cache, partial

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.local_distances import (
    Nearest,
    gaussian_logs,
    low_reading,
    nearest,
    overlap_sum,
)
from isthmus.measures.rows import Z95

CARD = Card(
    name="ldreg",
    summary="Geometric mean of local intrinsic dimensions; low where a space collapses locally.",
    paper=Paper(
        "LDReg: Local Dimensionality Regularized Self-Supervised Learning", "Huang et al.", 2024,
        where="algorithm 1",
    ),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=22,
    caveat="Simulated: the interval covers too seldom at 50 rows.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def ldreg(x: Array, *, k: int = 20) -> Score:
    r"""Geometric mean over rows of the local intrinsic dimension by the method of moments.

    .. math:: \exp\Bigl(\frac1n \sum_i \log \frac{\mu_i}{w_i - \mu_i}\Bigr), \qquad
              \mu_i = \frac{1}{k-1} \sum_{j<k} r_j(i), \quad w_i = r_k(i)

    with r_j(i) the Euclidean distance of row i to its j-th nearest. The paper's loss is minus the
    logarithm of this value; the geometric mean is the mean that belongs to the Fisher-Rao distance
    between local distance distributions. Part ``local_dimension`` (n,) is μ_i / (w_i - μ_i) at each
    row that came, -1 where all k neighbours are equally far (those rows are left out, with a
    warning). ``ldreg_gradient`` in this module gives the derivative.

    Exact duplicates are removed first and counted in a warning. The interval adds up what
    overlapping neighbourhoods err in common; on a line it is still a quarter too narrow. High
    dimensions read low at any practical n: a warning then names about which Gaussian dimension
    would read as this value.

    Parameters
    ----------
    x : (n, d) array
    k : neighbours, 3 or more

    Raises
    ------
    InputError
        On fewer than k + 2 distinct rows, non-finite values, k below 3, or all neighbours equally
        far from every row.

    References
    ----------
    Huang et al. 2024, algorithm 1; Amsaleg et al. 2018 for the estimator by moments.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 2, 3], [0, 1, 5]])
    >>> 1.8 < float(ldreg(x)) < 2.2
    True
    """
    near = _found(x, k, operation="ldreg")
    log, _, _, even = _logs(near, operation="ldreg")
    n = len(near.rows)
    mean = float(log[~even].mean())
    value = math.exp(mean)
    error = math.sqrt(overlap_sum(np.where(even, 0.0, log - mean), near.indices)) / np.sum(~even)
    warnings = near.warnings
    if even.any():
        warnings += (f"{even.sum()} rows with {k} neighbours equally far are left out",)
    return Score(
        value=value,
        method="ldreg",
        n=n,
        ci=(value * math.exp(-Z95 * error), value * math.exp(Z95 * error)),
        warnings=warnings + low_reading(value, n, partial(_reading, n, k)),
        parts={"local_dimension": np.where(even, -1.0, np.exp(log))[near.inverse]},
    )


def ldreg_gradient(x: np.ndarray, *, k: int = 20) -> tuple[float, np.ndarray]:
    r"""``ldreg`` and its derivative in every entry of x, (n, d); raise it against local collapse.

    With weights c_ij = w_i / (μ_i (w_i - μ_i) (k - 1)) for j < k and -1 / (w_i - μ_i) for j = k,

    .. math:: \partial \log V = \frac1n \sum_i \sum_{j \le k} c_{ij} \, \partial r_j(i),

    and r_j(i) pulls on both of its rows along the line between them. Who is whose neighbour is held
    fixed, which is exact but where two distances are equal. Copies of a row share its gradient.
    Raises InputError as ``ldreg`` does.

    >>> value, gradient = ldreg_gradient(np.random.default_rng(0).normal(size=(50, 3)))
    >>> gradient.shape, bool(abs(gradient.sum()) < 1e-12)
    ((50, 3), True)
    """
    near = _found(x, k, operation="ldreg_gradient")
    log, mean, far, even = _logs(near, operation="ldreg_gradient")
    value = math.exp(float(log[~even].mean()))
    gap = np.where(even, 1.0, far - mean)
    weights = np.repeat((far / (mean * gap * (k - 1)))[:, None], k, axis=1)
    weights[:, -1] = -1 / gap
    weights[even] = 0.0
    pulls = near.rows[:, None, :] - near.rows[near.indices]
    pulls *= (weights / near.distances * (value / np.sum(~even)))[:, :, None]
    gradient = pulls.sum(axis=1)
    np.subtract.at(gradient, near.indices.ravel(), pulls.reshape(-1, pulls.shape[2]))
    copies = np.bincount(near.inverse, minlength=len(gradient))
    return value, (gradient / copies[:, None])[near.inverse]


def _found(x: Array, k: int, *, operation: str) -> Nearest:
    if k < 3:
        raise InputError(operation, f"k={k}", "k >= 3")
    return nearest(matrix("x", x, operation=operation), k, operation=operation, least=k + 2)


def _logs(
    near: Nearest, *, operation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log of each row's dimension, μ, w, and which rows have none (log 0 there)."""
    mean, far = near.distances[:, :-1].mean(axis=1), near.distances[:, -1]
    even = far - mean <= 1e-14 * far
    if even.all():
        raise InputError(
            operation, "rows on a regular grid: all neighbours equally far",
            "distances that differ", "Take a larger k.",
        )  # fmt: skip
    return np.log(np.where(even, 1.0, mean / np.where(even, 1.0, far - mean))), mean, far, even


@lru_cache(maxsize=4096)
def _reading(n: int, k: int, dim: float) -> float:
    """About what n Gaussian rows of dimension ``dim`` read: the moments of their mean ratio."""
    mean = float(np.exp(-gaussian_logs(n, dim, 0, k)).mean())
    return mean / (1 - mean)
