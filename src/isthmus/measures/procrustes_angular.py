r"""Angular Procrustes distance: the angle left between two spaces after the best rotation."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.linalg import triangular_inverse
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import (
    Z95,
    centred,
    check_varied,
    compact,
    fits_narrow,
    influence_error,
    squares,
)

CARD = Card(
    name="procrustes_angular",
    summary="Angle between two centred, normalised spaces after the best rotation; a metric.",
    paper=Paper(
        "Generalized Shape Metrics on Neural Representations", "Williams et al.", 2021,
        where="sec. 2.3",
    ),
    cost="n d^2 + d^3",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    streams=True,
    identical=0.0,
    caveat="Reads too low where the widths are not far below n: the interval reaches up by an "
    "estimate of that bias, which is itself too small where it is large. Simulated: the interval "
    "covers too seldom at 50 rows of 20 dims.",
    rough=(0, 8),
)  # fmt: skip

#: Draws behind the chance level at widths up to ``_WIDE``; the nuclear norm is so concentrated that
#: few do, and one does beyond, where it varies by less than a thousandth.
_DRAWS, _WIDE = 4, 256


@register(CARD)
def procrustes_angular(x: Array, y: Array | None = None) -> Score:
    r"""Angle in radians between two spaces after the best rotation, 0 the same, π/2 unrelated.

    .. math:: \theta = \arccos \frac{\|X^\top Y\|_*}{\|X\|_F \|Y\|_F}, \quad
              X, Y \text{ centred}

    computed as θ = 2 arcsin(|X̂Q - Ŷ| / 2) with the best rotation Q, for near identity arccos loses
    half of the digits. A metric between centred spaces up to scale, shift and rotation; unequal
    widths behave as if the narrower were padded with zeros. At finite n unrelated spaces seem
    related: ``chance`` is the angle expected when the rows of one side are rotated at random
    (exact for Gaussian rows; from the two spectra alone, no permutation of rows). The interval is
    1.96 infinitesimal-jackknife errors down, and up the same plus the bias, for the value is too
    low as the rotation fits noise; ``shape_distance`` estimates without that bias. ``parts``:
    ``bias``, its second-order estimate in radians.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or a side whose rows are all equal.

    References
    ----------
    Williams et al. 2021, "Generalized Shape Metrics on Neural Representations", sec. 2.3.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> float(procrustes_angular(x, 5 * x[:, ::-1] + 2)) < 1e-12
    True
    """
    x, y = paired(x, y, operation="procrustes_angular")
    return angle_and_error(compact(x), compact(y), operation="procrustes_angular").score


def from_moments(moments: Moments) -> Score:
    """``procrustes_angular`` of the rows that ``moments`` has seen; no interval.

    An arccos, for what the best rotation leaves of each row needs the rows: near identity half of
    the digits are lost, 1e-8 radians of float64 rows. Raises InputError on a side without
    variation, or moments that do not keep all scatters.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x, y = np.random.default_rng(0).normal(size=(2, 60, 3))
    >>> parts = Moments.of(x[:30], y[:30]) + Moments.of(x[30:], y[30:])
    >>> abs(from_moments(parts).value - procrustes_angular(x, y).value) < 1e-10
    True
    """
    moments.check_varied(operation=CARD.name)
    scatters = moments.scatter_xx, moments.scatter_yy
    sizes, svd = best_rotation(moments, scatters)
    return _scored(moments, scatters, sizes, svd, math.acos(min(float(svd[1].sum()), 1.0)))


class Angle(NamedTuple):
    """The angle of two spaces, its cosine's infinitesimal-jackknife error, and what they are from.

    ``turn``: the best rotation, (dx, dy); ``singular``: whose sum is the cosine, descending;
    ``rest``: |x̂_i Q - ŷ_i|² of each row, (n,).
    """

    score: Score
    error: float
    turn: np.ndarray
    singular: np.ndarray
    rest: np.ndarray
    moments: Moments


def angle_and_error(
    x: Array,
    y: Array,
    *,
    operation: str,
    axes: tuple[np.ndarray, np.ndarray] | None = None,
) -> Angle:
    """The angle between x and y, and what it was found from.

    ``axes``: the sums of squares of centred columns that do not correlate within either side.
    """
    moments = Moments.of(x, y, keeps="all" if axes is None else "cross")
    if axes is None:
        n, scatters = moments.n, (moments.scatter_xx, moments.scatter_yy)
    else:
        n, scatters = moments.n, (np.diag(axes[0]), np.diag(axes[1]))
    check_varied("x", x, scatters[0], moments.mean_x, operation=operation)
    check_varied("y", y, scatters[1], moments.mean_y, operation=operation)
    sizes, svd = best_rotation(moments, scatters)
    turn = svd[0] @ svd[2]
    rest, both = residuals(x, y, moments, turn, sizes)
    square, fourth, shared = float(rest.sum()), float(rest @ rest), float(rest @ both)
    value = 2 * math.asin(min(math.sqrt(square) / 2, 1.0))
    score = _scored(moments, scatters, sizes, svd, value)
    a, b, ab = fourth_sums(moments, sizes)
    # Row i moves minus the similarity by n (r - m square / 2) / 2, with r = |x̂Q - ŷ|² and
    # m = |x̂|² + |ŷ|² of the row; over all rows that sums to zero.
    spread = max(fourth - square * shared + square**2 / 4 * (a + b + 2 * ab), 0.0)
    error = influence_error(n, 0.0, n**2 / 4 * spread)
    half = Z95 * error / _slope(value)
    low, high = value - half, value + half + score.parts["bias"]
    score = replace(score, ci=(max(low, 0.0), max(min(high, math.pi / 2), value)))
    return Angle(score, error, turn, svd[1], rest, moments)


#: Left and right factor with the singular values between.
Svd = tuple[np.ndarray, np.ndarray, np.ndarray]


def best_rotation(
    moments: Moments, scatters: tuple[np.ndarray, np.ndarray]
) -> tuple[tuple[float, float], Svd]:
    """Sizes |X| and |Y| of the centred sides, and u, σ, vt of XᵀY over both: u vt is the best Q."""
    sizes = math.sqrt(np.trace(scatters[0])), math.sqrt(np.trace(scatters[1]))
    cross = moments.scatter_xy / sizes[0] / sizes[1]
    u, singular, vt = np.linalg.svd(cross, full_matrices=False)
    return sizes, (u, singular, vt)


def _slope(value: float) -> float:
    """-d similarity / d angle."""
    return max(math.sin(value), float(np.finfo(float).tiny))


def _scored(
    moments: Moments,
    scatters: tuple[np.ndarray, np.ndarray],
    sizes: tuple[float, float],
    svd: Svd,
    value: float,
) -> Score:
    """The angle ``value`` with all that moments say of it, which is all but an interval."""
    n, ab = moments.n, fourth_sums(moments, sizes)[2]
    # Near identity rounding is larger than the bias, which is smaller than the value.
    bias = min(overfit(scatters, svd, ab) / _slope(value), value)
    chance = math.acos(min(chance_similarity(scatters, n), 1.0))
    warnings: tuple[str, ...] = ()
    if chance < 0.5 * math.pi / 2:
        warnings = (
            f"{n} rows are few for these spaces: even unrelated ones would read {chance:.2f}",
        )
    if bias > LARGE_BIAS * value:
        warnings += (few_rows(n, bias),)
    return Score(
        value=value,
        method="procrustes_angular",
        n=n,
        chance=chance,
        length=value,
        warnings=warnings,
        parts={"bias": bias},
    )


#: Share of the value beyond which its bias is warned about: there the estimate falls short too.
LARGE_BIAS = 0.05


def few_rows(n: int, bias: float) -> str:
    """The warning that the rotation fits noise."""
    return (
        f"{n} rows are few for these spaces: the value is too low by roughly {bias:.2g}, and the "
        "interval may miss the truth"
    )


def residuals(
    x: Array, y: Array, moments: Moments, q: np.ndarray, sizes: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """What is left of rows, r = |x̂_i Q - ŷ_i|², and m = |x̂_i|² + |ŷ_i|², (n,) each.

    Of centred rows over ``sizes``, in their own precision. The rotation goes to the narrower side,
    where it is an isometry.
    """
    wider, wide = q.shape[0] > q.shape[1], not fits_narrow(moments)
    own, other = sizes[::-1] if wider else sizes
    turn = (q.T if wider else q) * (other / own)
    rest, both = [], []
    sides = (centred(x, moments.mean_x, wide=wide), centred(y, moments.mean_y, wide=wide))
    for u, v in zip(*sides, strict=True):
        turn = turn.astype(u.dtype, copy=False)
        both.append(squares(u) / sizes[0] ** 2 + squares(v) / sizes[1] ** 2)
        apart = (v if wider else u) @ turn
        apart -= u if wider else v
        rest.append(squares(apart) / other**2)
    return np.concatenate(rest), np.concatenate(both)


def fourth_sums(moments: Moments, sizes: tuple[float, float]) -> tuple[float, float, float]:
    """Σa², Σb² and Σab of a = |x̂|², b = |ŷ|² of centred rows over ``sizes``."""
    sums, (p, q) = moments.norm_sums(), sizes
    return (
        float(sums[0, -3] / p**2 / p**2),
        float(sums[1, -2] / q**2 / q**2),
        float(sums[0, -2] / p**2 / q**2),
    )


def overfit(
    scatters: tuple[np.ndarray, np.ndarray],
    svd: Svd,
    ab: float,
) -> float:
    r"""How far the similarity Σσ reads too high because the best rotation is fitted to n rows.

    The second-order term of the nuclear norm: with a = Uᵀx̂ and b = Vᵀŷ it is
    Σ_{p<q} E(a_p b_q - a_q b_p)² / (2n (σ_p + σ_q)), where axes past min(dx, dy) count with σ = 0.
    The fourth moments are those of elliptical rows: Gaussian ones, times the ratio of the observed
    ``ab`` = Σ|x̂|²|ŷ|² of n rows to theirs.
    """
    u, s, vt = svd
    a = u.T @ (scatters[0] / np.trace(scatters[0])) @ u
    b = vt @ (scatters[1] / np.trace(scatters[1])) @ vt.T
    alpha, beta = np.diag(a), np.diag(b)
    # Values descend: those that vanish come last, and pairs of them have nothing to lose.
    kept = slice(int(np.sum(s > 1e-12 * s[0])))
    weights = np.add.outer(s, s)
    weights[kept.stop :, kept.stop :] = np.inf
    np.divide(1.0, weights, out=weights)
    np.fill_diagonal(weights, 0.0)
    total = float(alpha @ weights @ beta - s @ weights @ s)
    weights *= a
    total -= float(np.vdot(weights, b))
    # Of the wider side, what lies outside the plane of its singular axes.
    beyond = alpha * max(1 - float(beta.sum()), 0.0) + beta * max(1 - float(alpha.sum()), 0.0)
    total += float((beyond[kept] / s[kept]).sum())
    return max(ab / (1 + 2 * float(s @ s)) * total / 2, 0.0)


def chance_similarity(scatters: tuple[np.ndarray, np.ndarray], n: int) -> float:
    """Expected similarity when the row space of one side is rotated at random."""
    rng = np.random.default_rng(0)
    m = n - 1
    x, y = (_root(scatter / np.trace(scatter), m) for scatter in scatters)
    p, q = x.shape[1], y.shape[1]
    draws = _DRAWS if min(p, q) <= _WIDE else 1
    return float(np.mean([_nuclear(x.T @ _corner(p, q, m, rng) @ y) for _ in range(draws)]))


def _root(scatter: np.ndarray, most: int) -> np.ndarray:
    """Some R (r, r), r at most ``most``, where R Rᵀ has the eigenvalues of ``scatter`` past zero.

    Which one makes no difference, for what it is multiplied with is as likely in every rotation.
    """
    if len(scatter) <= most:
        try:
            return np.linalg.cholesky(scatter)
        except np.linalg.LinAlgError:  # of less than full rank
            pass
    values = np.linalg.eigvalsh(scatter)[::-1][:most]
    return np.diag(np.sqrt(values[values > values[0] * 1e-12]))


def _nuclear(a: np.ndarray) -> float:
    """Sum of the singular values of a; of a wide one by way of its Gram matrix, at half the cost.

    That leaves errors of 1e-8 of the largest where many values vanish, far below those of a draw.
    """
    if min(a.shape) <= _WIDE:
        return float(np.linalg.svd(a, compute_uv=False).sum())
    gram = a @ a.T if a.shape[0] <= a.shape[1] else a.T @ a
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0)).sum())


def _corner(p: int, q: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """The upper left (p, q) corner of a uniformly random (m, m) rotation; p, q <= m."""
    well = q > _WIDE and m >= 2 * q  # columns far from dependent: float32 is plenty
    kind: Any = np.float32 if well else np.float64
    top, rest = rng.standard_normal(size=(p, q), dtype=kind), m - p
    if rest <= q:
        tail = rng.standard_normal(size=(rest, q), dtype=kind)
    else:
        # Bartlett: a triangular factor with the Gram matrix of ``rest`` Gaussian rows, so that the
        # cost does not grow with the number of rows.
        tail = np.triu(rng.standard_normal(size=(q, q), dtype=kind), 1)
        tail[np.diag_indices(q)] = np.sqrt(rng.chisquare(rest - np.arange(q)))
    if not well:
        return np.asarray(np.linalg.qr(np.vstack([top, tail]))[0][:p])
    # The same but for signs of columns, at half the cost.
    factor = np.linalg.cholesky(top.T @ top + tail.T @ tail)
    return np.asarray(top @ triangular_inverse(factor).T, dtype=np.float64)
