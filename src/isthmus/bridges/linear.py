"""What every bridge of the form y = x W + b shares: fitting from moments, applying."""

from typing import ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, check_finite, like, matrix, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Keeps, Moments

#: Standard deviations from zero beyond which a mean is far.
_FAR = 100.0

#: Rows at which leave-one-out errors are computed to choose a penalty or a rank. The errors are
#: exact for the fit on all rows; only their mean is an estimate when there are more rows than this.
LOO_ROWS = 1024


class LinearMap:
    """Mixin, beside ``Map``, of an estimator whose ``solve`` finds W (dx, dy) and b.

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

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the pairs of X (n, dx) and y (m, dy): all by position, or ``pairs=(i, j)``.

        Raises InputError on rows that cannot be used and on contradictory pairs.
        """
        x, target = paired_rows(self, X, y, pairs)
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
        x = to_translate(self, X, finite=False)
        coef, intercept, origin = (like(a, x) for a in (self.coef_, self.intercept_, self.origin_))
        moved = x - origin if self.origin_.any() else x
        with np.errstate(invalid="ignore"):  # said below, with the rows
            result = moved @ coef
        if not _proves_finite(result, coef):
            check_finite("X", x, operation=f"{type(self).__name__}.transform")
        result += intercept  # in place: a second array of this size would cost a tenth of the time
        return result

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

    def _settle(self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None) -> Self:
        self.coef_, intercept = self.solve(moments, x, y)
        spread = np.sqrt(max(moments.variance_x, 0.0) / (moments.n * moments.dims[0]))
        self.origin_ = origin_of(moments.mean_x, spread)
        self.intercept_ = intercept + self.origin_ @ self.coef_
        return self

    def _turn_about_means(self, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """Settle on y = s (x - mean_x) W + mean_y, s the ratio of the spreads of y and of x."""
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        spread_x, spread_y = (
            float(np.sqrt(np.mean(np.sum((side - mean) ** 2, axis=1))))
            for side, mean in ((x, mean_x), (y, mean_y))
        )
        self.coef_ = w * ((spread_y or 1.0) / (spread_x or 1.0))
        self.origin_ = origin_of(mean_x, spread_x / len(mean_x) ** 0.5)
        self.intercept_ = mean_y - (mean_x - self.origin_) @ self.coef_

    @property
    def _n_features_out(self) -> int:
        return int(self.coef_.shape[1])


def origin_of(mean: np.ndarray, spread: float) -> np.ndarray:
    """What is taken off a row before the product, (d,): the mean where it lies far off, or nothing.

    Far is beyond 100 times the ``spread`` (standard deviation of a column): float32 would lose
    digits. Elsewhere the mean is folded into the intercept, which saves a pass over the rows.
    """
    return mean.copy() if np.abs(mean).max() > _FAR * spread > 0 else np.zeros_like(mean)


def _proves_finite(result: Array, coef: Array) -> bool:
    """Whether a column of x W (n, dy) shows that every entry of x is finite.

    NaN and infinity spread to all columns of their row, so one column tells what a pass over x
    would: ten times cheaper. Where W has a zero in it a BLAS may skip the entry, and nothing is
    proved.
    """
    xp = namespace(result)
    return bool(xp.all(coef[:, 0] != 0) and xp.all(xp.isfinite(result[:, 0])))
