"""Linear algebra that libraries leave undefined: Procrustes on any rank, ridge by one eigenbasis.

Everything here is float64 NumPy; but for ``pair_products`` it is of moment size (d x d).
"""

from functools import cache

import numpy as np  # and not SciPy, whose own thread pool would compete with NumPy's

from isthmus.core.arrays import row_blocks
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments

#: Entries of rows multiplied at once, in cache.
_ENTRIES = 1 << 16


def pair_products(x: np.ndarray, i: np.ndarray, y: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Inner products of the rows i (p,) of x (n, d) with the rows j (p,) of y (m, d), (p,).

    >>> pair_products(np.eye(2), np.array([0, 1]), np.array([[3.0, 4.0]]), np.array([0, 0]))
    array([3., 4.])
    """
    out = np.empty(len(i))
    for pairs in row_blocks(len(i), max(1, _ENTRIES // x.shape[1])):
        out[pairs] = np.einsum("ij,ij->i", x[i[pairs]], y[j[pairs]])
    return out


def procrustes(cross: np.ndarray, *, tolerance: float = 1e-10) -> tuple[np.ndarray, np.ndarray]:
    r"""The (semi-)orthogonal W nearest to ``cross``, defined on every rank.

    Maximises tr(Wᵀ C) over W with orthonormal rows or columns: W = U Vᵀ from the SVD C = U S Vᵀ
    (Schönemann 1966). Where singular values vanish U Vᵀ is arbitrary and differs between libraries;
    there W is completed by the orthogonal map between the two null spaces that is nearest to the
    identity, so equal inputs give equal maps on every machine.

    Parameters
    ----------
    cross : (dx, dy) cross-scatter XᵀY
    tolerance : singular values below this fraction of the largest count as zero

    Returns
    -------
    w : (dx, dy), W Wᵀ = 1 when dx <= dy, Wᵀ W = 1 when dx >= dy
    singular : (min(dx, dy),) singular values of ``cross``
    """
    u, singular, vt = np.linalg.svd(cross, full_matrices=False)
    rank = int(np.sum(singular > tolerance * max(float(singular[0]), np.finfo(float).tiny)))
    w = u[:, :rank] @ vt[:rank]
    if rank < min(cross.shape):
        u, _, vt = np.linalg.svd(cross)
        left, right = u[:, rank:], vt[rank:].T
        overlap = left.T @ np.eye(*cross.shape) @ right
        ul, _, vl = np.linalg.svd(overlap, full_matrices=False)
        w = w + left @ ul @ vl @ right.T
    return w, singular


def symmetric_eigen(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (descending, clipped at zero) and eigenvectors (columns) of a scatter matrix."""
    # eigh accepts NaN silently and answers nonsense.
    if not np.isfinite(scatter).all():
        raise InputError("eigenvalues", "a scatter with NaN or infinity", "finite moments")
    values, vectors = np.linalg.eigh(scatter)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


#: Width up to which a triangular matrix is inverted as if it were full.
_NARROW = 64


def triangular_inverse(lower: np.ndarray) -> np.ndarray:
    """The inverse of a lower triangular matrix (d, d), itself lower triangular.

    By halves, [[A, 0], [B, C]]⁻¹ = [[A⁻¹, 0], [-C⁻¹ B A⁻¹, C⁻¹]]: nearly all of it is matrix
    products, an order of magnitude faster than the general inverse, which is all that NumPy has.
    """
    d = len(lower)
    if d <= _NARROW:
        return np.linalg.inv(lower)
    k = d // 2
    found = np.zeros_like(lower)
    first, last = triangular_inverse(lower[:k, :k]), triangular_inverse(lower[k:, k:])
    found[:k, :k], found[k:, k:] = first, last
    found[k:, :k] = -(last @ lower[k:, :k] @ first)
    return found


#: Rows of a sample that choose a penalty.
_SAMPLE = 512


class RidgePath:
    r"""All ridge solutions of y ≈ x B + b from one eigendecomposition of the scatter of x.

    B(α) = (S_xx + α t 1)⁻¹ S_xy with S the centred scatters and t = tr(S_xx) / d, so α has no units
    and the solution does not change when x is rescaled. With S_xx = V Λ Vᵀ every α costs one
    product.
    """

    #: Candidate penalties, relative to the mean eigenvalue.
    ALPHAS = np.logspace(-8, 2, 21)

    def __init__(self, moments: Moments) -> None:
        self.n = moments.n
        self.mean_x, self.mean_y = moments.mean_x, moments.mean_y
        self._values, self._vectors = symmetric_eigen(moments.scatter_xx)
        self._cross = self._vectors.T @ moments.scatter_xy
        self._total = moments.variance_y
        # A space that does not vary has nothing to learn from; any positive unit will do.
        self._unit = float(self._values.mean()) or 1.0

    def coef(self, alpha: float) -> np.ndarray:
        """B(α), (dx, dy)."""
        return self._vectors @ (self._cross / self._damped(alpha)[:, None])

    def fitted_scatter(self, alpha: float) -> np.ndarray:
        """Bᵀ S_xx B, (dy, dy): the scatter of what B(α) predicts at the fitted rows."""
        shrunk = self._cross * (np.sqrt(self._values) / self._damped(alpha))[:, None]
        return shrunk.T @ shrunk

    def cosines(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Cosine of x B(α) + b and y (m, dy), rows of unit length, for every α, (alphas, m).

        0 where the prediction is. No prediction is made: cosines of all α take products of dx
        columns, of which there are fewer than of dy.
        """
        projected = (x - self.mean_x) @ self._vectors
        along, inner = projected * (y @ self._cross.T), self._cross @ self._cross.T
        origin, offset = y @ self.mean_y, self._cross @ self.mean_y
        found = np.empty((len(self.ALPHAS), len(x)))
        for cosine, alpha in zip(found, self.ALPHAS, strict=True):
            shrunk = projected / self._damped(alpha)
            squares = np.einsum("ij,ij->i", shrunk @ inner + 2 * offset, shrunk)
            lengths = np.sqrt(np.maximum(squares + self.mean_y @ self.mean_y, 0))
            dots = along @ (1 / self._damped(alpha)) + origin
            np.divide(dots, lengths, out=cosine, where=lengths > 0)
            cosine[lengths == 0] = 0.0
        return found

    def leave_one_out(self, x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
        r"""Exact leave-one-out errors at rows that took part in the fit, (m, dy).

        e_i = (y_i - ŷ_i) / (1 - h_i) with leverage h_i = 1/n + Σ_j p_ij² / (λ_j + α t), p = x V:
        what refitting without row i would miss it by (Allen 1974), without refitting.
        """
        return self._left_out((x - self.mean_x) @ self._vectors, y - self.mean_y, alpha)

    def _left_out(self, projected: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
        """``leave_one_out`` of rows in the eigenvectors' coordinates and centred y."""
        leverage = 1.0 / self.n + projected**2 @ (1.0 / self._damped(alpha))
        fitted = projected @ (self._cross / self._damped(alpha)[:, None])
        # A row that alone spans a direction has leverage 1 and no leave-one-out prediction.
        rest = np.maximum(1.0 - leverage, 1e-12)
        errors = np.subtract(y, fitted, out=fitted)
        errors /= rest[:, None]
        return errors

    def best_alpha(self, x: np.ndarray, y: np.ndarray) -> float:
        """The α of ``ALPHAS`` with the smallest squared leave-one-out error at these rows.

        Found downhill from the choice of generalised cross-validation, which needs no rows: the
        nearest minimum, where the error has several. Of rows that are a sample of the fitted ones
        512 are enough to tell half decades apart.
        """
        if self.n > len(x) > _SAMPLE:
            rows = np.linspace(0, len(x) - 1, _SAMPLE).astype(int)
            x, y = x[rows], y[rows]
        projected, y = (x - self.mean_x) @ self._vectors, y - self.mean_y

        @cache
        def error(i: int) -> float:
            if not 0 <= i < len(self.ALPHAS):
                return np.inf
            errors = self._left_out(projected, y, self.ALPHAS[i]).ravel()
            return float(errors @ errors)

        i = int(np.flatnonzero(self.best_alpha_gcv() == self.ALPHAS)[0])
        while (best := min((i, i - 1, i + 1), key=error)) != i:
            i = best
        return float(self.ALPHAS[i])

    def best_alpha_gcv(self) -> float:
        r"""The α with the smallest generalised cross-validation error, from moments alone.

        GCV(α) = (RSS/n) / (1 - df/n)², df = 1 + Σ λ/(λ + α t) (Golub, Heath & Wahba 1979).
        """
        # Sums of positive terms throughout: as differences from the total, error and freedom of a
        # fit through every row (n <= d) would be rounding, and its ratio anything.
        eps = float(np.finfo(np.float64).eps)
        kept = self._values > self._values[0] * eps * len(self._values)
        values = self._values[kept]
        explained = np.sum(self._cross[kept] ** 2, axis=1) / values
        rest = self._total - float(explained.sum())  # what ordinary least squares leaves
        rest = rest if rest > 1e3 * eps * self._total else 0.0
        penalties = self.ALPHAS * self._unit
        shrink = penalties[:, None] / (values + penalties[:, None])
        freedom = max(self.n - 1 - len(values), 0) + shrink.sum(axis=1)
        errors = (rest + shrink**2 @ explained) / np.maximum(freedom, 1e-300) ** 2
        return float(self.ALPHAS[int(np.argmin(errors))])

    def _damped(self, alpha: float) -> np.ndarray:
        return self._values + alpha * self._unit
