"""Drift bridge: an affine map of low rank, trained as two thin matrices and stopped early."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.descent import descend, split
from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows
from isthmus.core.arrays import Array, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="drift_affine",
    summary="Low-rank affine map with a diagonal scale, trained on pairs (Drift-Adapter).",
    paper=Paper(
        "Drift-Adapter: A Practical Approach to Near Zero-Downtime Embedding Model Upgrades in "
        "Vector Databases",
        "Vejendla",
        2025,
    ),
    invariant=("permutation", "isotropic_scale", "translation"),
    equivariant=("permutation", "isotropic_scale", "translation"),
    library="torch",
    cost="n d k",
    memory="n d + d k",
    min_rows=2,
    quick=(("steps", 10),),
)


@register(CARD)
class DriftAffine(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ s ⊙ ((x - mean_x) U Vᵀ) + mean_y with U (dx, r) and V (dy, r).

    U and V begin as the leading singular vectors of the cross-scatter, s at one; the constant is
    the best one for any U and V, so it is not trained. AdamW on the mean squared error of four
    fifths of the pairs; of all it passes through, the parameters with the least error on the other
    fifth are kept. Trained to the end it would reach the reduced-rank regression that ``LowRank``
    has in closed form, and s adds nothing that V could not; stopping early is what sets it apart.

    Parameters
    ----------
    rank : r, at most the narrower dim
    scaling : learn the diagonal s, else 1
    steps, rate : of AdamW at most, and its learning rate
    rng : seed or Generator of the split and the batches

    Attributes
    ----------
    coef_ : (dx, dy) float64 of rank r
    intercept_ : (dy,) float64

    Raises
    ------
    InputError
        On rank below 1, or on rows that are not finite, not paired, or fewer than 2.
    MissingExtra
        When torch is not installed; translating and loading do not need it.

    References
    ----------
    Vejendla 2025.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> bridge = DriftAffine(rank=2, steps=300, rate=0.01).fit(x, x * [3.0, 2.0, 0.0, 0.0])
    >>> int(np.linalg.matrix_rank(bridge.coef_))
    2
    """

    def __init__(
        self,
        *,
        rank: int = 64,
        scaling: bool = True,
        steps: int = 1000,
        rate: float = 1e-3,
        rng: Seed = 0,
    ) -> None:
        self.rank = rank
        self.scaling = scaling
        self.steps = steps
        self.rate = rate
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Train on the pairs of X (n, dx) and y (m, dy)."""
        if self.rank < 1:
            raise InputError("DriftAffine", f"rank={self.rank}", "rank >= 1")
        x, target = paired_rows(self, X, y, pairs)
        source, truth = (to_numpy(side).astype(np.float64) for side in (x, target))
        rng = generator(self.rng)
        train, judge = split(len(source), rng)
        moments = Moments.of(source[train], truth[train], keeps="cross")
        unit_x, unit_y = (
            np.sqrt(max(v, 0.0) / (moments.n * d)) or 1.0
            for v, d in zip((moments.variance_x, moments.variance_y), moments.dims, strict=True)
        )
        u, _, vt = np.linalg.svd(moments.scatter_xy, full_matrices=False)
        start = {"u": u[:, : self.rank], "v": vt[: self.rank].T}
        if self.scaling:
            start["s"] = np.ones(truth.shape[1])
        found = descend(
            _forward, start, (source - moments.mean_x) / unit_x, (truth - moments.mean_y) / unit_y,
            train=train, judge=judge, steps=self.steps, rate=self.rate, rng=rng,
            operation="DriftAffine.fit",
        )  # fmt: skip
        scale = unit_y * found.get("s", 1.0)
        self._trained = found["u"] @ found["v"].T / unit_x * scale
        return self._settle(moments, None, None)

    def fit_moments(
        self, moments: Moments, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> Self:
        """Not possible: raises InputError."""
        raise InputError("DriftAffine.fit_moments", "moments", "rows to train on", "Use fit.")

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b as trained."""
        coef = self.__dict__.pop("_trained")
        return coef, moments.mean_y - moments.mean_x @ coef


def _forward(x: Any, w: dict[str, Any]) -> Any:
    whole = x @ w["u"] @ w["v"].T
    return whole * w["s"] if "s" in w else whole
