"""Linear algebra that libraries leave undefined: Procrustes on any rank, ridge by one eigenbasis.

All functions take and give float64 NumPy matrices of moment size (d x d), never rows.
"""

import numpy as np
from scipy import linalg

from isthmus.core.errors import InputError


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
    u, singular, vt = linalg.svd(cross, full_matrices=True)
    rank = int(np.sum(singular > tolerance * max(float(singular[0]), np.finfo(float).tiny)))
    w = u[:, :rank] @ vt[:rank]
    if rank < min(cross.shape):
        left, right = u[:, rank:], vt[rank:].T
        overlap = left.T @ np.eye(*cross.shape) @ right
        ul, _, vl = linalg.svd(overlap, full_matrices=False)
        w = w + left @ ul @ vl @ right.T
    return w, singular


def symmetric_eigen(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (descending, clipped at zero) and eigenvectors (columns) of a scatter matrix."""
    # eigh accepts NaN silently and answers nonsense.
    if not np.isfinite(scatter).all():
        raise InputError("eigenvalues", "a scatter with NaN or infinity", "finite moments")
    values, vectors = linalg.eigh(scatter)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]
