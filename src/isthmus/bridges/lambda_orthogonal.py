"""Lambda-orthogonal bridge: an affine map that may bend the source only so much."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath, procrustes, symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.registry import register

CARD = Card(
    name="lambda_orthogonal",
    summary="Least squares among the maps whose Gram matrix is within lambda of the identity.",
    paper=Paper(
        "λ-Orthogonality Regularization for Compatible Representation Learning",
        "Ricci et al.",
        2025,
    ),
    invariant=("orthogonal", "translation"),
    equivariant=("orthogonal", "translation"),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)

#: How near to lambda the deviation of the solution lies, relative to it.
_NEAR = 1e-2
_TRIES = 25


@register(CARD)
class LambdaOrthogonal(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ x W + b of least ridge error among those with |W Wᵀ - 1|_F <= λ.

    λ = 0 is the Procrustes rotation, λ = ∞ the ridge regression of ``Affine``; between them, what
    is gained in fit is paid in geometry of the source, and λ says how much may be paid. The norm is
    of the smaller Gram matrix, Wᵀ W where the target is the narrower space.

    The paper descends on the error plus σ(a (D - λ)) D, D = |W Wᵀ - 1|_F, a gate that penalises D
    only above λ. All that such a penalty can find are minima W(μ) of the error plus μ D² / 4, one
    for each μ; the sharp gate (a → ∞, large weight) takes the one whose D is λ. So it is solved for
    directly: L-BFGS for W(μ), preconditioned by the source's scatter, and a search for the μ.
    No step size, no epochs, and D grows with λ.

    Parameters
    ----------
    lam : λ in Frobenius norm, or None for half the square root of the narrower width
    alpha : ridge penalty as in ``Affine``, or None to choose it
    steps : of L-BFGS for one μ at most

    Attributes
    ----------
    coef_ : (dx, dy) float64
    intercept_ : (dy,) float64
    deviation_ : |W Wᵀ - 1|_F reached: λ to within 1 %; less where ridge regression needs less, or
        where few pairs let it jump past λ
    alpha_ : the ridge penalty used

    Raises
    ------
    InputError
        On a negative lam, or on rows that are not finite, not paired, or fewer than 2.

    References
    ----------
    Ricci et al. 2025; Schönemann 1966 and Hoerl & Kennard 1970 for the two ends.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> bridge = LambdaOrthogonal(lam=0.5).fit(x, x * [1.0, 2.0, 3.0])
    >>> round(bridge.deviation_, 2)
    0.5
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE, "deviation_": (), "alpha_": (),
    }  # fmt: skip

    deviation_: float
    alpha_: float

    def __init__(
        self, *, lam: float | None = None, alpha: float | None = None, steps: int = 100
    ) -> None:
        self.lam = lam
        self.alpha = alpha
        self.steps = steps

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b of the wanted deviation."""
        lam = 0.5 * min(moments.dims) ** 0.5 if self.lam is None else self.lam
        if not lam >= 0:
            raise InputError("LambdaOrthogonal", f"lam={self.lam}", "lam >= 0")
        path = RidgePath(moments)
        if self.alpha is not None:
            self.alpha_ = float(self.alpha)
        else:
            known = x is not None and y is not None
            self.alpha_ = path.best_alpha(x, y) if known else path.best_alpha_gcv()  # type: ignore[arg-type]
        coef = path.coef(self.alpha_)
        if deviation(coef) > lam:
            coef = _bent(moments, self.alpha_, lam, self.steps)
        self.deviation_ = deviation(coef)
        return coef, moments.mean_y - moments.mean_x @ coef


def deviation(w: np.ndarray) -> float:
    """How far the smaller Gram matrix of w (dx, dy) is from the identity, in Frobenius norm.

    >>> deviation(np.diag([1.0, 2.0]))
    3.0
    """
    w = w if w.shape[0] <= w.shape[1] else w.T
    return float(np.linalg.norm(w @ w.T - np.eye(len(w))))


def _bent(moments: Moments, alpha: float, lam: float, steps: int) -> np.ndarray:
    """The W whose deviation is ``lam``, between Procrustes and ridge regression."""
    turn = procrustes(moments.scatter_xy)[0]
    if lam == 0 or not moments.scatter_xy.any():
        return turn
    values, vectors = symmetric_eigen(moments.scatter_xx)
    unit = float(values.mean())
    hess = values / unit + alpha
    cross = vectors.T @ moments.scatter_xy / unit
    # Always from the rotated side: from beyond, where a direction may have shrunk to nothing, no
    # slope leads back. That side also is the answer where D jumps over lambda.
    inside = vectors.T @ turn
    # D falls as μ grows: bracket λ by growing factors, then false position in logarithms.
    log_mu, step = 0.0, 0.0
    low, high = (-np.inf, np.inf), (np.inf, -np.inf)  # (log μ, log D - log λ) on both sides
    for _ in range(_TRIES):
        if abs(log_mu) > 40:
            break
        z = _minimum(hess, cross, inside, float(np.exp(log_mu)), steps)
        miss = float(np.log(max(deviation(z), 1e-300) / lam))
        if miss > 0:
            low = (log_mu, miss)
        else:
            high, inside = (log_mu, miss), z
        if abs(miss) <= _NEAR:
            return np.asarray(vectors @ z)
        if not np.isfinite(low[0]) or not np.isfinite(high[0]):
            step = max(2 * step, 2.0)
            log_mu += step if miss > 0 else -step
        else:
            share = low[1] / (low[1] - high[1])
            log_mu = low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])
    return np.asarray(vectors @ inside)


def _minimum(
    hess: np.ndarray, cross: np.ndarray, start: np.ndarray, mu: float, steps: int
) -> np.ndarray:
    """Z of least tr(Zᵀ H Z)/2 - tr(Zᵀ C) + μ |Z Zᵀ - 1|²/4, H diagonal, from ``start``."""
    from scipy.optimize import minimize

    wide = start.shape[0] <= start.shape[1]
    # Scaled so that the error alone would take one step; the penalty bends by about μ.
    scale = 1 / np.sqrt(hess + mu)[:, None]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z = flat.reshape(start.shape) * scale
        gram = z @ z.T if wide else z.T @ z
        gram[np.diag_indices_from(gram)] -= 1
        slope = hess[:, None] * z - cross
        value = 0.5 * float(np.sum((slope - cross) * z)) + 0.25 * mu * float(np.sum(gram**2))
        slope += mu * (gram @ z if wide else z @ gram)
        return value / size, (slope * scale).ravel() / size

    # L-BFGS stops by absolute slopes: give it a loss of order one.
    size = float(np.sum((cross * scale) ** 2)) + mu * min(start.shape) * 1e-3
    found = minimize(
        loss, (start / scale).ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": steps, "ftol": 1e-10, "gtol": 1e-7, "maxcor": 20},
    )  # fmt: skip
    return np.asarray(found.x.reshape(start.shape) * scale)
