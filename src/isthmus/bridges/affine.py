"""Affine bridge: ridge regression from source to target, its penalty chosen by leave-one-out."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.registry import register

CARD = Card(
    name="affine",
    summary="Ridge regression from source to target; penalty by exact leave-one-out.",
    paper=Paper(
        "The relationship between variable selection and data augmentation and a method for "
        "prediction",
        "Allen",
        1974,
        where="PRESS, section 2",
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)


@register(CARD)
class Affine(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ x B + b with B = (S_xx + α t 1)⁻¹ S_xy, t = tr(S_xx)/dx.

    α is unit-free. When None, it is the one of 21 values from 1e-8 to 1e2 with the smallest exact
    leave-one-out error e_i = (y_i - ŷ_i)/(1 - h_i), downhill from the choice of generalised
    cross-validation; averaged over the rows, or over 512 of them spread evenly when there are more
    than 1,024. From moments alone, generalised cross-validation decides.

    Parameters
    ----------
    alpha : penalty relative to the mean eigenvalue of the source's scatter, or None to choose it

    Attributes
    ----------
    coef_ : (dx, dy) float64
    intercept_ : (dy,) float64
    alpha_ : the penalty used

    Raises
    ------
    InputError
        On rows that are not finite, not paired, or fewer than 2.

    References
    ----------
    Hoerl & Kennard 1970 (ridge); Allen 1974 (leave-one-out); Golub, Heath & Wahba 1979 (GCV).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> y = x @ np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]) + 1
    >>> bool(np.allclose(Affine().fit(x, y).transform(x), y, atol=1e-5))
    True
    """

    BEYOND = "dropped, as if every vector were average there"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "alpha_": ()}

    alpha_: float

    def __init__(self, *, alpha: float | None = None) -> None:
        self.alpha = alpha

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """B and b at the chosen penalty."""
        path = RidgePath(moments)
        if self.alpha is not None:
            self.alpha_ = float(self.alpha)
        elif x is None or y is None:
            self.alpha_ = path.best_alpha_gcv()
        else:
            self.alpha_ = path.best_alpha(x, y)
        coef = path.coef(self.alpha_)
        return coef, path.mean_y - path.mean_x @ coef
