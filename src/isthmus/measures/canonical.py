r"""Canonical: the span of a space's columns, and how much two spans share.

A space's span is an orthonormal basis U (n, r) of its columns, cut at its numerical rank. Shared by
CCA and its kin, where tr(P_x P_y) = |U_xᵀ U_y|² with P = U Uᵀ; holds no method of its own.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import betainc

from isthmus.core.arrays import Array, all_equal, is_numpy, like, namespace, row_blocks, to_numpy
from isthmus.core.errors import InputError
from isthmus.measures.rows import BLOCK, along, squares, weighted_squares


def span(
    name: str, x: Array, *, operation: str, centre: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (n, r) and singular values (r,) of x, up to its rank.

    Values are float64; the vectors too, or in x's own precision where that costs no more digits
    than x has.
    Values at the level of rounding (of x's own precision, at its distance from the origin) count
    as zero, so duplicate or constant columns add nothing. Raises InputError when nothing is left.
    """
    u, s, _ = decomposed(name, x, operation=operation, centre=centre)
    return u, s


def decomposed(
    name: str, x: Array, *, operation: str, centre: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``span``, and the right singular vectors (r, d): x less its mean is U S times those."""
    xp, (n, d) = namespace(x), x.shape
    eps = float(xp.finfo(x.dtype).eps)
    peak = max(float(xp.max(x)), -float(xp.min(x))) or 1.0
    # One unit for all columns keeps squares within range.
    unit = 1.0 if 1e-60 < peak < 1e60 else peak
    mean = _mean(x, unit) if centre else np.zeros(d)
    far = float(np.abs(mean).max())
    u, s, axes = _decomposition(x, mean, unit)
    # Entries round at their own size: those far from zero, and those of the largest columns.
    noise = 8 * eps * far * math.sqrt(n * d) + max(2 * eps, max(n, d) * np.finfo(float).eps) * s[0]
    rank = int(np.sum(s > noise))
    if rank == 0:
        if centre:
            raise all_equal(name, (n, d), operation=operation)
        raise InputError(
            operation, f"{name} of shape {(n, d)} that is zero", "rows that are not zero",
            "Look at how these vectors were made.",
        )  # fmt: skip
    return to_numpy(u)[:, :rank], s[:rank] / (peak / unit), axes[:rank]


def _wide(x: Array, unit: float, mean: np.ndarray | None = None) -> Iterator[Array]:
    """Blocks of rows of x over ``unit`` and less ``mean``, in float64.

    Of NumPy each comes in the memory of the one before: fresh pages cost more than the arithmetic.
    """
    xp, (n, d) = namespace(x), x.shape
    held = np.empty((min(BLOCK, n), d)) if is_numpy(x) else None
    for rows in row_blocks(n, BLOCK):
        block = x[rows, :]
        if held is None:
            block = xp.astype(block, xp.float64)
        else:
            held[: len(block)] = block
            block = held[: len(block)]
        if unit != 1.0:
            block /= unit
        if mean is not None and mean.any():
            block -= like(mean, block)
        yield block


def _mean(x: Array, unit: float) -> np.ndarray:
    xp = namespace(x)
    if unit == 1.0:
        return to_numpy(xp.sum(x, axis=0, dtype=xp.float64)) / x.shape[0]
    total = sum(to_numpy(xp.sum(block, axis=0)) for block in _wide(x, unit))
    return np.asarray(total / x.shape[0])


def _decomposition(x: Array, mean: np.ndarray, unit: float) -> tuple[Array, np.ndarray, np.ndarray]:
    """The thin singular value decomposition of x over ``unit`` less ``mean``.

    From the eigenvectors of the Gram matrix, at a third of the cost, where squaring the condition
    number leaves the digits of rows that came as the dtype of x, and never fewer than eleven.
    """
    xp, (n, d) = namespace(x), x.shape
    eps = float(xp.finfo(x.dtype).eps)
    if n > 2 * d:
        gram = sum(to_numpy(block.T @ block) for block in _wide(x, unit, mean))
        values, vectors = np.linalg.eigh(gram)
        if float(values[0]) * max(eps, 1e-11) > float(values[-1]) * np.finfo(float).eps:
            s = np.sqrt(values[::-1])
            vectors = vectors[:, ::-1]
            return _turned(x, mean, unit, like(vectors / s, x)), s, vectors.T
    wide = xp.concat([xp.asarray(block, copy=True) for block in _wide(x, unit, mean)])
    u, s, axes = xp.linalg.svd(wide, full_matrices=False)
    return u, to_numpy(s), to_numpy(axes)


def _turned(x: Array, mean: np.ndarray, unit: float, turn: Array) -> Array:
    """Rows of x over ``unit`` less ``mean``, through ``turn`` (d, r), in the precision of x."""
    xp, near = namespace(x), like(mean, x)
    # Of a mean far from the origin its own dtype holds too few digits, so it comes off in two.
    rest = like(mean - to_numpy(near), x)
    found = np.empty((x.shape[0], turn.shape[1]), x.dtype) if is_numpy(x) else None
    turned = []
    for rows in row_blocks(x.shape[0], BLOCK):
        block = x[rows, :]
        if unit != 1.0:
            block = block / unit
        if mean.any():
            block = block - near
            block -= rest
        if found is None:
            turned.append(block @ turn)
        else:
            np.matmul(block, turn, out=found[rows])
    return xp.concat(turned) if found is None else found


def across(y: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Yᵀ U (g, r) of few columns y (n, g) with u (n, r), with all digits of float64."""
    total = np.zeros((y.shape[1], u.shape[1]))
    for rows in row_blocks(len(u), BLOCK):
        total += y[rows].T @ u[rows].astype(np.float64)
    return total


def correlations(cross: np.ndarray) -> np.ndarray:
    """Singular values (min rank,) of ``cross`` = Uᵀ V, descending and at most 1.

    Of float32 rows from the eigenvalues of its Gram matrix, at a quarter of the cost: squaring
    leaves float64 more digits than those rows had.
    """
    if cross.dtype == np.float64:
        return np.minimum(np.linalg.svd(cross, compute_uv=False), 1.0)
    wide = (cross if cross.shape[0] >= cross.shape[1] else cross.T).astype(np.float64)
    squares = np.linalg.eigvalsh(wide.T @ wide)[::-1]
    return np.sqrt(np.clip(squares, 0.0, 1.0))


def check_room(name: str, x: Array, rank: int, *, operation: str) -> None:
    """Raise InputError where the centred span of x fills all rows, so that all correlates."""
    n = x.shape[0]
    if n - 1 <= rank:
        raise InputError(
            operation,
            f"{name} of shape {tuple(x.shape)} and rank {rank}, which predicts any {n} rows",
            f"more rows than dimensions: at least {rank + 2}",
            "Reduce with svcca, use debiased_cka, or bring more rows.",
        )


def overlap_moments(
    u: np.ndarray,
    v: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[float, float]:
    """Exact mean and standard deviation of tr(P_x P_y) over all n! shuffles of the rows of v.

    P_x = U W Uᵀ of orthonormal U and diagonal W, 1 without ``weights``.
    P = P̃ + k 1ᵀ + 1 kᵀ + c with P̃ doubly centred; k and c vanish for centred bases. The centred
    part has the moments of Kazi-Aoual et al. 1995; the part along k adds 2n k·l, and their
    covariance is n D_x D_y / ((n-1)(n-2)) with D = Σ P̃_ii k_i. Needs n >= 4.
    """
    n = len(u)
    h, g = weights or (None, None)
    (t, t2, s, k, d, c), (t_, t2_, s_, k_, d_, c_) = _sums(u, h), _sums(v, g)
    mean = t * t_ / (n - 1) + n * n * c * c_
    within = (
        2 * ((n - 1) * t2 - t * t) * ((n - 1) * t2_ - t_ * t_) / ((n - 1) ** 2 * (n + 1) * (n - 2))
    )
    diagonal = [
        n * (n + 1) * a - (n - 1) * (b * b + 2 * e) for a, b, e in ((s, t, t2), (s_, t_, t2_))
    ]
    within += diagonal[0] * diagonal[1] / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    along = 4 * n * n * k * k_ / (n - 1) + 4 * n * n * d * d_ / ((n - 1) * (n - 2))
    return mean, math.sqrt(max(within + along, 0.0))


def _sums(
    u: np.ndarray, weights: np.ndarray | None
) -> tuple[float, float, float, float, float, float]:
    """Of P = U W Uᵀ with UᵀU = 1: tr P̃, tr P̃², Σ P̃_ii², |k|², Σ P̃_ii k_i and c."""
    n, mean = len(u), u.mean(axis=0, dtype=np.float64)
    if weights is None:
        weights, sizes = np.ones(u.shape[1]), squares(u)
    else:
        sizes = weighted_squares(u, weights)
    moved, size = weights * mean, float(weights @ mean**2)
    # P̃ = Ũ W Ũᵀ with Ũ = U - mean, whose Gram matrix is 1 - n mean meanᵀ.
    across = along(u, moved)
    diagonal = sizes - 2 * across + size
    k = across - size
    second = float(weights @ weights) - 2 * n * float(moved @ moved) + (n * size) ** 2
    return (
        float(diagonal.sum()),
        second,
        float(diagonal @ diagonal),
        float(k @ k),
        float(diagonal @ k),
        size,
    )


def overlap_influence(u: np.ndarray, v: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, float]:
    """Influence (n,) of each row on tr(P_x P_y), and the size |P_x - P_y|² / 2.

    -|M b|² + 2 aᵀ M b - |Mᵀ a|² with M = Uᵀ V = ``cross``; a = √n u_i and b = √n v_i are the
    whitened rows, and the ranks are held fixed. The size is that of what each basis leaves of the
    other, with no cancellation between spaces that are nearly the same.
    """
    forth, back = u @ cross, v @ cross.T
    total = 2 * np.einsum("ij,ij->i", forth, v) - squares(forth) - squares(back)
    forth -= v
    back -= u
    return len(u) * total, float(np.vdot(forth, forth) + np.vdot(back, back)) / 2


def overlap_test(
    u: np.ndarray,
    v: np.ndarray,
    cross: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[float, float, float]:
    """Mean of tr(P_x P_y) over shuffles, and z and p of the pairing that came.

    tr(P_x P_y) = |``cross``|², which is Uᵀ V, or W_x^½ Uᵀ V W_y^½ with ``weights`` of the axes.
    p is the tail of the Beta on [0, min rank] with the exact mean and variance: for centred
    one-dimensional Gaussian sides that is the exact distribution of ρ².
    """
    top = min(u.shape[1], v.shape[1])
    value = min(float(np.sum(cross**2)), top)
    mean, error = overlap_moments(u, v, weights)
    # Where all shuffles are alike nothing can be told apart, and the error is the root of rounding.
    if not error > 1e-7 * top:
        return mean, 0.0, 1.0
    m, variance = mean / top, (error / top) ** 2
    weight = m * (1 - m) / variance - 1
    if weight <= 0:
        return mean, (value - mean) / error, 1.0
    # 1 - I_x(a, b) = I_{1-x}(b, a), which keeps the digits of small tails.
    p = float(betainc(weight * (1 - m), weight * m, 1 - value / top))
    return mean, (value - mean) / error, p
