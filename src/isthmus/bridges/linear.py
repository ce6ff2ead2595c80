"""What every bridge of the form y = x W + b shares: checking, fitting from moments, applying."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from isthmus.core.arrays import Array, is_numpy, like, matrix, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Keeps, Moments
from isthmus.core.neighbors import partner_ranks

#: A source mean this many standard deviations from zero would cost float32 products too many
#: digits when folded into the intercept, so rows are shifted first.
_FAR = 100.0

#: Rows at which leave-one-out errors are computed to choose a penalty or a rank. The errors are
#: exact for the fit on all rows; only their mean is an estimate when there are more rows than this.
LOO_ROWS = 1024


def checked(
    estimator: BaseEstimator, x: Any, y: Any = None, *, fitting: bool = False
) -> tuple[Array, Array]:
    """x, and y when fitting, as checked floating matrices of their own kind.

    scikit-learn judges what is NumPy-like (lists, frames, sparse input, feature names); other array
    kinds are only compared with what was fitted. y of shape (n,) counts as one column.
    """
    operation = f"{type(estimator).__name__}.{'fit' if fitting else 'transform'}"
    if fitting and y is None:
        raise InputError(
            operation,
            "y=None",
            "the target's rows: it requires y to be passed, but the target y is None",
        )
    if _foreign(x):
        x = matrix("x", x, operation=operation)
        if fitting:
            estimator.n_features_in_ = x.shape[1]
        elif x.shape[1] != estimator.n_features_in_:
            raise InputError(
                operation, f"x {tuple(x.shape)}", f"{estimator.n_features_in_} columns as fitted"
            )
    else:
        try:
            x = validate_data(
                estimator, x, reset=fitting, dtype="numeric", ensure_all_finite=False,
                ensure_min_samples=2 if fitting else 1,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(operation, str(error), "a numeric (rows, dim) matrix") from error
        x = matrix("X", x, operation=operation)
    if not fitting:
        return x, None
    if not _foreign(y):
        y = np.asarray(y)
        if y.dtype == object:
            try:
                y = y.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(
                    operation, "Y of dtype object (Unknown label type)", "numbers"
                ) from error
        y = y[:, None] if y.ndim == 1 else y
    y = matrix("Y", y, operation=operation)
    namespace(x, y)
    if x.shape[0] != y.shape[0]:
        raise InputError(
            operation, f"X {tuple(x.shape)} and Y {tuple(y.shape)}", "equally many rows, paired"
        )
    return x, y


class LinearMap:
    """Mixin of an estimator whose ``solve`` finds W (dx, dy) and b; it does the rest.

    A subclass provides ``solve(moments, x, y) -> (coef, intercept)`` in float64, where x and y are
    up to ``LOO_ROWS`` of the fitted rows, or None when only moments are known.
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "coef_": ("dx", "dy"),
        "intercept_": ("dy",),
        "origin_": ("dx",),
    }
    #: Which scatters ``solve`` reads: the source's own and that between the spaces, or that alone.
    keeps: ClassVar[Keeps] = "source"

    coef_: np.ndarray
    intercept_: np.ndarray
    origin_: np.ndarray
    n_features_in_: int

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b from moments; each bridge has its own."""
        raise NotImplementedError

    def fit(self, X: Array, y: Array) -> Self:
        """Fit on X (n, dx) and y (n, dy), paired by position; raises InputError on bad rows."""
        x, target = checked(self, X, y, fitting=True)
        moments = Moments.of(x, target, keeps=self.keeps)
        rows = np.linspace(0, x.shape[0] - 1, min(LOO_ROWS, x.shape[0])).astype(int)
        sample = (to_numpy(side)[rows].astype(np.float64) for side in (x, target))
        return self._settle(moments, *sample)

    def fit_moments(
        self, moments: Moments, x: np.ndarray | None = None, y: np.ndarray | None = None
    ) -> Self:
        """Fit from moments of paired spaces, with a few of their rows (m, dx), (m, dy) if known.

        Rows only serve to choose a penalty by exact leave-one-out; without them generalised
        cross-validation chooses it from the moments.
        """
        if moments.n < 2 or moments.dims[1] == 0:
            raise InputError(
                f"{type(self).__name__}.fit_moments",
                f"moments of {moments.n} rows with dims {moments.dims}",
                "at least 2 rows of two paired spaces",
            )
        self.n_features_in_ = moments.dims[0]
        return self._settle(moments, x, y)

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        check_is_fitted(self)
        x, _ = checked(self, X)
        coef, intercept, origin = (like(a, x) for a in (self.coef_, self.intercept_, self.origin_))
        if self.origin_.any():
            x = x - origin
        return x @ coef + intercept

    def inverse_transform(self, X: Array) -> Array:
        """Carry target vectors (n, dy) back to the source space, (n, dx), by the pseudo-inverse."""
        check_is_fitted(self)
        x = matrix("X", X, operation=f"{type(self).__name__}.inverse_transform")
        if x.shape[1] != self.coef_.shape[1]:
            raise InputError(
                f"{type(self).__name__}.inverse_transform",
                f"X {tuple(x.shape)}",
                f"{self.coef_.shape[1]} columns, the target's dim",
            )
        back = like(np.linalg.pinv(self.coef_, rcond=1e-10), x)
        return (x - like(self.intercept_, x)) @ back + like(self.origin_, x)

    def score(self, X: Array, y: Array) -> float:
        """Mean reciprocal rank of each row's true partner among all rows of y, by cosine."""
        truth = matrix("y", np.reshape(y, (len(y), -1)), operation=f"{type(self).__name__}.score")
        return float((1 / partner_ranks(self.transform(X), truth)).mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the target's columns, ``<bridge>0``, ``<bridge>1``, ..."""
        check_is_fitted(self)
        name = type(self).__name__.lower()
        return np.array([f"{name}{i}" for i in range(self.coef_.shape[1])], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags  # type: ignore[no-any-return]

    def _settle(self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None) -> Self:
        self.coef_, intercept = self.solve(moments, x, y)
        mean, spread = (
            moments.mean_x,
            np.sqrt(max(moments.variance_x, 0.0) / (moments.n * moments.dims[0])),
        )
        far = np.abs(mean).max() > _FAR * spread > 0
        self.origin_ = mean.copy() if far else np.zeros_like(mean)
        self.intercept_ = intercept + self.origin_ @ self.coef_
        return self

    @property
    def _n_features_out(self) -> int:
        return int(self.coef_.shape[1])


def _foreign(array: Any) -> bool:
    """An array of a kind scikit-learn does not know."""
    return hasattr(array, "shape") and not is_numpy(array) and _has_namespace(array)


def _has_namespace(array: Any) -> bool:
    return hasattr(array, "__array_namespace__") or type(array).__module__.startswith("torch")
