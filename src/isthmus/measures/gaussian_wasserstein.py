r"""Gaussian Wasserstein: distance between the means and covariances of two samples of one space."""

from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, namespace
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import procrustes, symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Z95, Form, along, centred, compact, fits_narrow

CARD = Card(
    name="gaussian_wasserstein",
    summary="Distance between the means and covariances of two samples of one space.",
    paper=Paper(
        "The Fréchet distance between multivariate normal distributions", "Dowson and Landau", 1982
    ),
    cost="n d^2 + d^3",
    memory="d^2",
    invariant=("orthogonal", "translation"),
    jointly=True,
    symmetric=True,
    metric=True,
    paired=False,
    identical=0.0,
    min_rows=2,
    caveat="Near its chance level the distance is biased upwards and the interval too short; "
    "there is none where rows are not more than dimensions. Simulated: the interval covers too "
    "seldom at 50 rows.",
    rough=(0, 8),
)

#: Share of the largest variance below which one of float32 rows may be half rounding.
_FLAT = 1e-5


@register(CARD)
def gaussian_wasserstein(x: Any, y: Any) -> Score:
    r"""2-Wasserstein distance between the Gaussians fitted to two unpaired samples.

    .. math:: W_2^2 = |\mu_x - \mu_y|^2 + \min_Q \|\Sigma_x^{1/2} - \Sigma_y^{1/2} Q\|_F^2

    The Fréchet distance; FID is its square. The second term equals tr(Σx + Σy - 2 (Σx Σy)^{1/2})
    but is a sum of squares, so that nothing cancels where the samples agree. It is biased upwards:
    ``chance`` is the level (root of the mean square) that two samples of this size reach when they
    come from one Gaussian with the pooled covariance, to first order in 1/n. The interval is first
    order too: the influence of a row on W² is 2 (μx - μy)·u + uᵀ(1 - T)u, with u the centred row
    and T the optimal map. ``parts`` holds both terms of W². A sample of equal rows is a Gaussian
    of no spread: W² is right, with a warning.

    Parameters
    ----------
    x : (n, d) array
    y : (m, d) array, of the same space, not paired

    Raises
    ------
    InputError
        On unequal widths, fewer than 2 rows or non-finite values.

    References
    ----------
    Dowson & Landau 1982; Bhatia, Jain & Lim 2019 for the form that does not cancel.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> round(float(gaussian_wasserstein(x, x + [3.0, 4.0, 0.0])), 6)
    5.0
    """
    x, y = (matrix(name, a, operation="gaussian_wasserstein") for name, a in (("x", x), ("y", y)))
    n, m, d = x.shape[0], y.shape[0], x.shape[1]
    if y.shape[1] != d or min(n, m) < 2:
        raise InputError(
            "gaussian_wasserstein",
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "two samples of one space: equal widths and at least 2 rows each",
            "Translate one side with a bridge first.",
        )
    points = [name for name, a in (("x", x), ("y", y)) if bool(namespace(a).all(a == a[:1, :]))]
    warnings = []
    if points:
        warnings.append(f"all rows of {' and of '.join(points)} are equal: a point has no spread")
    if n + m < d:
        both = compact(namespace(x, y).concat([x, y]))
        x, y = both[:n, :], both[n:, :]
    sides = [Moments.of(x), Moments.of(y)]
    step = sides[0].mean_x - sides[1].mean_x
    covariances = [side.scatter_xx / (side.n - 1) for side in sides]
    roots, inverses, flat = zip(*(_roots(c) for c in covariances), strict=True)
    xp = namespace(x, y)
    if x.dtype == xp.float32 and min(flat) < _FLAT:
        # What rounding makes of a direction of no variance has a root that is no longer small.
        return gaussian_wasserstein(xp.astype(x, xp.float64), xp.astype(y, xp.float64))
    # Q takes the root of y to that of x; the rest is what no rotation removes.
    between = roots[1] @ roots[0]
    turn = procrustes(between)[0]
    parts = {
        "mean": float(step @ step),
        "covariance": float(np.sum((roots[0] - roots[1] @ turn) ** 2)),
    }
    square = sum(parts.values())
    value = float(np.sqrt(square))
    pooled = (sides[0].scatter_xx + sides[1].scatter_xx) / (n + m - 2)
    chance = float(np.sqrt((1 / n + 1 / m) * _noise(pooled)))
    if min(n, m) <= 2 * d:
        warnings.append(f"{min(n, m)} rows in {d} dimensions hardly determine a covariance")
    if value < 3 * chance:
        warnings.append(
            f"two samples of one Gaussian would read {chance:.3g}: the bias is a large part of this"
        )
    ci = None
    if min(n, m) > d:
        error = np.sqrt(
            _variance(x, sides[0], step, inverses[0] @ (between.T @ turn) @ inverses[0])
            + _variance(y, sides[1], -step, inverses[1] @ (between @ turn.T) @ inverses[1])
        )
        low, high = max(square - Z95 * error, 0.0), square + Z95 * error
        ci = min(float(np.sqrt(low)), value), max(float(np.sqrt(high)), value)
    return Score(
        value=value, method="gaussian_wasserstein", n=n, ci=ci, chance=chance, length=value,
        warnings=tuple(warnings), parts=parts,
    )  # fmt: skip


def _roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The symmetric root, its inverse, zero where the root is, and the least eigenvalue's share.

    With R of x and S of y, W the polar factor of S R: the map T = R⁻¹ (R S² R)^½ R⁻¹ that takes the
    covariance of x to that of y has (R S² R)^½ = (S R)ᵀ W, and that of y to x has (S R) Wᵀ.
    """
    values, vectors = symmetric_eigen(covariance)
    size = np.sqrt(values)
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 1e-8 * size[0])
    least = float(values[-1] / values[0]) if values[0] > 0 else 1.0
    return (vectors * size) @ vectors.T, (vectors * inverse) @ vectors.T, least


def _noise(covariance: np.ndarray) -> float:
    """Lim n E[W²] of n rows against their own Gaussian, per 1/n: tr Σ of the mean, and of the
    covariance ½ Σ_ij E[E_ij²] / (λ_i + λ_j) with E[E_ij²] = λ_i λ_j (1 + δ_ij).
    """  # noqa: D205
    values = np.linalg.eigvalsh(covariance)
    values = values[values > 0]
    products, sums = np.outer(values, values), values[:, None] + values[None, :]
    off = float(np.sum(products / sums)) + float(values.sum()) / 2
    return float(values.sum()) + off / 2


def _variance(x: Any, side: Moments, step: np.ndarray, optimal: np.ndarray) -> float:
    """Variance of W² from drawing the rows of x: Σ ψ² / n² of their influences."""
    rest = Form(np.eye(len(step)) - optimal, symmetric=True)
    rows = centred(x, side.mean_x, wide=not fits_narrow(side))
    influence = np.concatenate([2 * along(u, step) + rest.of(u, u) for u in rows])
    return float(influence.var() / side.n)
