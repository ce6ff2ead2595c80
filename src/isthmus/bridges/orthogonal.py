"""Orthogonal bridge: the rotation that carries one space onto another (Procrustes)."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.linalg import procrustes
from isthmus.core.moments import Keeps, Moments
from isthmus.core.registry import register

CARD = Card(
    name="orthogonal",
    summary="Rotation (and optional scale) between two centred spaces, in closed form.",
    paper=Paper(
        "A generalized solution of the orthogonal Procrustes problem",
        "Schönemann",
        1966,
        where="section 2",
    ),
    invariant=("orthogonal", "translation"),
    equivariant=("orthogonal", "translation"),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)


@register(CARD)
class Orthogonal(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ s (x - mean_x) W + mean_y with W orthogonal that misses y least.

    W = U Vᵀ from the SVD of the cross-scatter S_xy = U Σ Vᵀ minimises Σ|x W - y|² over matrices
    with orthonormal rows (dx <= dy), and maximises the agreement tr(Wᵀ S_xy) over those with
    orthonormal columns (dx >= dy). With ``scale``, s = tr Σ / tr S_xx, else 1. Angles and
    neighbours inside the source survive the crossing exactly when dx <= dy. On rank-deficient data
    W is completed by the map between the null spaces nearest to the identity, and ``rank_`` says
    what the data fixed.

    Parameters
    ----------
    scale : also fit one isotropic scale

    Attributes
    ----------
    coef_ : (dx, dy) float64, s W
    intercept_ : (dy,) float64
    rank_ : number of directions the pairs determine

    Raises
    ------
    InputError
        On rows that are not finite, not paired, or fewer than 2.

    References
    ----------
    Schönemann 1966, section 2; scale and translation after Schönemann & Carroll 1970.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> bool(np.allclose(Orthogonal().fit(x, x @ turn + 5).transform(x), x @ turn + 5))
    True
    """

    BEYOND = "kept and turned, on the assumption that the map is a rotation"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "rank_": ()}

    keeps: ClassVar[Keeps] = "cross"

    rank_: int

    def __init__(self, *, scale: bool = False) -> None:
        self.scale = scale

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b of the Procrustes solution; rows are not needed."""
        w, singular = procrustes(moments.scatter_xy)
        self.rank_ = int(np.sum(singular > 1e-10 * max(singular[0], np.finfo(float).tiny)))
        if self.scale:
            w = w * (singular.sum() / (moments.variance_x or 1.0))
        return w, moments.mean_y - moments.mean_x @ w
