"""Origin map: one linear map of a space under which derived items lie by what they derive from."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Keeps, Moments
from isthmus.core.neighbors import partner_ranks
from isthmus.core.registry import register

CARD = Card(
    name="origin_map",
    summary="Linear map of one space in which edited items find their originals.",
    paper=Paper(
        "Generalizable Origin Identification for Text-Guided Image-to-Image Diffusion Models",
        "Wang et al.",
        2025,
    ),
    spaces=0,  # both sides live in one space and both are mapped
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)

#: Penalties to choose from, relative to the mean eigenvalue; the last all but leaves the space be.
ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)
#: With fewer pairs than this no choice can be made; the middle penalty is taken.
_FEW = 20


@register(CARD)
class OriginMap(Stored, LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map z ↦ (z - mean_o) W, for edited vectors e and origins o alike, that undoes editing.

    What editing does to a vector is the scatter of the differences, D = ½ Σ (e_i - o_i)(e_i - o_i)ᵀ
    about zero, so a shift that all edits share counts too. W shrinks every direction by how much
    editing moves it,

    .. math:: W = \sqrt{1 + \alpha}\, \bigl(D / t + \alpha\, 1\bigr)^{-1/2}, \quad
              t = \operatorname{tr} D / d,

    symmetric, so the space keeps its axes, and the identity as α → ∞. Among all W with |det W|
    given this one makes the mapped differences smallest and alike in every direction (for α → 0).
    Cosine between mapped vectors then identifies origins; what another editor does is undone as far
    as it moves along the same directions.

    Parameters
    ----------
    alpha : α, or None for the one of 0.01 to 100 under which pairs not fitted on find each other
        best by cosine (half of up to 1,024 pairs against the other half; 1 below 20 pairs)

    Attributes
    ----------
    coef_ : (d, d) float64, W
    intercept_ : (d,) float64
    alpha_ : the penalty used

    Raises
    ------
    InputError
        On unequal dims, edited vectors equal to their origins, alpha not positive, or rows that are
        not finite, not paired, or fewer than 2.

    References
    ----------
    Wang et al. 2025, who prove that such a map exists for the codes of variational autoencoders;
    the closed form is that of relevant component analysis (Bar-Hillel et al. 2005) on pairs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> origins = rng.normal(size=(100, 3))
    >>> edited = origins + rng.normal(size=(100, 3)) * [5, 0.1, 0.1]
    >>> np.diag(OriginMap(alpha=0.01).fit(edited, origins).coef_).round(1)
    array([0.6, 9.4, 9.4])
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "alpha_": ()}
    keeps: ClassVar[Keeps] = "all"

    alpha_: float

    def __init__(self, *, alpha: float | None = None) -> None:
        self.alpha = alpha

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and -mean_o W, from moments of edited vectors and their origins."""
        if moments.dims[0] != moments.dims[1]:
            raise InputError(
                "OriginMap.fit", f"dims {moments.dims}", "edited vectors and origins of one space",
                "Between two spaces take isthmus.bridges.Affine.",
            )  # fmt: skip
        if self.alpha is not None and not self.alpha > 0:
            raise InputError("OriginMap", f"alpha={self.alpha}", "a positive number")
        cross = moments.scatter_xy
        shift = moments.mean_x - moments.mean_y
        moved = moments.scatter_xx + moments.scatter_yy - cross - cross.T
        moved += moments.n * np.outer(shift, shift)
        size = moments.variance_x + moments.variance_y
        if not np.trace(moved) > 1e-14 * size:
            raise InputError(
                "OriginMap.fit", "edited vectors that equal their origins", "edits that move them"
            )
        self.alpha_ = 1.0 if self.alpha is None else float(self.alpha)
        if self.alpha is None and x is not None and y is not None and len(x) >= _FEW:
            self.alpha_ = _best_alpha(x, y)
        coef = _shrinking(symmetric_eigen(moved), self.alpha_)
        return coef, -moments.mean_y @ coef

    def score(self, X: Array, y: Array) -> float:
        """Mean reciprocal rank of each edited row's origin among all origins, both mapped."""
        both = (to_numpy(self.transform(side)) for side in (X, y))
        return float((1 / partner_ranks(*both)).mean())

    def _try(self) -> None:
        self.n_features_in_ = len(self.coef_)
        self.transform(np.ones((1, self.n_features_in_)))


def _shrinking(moved: tuple[np.ndarray, np.ndarray], alpha: float) -> np.ndarray:
    """W from eigenvalues and eigenvectors of D."""
    values, vectors = moved
    relative = values / values.mean()
    factor = np.sqrt((1 + alpha) / (relative + alpha))
    return np.asarray((vectors * factor) @ vectors.T)


def _best_alpha(x: np.ndarray, y: np.ndarray) -> float:
    """The penalty that serves either half of the pairs best when the other half is fitted on."""
    found = dict.fromkeys(ALPHAS, 0.0)
    for one in range(2):
        rest = x[one::2] - y[one::2]
        mean, moved = y[one::2].mean(axis=0), symmetric_eigen(rest.T @ rest)
        for alpha in ALPHAS:
            w = _shrinking(moved, alpha) if rest.any() else np.eye(x.shape[1])
            ranks = partner_ranks((x[1 - one :: 2] - mean) @ w, (y[1 - one :: 2] - mean) @ w)
            found[alpha] += float(np.mean(1 / ranks))
    return max(ALPHAS, key=lambda alpha: (found[alpha], alpha))
