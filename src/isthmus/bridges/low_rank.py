"""Low-rank bridge: ridge regression confined to the few target directions that can be predicted."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath, symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.registry import register

CARD = Card(
    name="low_rank",
    summary="Reduced-rank ridge regression; rank by leave-one-out, one-standard-error rule.",
    paper=Paper(
        "Reduced-rank regression for the multivariate linear model",
        "Izenman",
        1975,
        where="eq. 2.3",
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)


@register(CARD)
class LowRank(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ x B Q_r Q_rᵀ + b: ridge, then only the r best-predicted target directions.

    With the ridge solution B of ``Affine``, Q_r holds the r leading eigenvectors of the fitted
    scatter Bᵀ S_xx B; among maps of rank r this one misses y least (exactly so for α → 0).

    Parameters
    ----------
    rank : r, or None for the smallest rank whose leave-one-out error is within one standard error
        of the smallest

    Attributes
    ----------
    coef_ : (dx, dy) float64 of rank ``rank_``
    intercept_ : (dy,) float64
    rank_, alpha_ : the rank and the ridge penalty used

    Raises
    ------
    InputError
        On rank outside 1..dy, or on rows that are not finite, not paired, or fewer than 2.

    References
    ----------
    Izenman 1975, eq. 2.3; Mukherjee & Zhu 2011 for the ridge form.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(80, 4))
    >>> y = x[:, :1] @ np.array([[1.0, 2.0, 3.0]])
    >>> LowRank().fit(x, y).rank_
    1
    """

    BEYOND = "dropped, as if every vector were average there"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "rank_": (), "alpha_": ()}

    rank_: int
    alpha_: float

    def __init__(self, *, rank: int | None = None) -> None:
        self.rank = rank

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """B Q_r Q_rᵀ and b."""
        dy = moments.dims[1]
        if self.rank is not None and not 1 <= self.rank <= dy:
            raise InputError("LowRank", f"rank={self.rank}", f"1 <= rank <= {dy}")
        path = RidgePath(moments)
        known = x is not None and y is not None
        self.alpha_ = path.best_alpha(x, y) if known else path.best_alpha_gcv()  # type: ignore[arg-type]
        coef = path.coef(self.alpha_)
        values, q = symmetric_eigen(path.fitted_scatter(self.alpha_))
        if self.rank is not None:
            self.rank_ = int(self.rank)
        elif x is not None and y is not None:
            self.rank_ = _rank_by_leave_one_out(path, q, x, y, self.alpha_)
        else:
            # Without rows: the directions that carry all but a thousandth of what is predictable.
            share = np.cumsum(values) / (values.sum() or 1.0)
            self.rank_ = int(np.searchsorted(share, 0.999) + 1)
        self.rank_ = min(self.rank_, dy)
        q = q[:, : self.rank_]
        coef = coef @ q @ q.T
        return coef, path.mean_y - path.mean_x @ coef


def _rank_by_leave_one_out(
    path: RidgePath, q: np.ndarray, x: np.ndarray, y: np.ndarray, alpha: float
) -> int:
    truth = (y - path.mean_y) @ q
    predicted = truth - path.leave_one_out(x, y, alpha) @ q
    # Keeping direction j replaces its error truth² by (truth - predicted)².
    gain = predicted * (predicted - 2 * truth)
    errors = np.cumsum(gain, axis=1)  # (m, dy): row errors at rank 1..dy, up to a constant
    mean = errors.mean(axis=0)
    best = int(np.argmin(mean))
    # The spread of the paired difference to the best rank, not of the errors themselves.
    spread = (errors - errors[:, [best]]).std(axis=0) / np.sqrt(len(errors))
    return int(np.flatnonzero(mean <= mean[best] + spread)[0]) + 1
