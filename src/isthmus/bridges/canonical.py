"""Canonical bridge: each direction of the source that finds an echo, carried to its echo."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Keeps, Moments
from isthmus.core.registry import register

CARD = Card(
    name="canonical",
    summary="Whiten, turn along the canonical directions (shrunk CCA), and colour again.",
    paper=Paper("Relations between two sets of variates", "Hotelling", 1936),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)


#: Share of the largest correlation below which one is rounding, of float32 rows too; what rows say
#: by chance is far above it.
_LEAST = 1e-4


@register(CARD)
class Canonical(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ c (x - mean_x) S_x^(-1/2) U Vᵀ S_y^(1/2) + mean_y along canonical directions.

    U diag(ρ) Vᵀ is the singular value decomposition of S_x^(-1/2) S_xy S_y^(-1/2), its first
    ``rank`` directions. S_x and S_y are covariances shrunk towards multiples of the identity,

        S = (1 - δ) S_n + δ (tr S_n / d) 1,

    each with the δ that Ledoit & Wolf estimate to be nearest to the truth, so fewer pairs than dims
    do. Round covariances have δ = 1, and the map is Procrustes' rotation then. Where shrinkage
    brings a correlation above 1 all ρ are divided by the largest, which keeps the joint matrix
    positive semi-definite. The factor c gives the translations the target's variance:
    c² = tr S_y / tr(Vᵀ S_y V).

    Every canonical variate arrives at full size. With ``regress`` it arrives as its least-squares
    prediction, times ρ and without c, which is nearer in distance and ranks neighbours worse where
    correlations are low.

    Parameters
    ----------
    rank : how many canonical directions, or None for all that the pairs determine
    shrinkage : δ of both sides, 0 to 1, or None for that of Ledoit & Wolf on each side
    regress : predict each variate instead of matching it

    Attributes
    ----------
    coef_ : (dx, dy) float64 of rank ``rank_``
    intercept_ : (dy,) float64
    correlations_ : (rank_,) shrunk canonical correlations, descending
    rank_, shrinkage_x_, shrinkage_y_ : the rank and both δ used

    Raises
    ------
    InputError
        On a rank or a shrinkage out of range, or on rows that are not finite, not paired, or fewer
        than 2.

    References
    ----------
    Hotelling 1936; Ledoit & Wolf 2004, A well-conditioned estimator for large-dimensional
    covariance matrices; Cruz-Cano & Lee 2014, Fast regularized canonical correlation analysis.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = x @ np.array([[0.0, 2.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 0.1]]) + 5
    >>> bool(np.allclose(Canonical(shrinkage=0).fit(x, y).transform(x), y))
    True
    """

    BEYOND = "dropped, as if every vector were average there"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE, "correlations_": ("rank",), "rank_": (),
        "shrinkage_x_": (), "shrinkage_y_": (),
    }  # fmt: skip
    keeps: ClassVar[Keeps] = "all"

    correlations_: np.ndarray
    rank_: int
    shrinkage_x_: float
    shrinkage_y_: float

    def __init__(
        self, *, rank: int | None = None, shrinkage: float | None = None, regress: bool = False
    ) -> None:
        self.rank = rank
        self.shrinkage = shrinkage
        self.regress = regress

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b along the canonical directions; rows are not needed."""
        widest = min(moments.dims)
        if self.rank is not None and not 1 <= self.rank <= widest:
            raise InputError("Canonical", f"rank={self.rank}", f"1 <= rank <= {widest}")
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise InputError("Canonical", f"shrinkage={self.shrinkage}", "0 to 1")
        shares = ledoit_wolf(moments) if self.shrinkage is None else (self.shrinkage,) * 2
        self.shrinkage_x_, self.shrinkage_y_ = (float(share) for share in shares)
        whiten = _Shrunk(moments.scatter_xx / moments.n, self.shrinkage_x_)
        colour = _Shrunk(moments.scatter_yy / moments.n, self.shrinkage_y_)
        left = whiten.vectors * whiten.inverse_roots
        right = colour.vectors * colour.inverse_roots
        u, rho, vt = np.linalg.svd(
            left.T @ (moments.scatter_xy / moments.n) @ right, full_matrices=False
        )
        found = int(np.sum(rho > _LEAST * max(float(rho[0]), 1e-10)))
        self.rank_ = min(found, self.rank or found)
        rho /= max(float(rho[0]), 1.0)
        u, rho, vt = u[:, : self.rank_], rho[: self.rank_], vt[: self.rank_]
        self.correlations_ = rho
        echoes = vt * colour.roots
        if self.regress:
            echoes = rho[:, None] * echoes
        else:
            echoes *= np.sqrt(np.sum(colour.roots**2) / (np.sum(echoes**2) or 1.0))
        coef = (left @ u) @ (echoes @ colour.vectors.T)
        return coef, moments.mean_y - moments.mean_x @ coef


def ledoit_wolf(moments: Moments) -> tuple[float, float]:
    r"""Shrinkage of the source's and of the target's covariance, each in 0..1, in closed form.

    δ = min(b², d²) / d² with d² = |S - m 1|² and b² = (Σ |x_i|⁴ / n - |S|²) / n, m = tr S / d:
    the mean squared error of S over its spread (Ledoit & Wolf 2004), from moments alone. A space
    that does not vary, or is round already, has δ = 1.
    """
    sums, found = moments.norm_sums(), []
    for side, scatter in enumerate((moments.scatter_xx, moments.scatter_yy)):
        covariance = scatter / moments.n
        squared = float(np.sum(covariance**2))
        spread = squared - float(np.trace(covariance)) ** 2 / len(covariance)
        fourth = float(sums[side, sum(moments.dims) + side]) / moments.n
        noise = max(fourth - squared, 0.0) / moments.n
        round_already = spread <= 1e-14 * squared
        found.append(1.0 if round_already else min(noise / spread, 1.0))
    return found[0], found[1]


class _Shrunk:
    """Eigenvectors of a shrunk covariance, with the roots of its eigenvalues and their inverses."""

    def __init__(self, covariance: np.ndarray, share: float) -> None:
        values, self.vectors = symmetric_eigen(covariance)
        values = (1 - share) * values + share * values.mean()
        # Directions without variance have no inverse: they are left out, as a pseudo-inverse does.
        kept = values > len(values) * 1e-15 * max(float(values[0]), np.finfo(float).tiny)
        self.roots = np.sqrt(np.where(kept, values, 0.0))
        self.inverse_roots = np.where(kept, 1.0, 0.0) / np.where(kept, self.roots, 1.0)
