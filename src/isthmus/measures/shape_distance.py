r"""Shape distance at small n: the nuclear norm of a cross-covariance from its unbiased moments."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, namespace, paired, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.procrustes_angular import LARGE_BIAS, procrustes_angular
from isthmus.measures.rows import BLOCK, Z95, Spread, check_varied

CARD = Card(
    name="shape_distance",
    summary="Cosine of the angular shape distance, estimated without the small-sample bias.",
    paper=Paper(
        "Estimating Shape Distances on Neural Representations with Limited Samples",
        "Pospisil et al.", 2024, where="sec. 3",
    ),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    chance=0.0,
    min_rows=13,
    caveat="The interval is wide: simulated, it covers 99.5 % at 50 and at 500 rows of 20 "
    "dims, for it holds what the estimate may have missed.",
    rough=ALWAYS,
)  # fmt: skip

#: Groups of rows; each moment multiplies cross-covariances of different groups only.
_GROUPS = 12
#: Moments used: traces of (Σ Σᵀ)^p for p up to this, each needing 2p groups.
_ORDERS = 3


@register(CARD)
def shape_distance(
    x: Array,
    y: Array | None = None,
    *,
    estimator: Literal["moments", "plugin"] = "moments",
    rng: Seed = 0,
) -> Score:
    r"""Similarity in shape: 1 equal up to rotation, 0 unrelated; cosine of the angular distance.

    .. math:: s = \frac{\|\Sigma_{xy}\|_*}
              {\sqrt{\mathrm{tr}\,\Sigma_{xx}\,\mathrm{tr}\,\Sigma_{yy}}},
              \qquad \theta = \arccos s

    ``plugin`` puts sample covariances in and reads far too high when n is not much larger than d.
    ``moments`` estimates W_p = tr((Σ_xy Σ_xyᵀ)^p), p = 1..3, without bias (products of
    cross-covariances of disjoint groups of rows, the mean removed by orthonormal contrasts) and
    sums a polynomial Σ_p c_p W_p in place of Σ_i σ_i. The coefficients minimise squared error of
    the polynomial against σ on [0, σ_max] (times the number of dimensions in play, squared) plus
    the variance of the sum, which a jackknife over groups measures. What the polynomial misses at
    the observed singular values is added, which keeps the estimate consistent; the plug-in, whose
    bias is upwards, caps the sum. The interval spans from there to what W_1 would mean were all
    singular values equal, plus the full miss and 1.96 standard errors, but ends where the plug-in's
    own does: 1.96 errors above it, for its bias is upwards, and the same below it with twice the
    bias that ``procrustes_angular`` estimates, where that is small. So it is wide only where n is
    small, because little is known there. The result may be negative and is
    no metric (``procrustes_angular`` is).

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    estimator : ``moments`` or ``plugin`` (without interval)
    rng : seed of the grouping, which does not depend on the order of rows

    Raises
    ------
    InputError
        On fewer than 13 rows, unequal row counts, non-finite values, a side whose rows are all
        equal, or an unknown estimator.

    References
    ----------
    Pospisil et al. 2024, sec. 3 (moments and their bias-variance trade-off; here the squared error
    is averaged over [0, σ_max] where the paper bounds its maximum, and the miss is added
    back); Kong & Valiant 2017 for the ordered products.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.random.default_rng(0).normal(size=(2, 100, 20))
    >>> plugin, moments = (shape_distance(a, b, estimator=e) for e in ("plugin", "moments"))
    >>> float(plugin) > 0.3, abs(float(moments)) < 0.15
    (True, True)
    """
    if estimator not in ("moments", "plugin"):
        raise InputError("shape_distance", f"estimator {estimator!r}", "'moments' or 'plugin'")
    x, y = paired(x, y, operation="shape_distance", min_rows=_GROUPS + 1)
    # The order of rows by their norms groups them, and rounding the means changes it.
    xp = namespace(x, y)
    x, y = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    whole = Moments.of(x, y)
    check_varied("x", x, whole.scatter_xx, whole.mean_x, operation="shape_distance")
    check_varied("y", y, whole.scatter_yy, whole.mean_y, operation="shape_distance")
    sizes = float(np.sqrt(np.trace(whole.scatter_xx))), float(np.sqrt(np.trace(whole.scatter_yy)))
    singular = np.linalg.svd(whole.scatter_xy / sizes[0] / sizes[1], compute_uv=False)
    if estimator == "plugin":
        value = float(singular.sum())
        return Score(value=value, method="shape_distance (plugin)", n=whole.n)
    top = float(singular[0])
    if not top > 0:
        return Score(value=0.0, method="shape_distance (moments)", n=whole.n, chance=0.0)
    draw = generator(rng)
    order = Spread.of(x, y).shuffled(draw)
    # In units of the largest singular value all moments are of order one.
    unit = top * sizes[0] * sizes[1] / (whole.n - 1)
    covariances = np.stack(list(_covariances(x, y, whole, order))) / unit
    repeats = 8 if max(whole.dims) <= 256 else 2
    cycles = np.stack([draw.permutation(_GROUPS) for _ in range(repeats)])
    moments = _traces(covariances, cycles)
    kept = np.mean([_left_out(covariances, one) for one in cycles[: max(1, repeats // 4)]], axis=0)
    shift = kept - kept.mean(axis=0)
    noise = (_GROUPS - 1) / _GROUPS * shift.T @ shift
    weights = _polynomial(noise, float(singular.sum() / top))
    powers = (singular[:, None] / top) ** (2 * np.arange(1, _ORDERS + 1))
    # What the polynomial misses is taken from the observed singular values, noise and all; so the
    # estimate tends to the truth as n grows, which a polynomial alone does not.
    missed = float(singular.sum()) - top * float(np.sum(powers @ weights))
    # The plug-in is biased upwards (the nuclear norm is convex), so no better estimate is above it.
    plugin = float(singular.sum())
    value = min(top * float(weights @ moments) + missed, plugin)
    error = top * float(np.sqrt(weights @ noise @ weights))
    # The same Σσ² spread over equal singular values is the most that the first moment allows.
    flat = min(top * float(np.sqrt(min(whole.dims) * max(moments[0], 0.0))), plugin)
    half = Z95 * error + abs(missed)
    low, high = min(value, flat) - half, max(value, flat) + half
    # The plug-in's own interval bounds it from above always, and from below where its bias is small
    # enough to be estimated.
    angle = procrustes_angular(x, y)
    assert angle.ci is not None
    high = min(high, math.cos(angle.ci[0]))
    if angle.parts["bias"] <= LARGE_BIAS * angle.value:
        low = max(low, math.cos(min(angle.ci[1] + angle.parts["bias"], math.pi / 2)))
    return Score(
        value=value, method="shape_distance (moments)", n=whole.n, chance=0.0,
        ci=(min(low, value), max(high, value)),
    )  # fmt: skip


def _polynomial(noise: np.ndarray, dims: float) -> np.ndarray:
    """Coefficients c of Σ c_p σ^2p ≈ σ on [0, 1] with the least squared bias plus variance."""
    grid = (np.arange(200) + 0.5) / 200
    basis = grid[:, None] ** (2 * np.arange(1, _ORDERS + 1))
    square = dims**2 * basis.T @ basis / len(grid) + noise
    coefficients: np.ndarray = np.linalg.solve(square, dims**2 * basis.T @ grid / len(grid))
    return coefficients


def _covariances(x: Array, y: Array, whole: Moments, order: np.ndarray) -> Iterator[np.ndarray]:
    """Cross-covariance of each group of rows, free of the mean.

    Row i + 1 is replaced by its contrast to the mean of the rows before it, scaled to keep the
    covariance. Contrasts are uncorrelated, where rows minus the common mean are not, so products of
    different groups carry no bias from centring.
    """
    sides = ((to_numpy(x), whole.mean_x), (to_numpy(y), whole.mean_y))
    before = [to_numpy(a)[order[0]].astype(np.float64) - mean for a, mean in sides]
    for group in np.array_split(np.arange(1, len(order)), _GROUPS):
        total = np.zeros(whole.dims)
        for start in range(0, len(group), BLOCK):
            count = group[start : start + BLOCK]
            contrasts = []
            for i, (array, mean) in enumerate(sides):
                rows = array[order[count]].astype(np.float64) - mean
                running = before[i] + np.cumsum(rows, axis=0)
                earlier = (running - rows) / count[:, None]
                contrasts.append((rows - earlier) * np.sqrt(count / (count + 1))[:, None])
                before[i] = running[-1]
            total += contrasts[0].T @ contrasts[1]
        yield total / len(group)


def _traces(covariances: np.ndarray, cycles: np.ndarray) -> np.ndarray:
    """Unbiased W_1..W_P from covariances (g, dx, dy), averaged over orders of the groups.

    W_p sums tr(C_a C_bᵀ C_c C_dᵀ ...) over groups a < b < c < ... in the order given.
    """
    groups = cycles.shape[1]
    result = np.zeros(_ORDERS)
    for side in _sides(covariances):
        for cycle in cycles:
            result += deque(_sweep(side, cycle), maxlen=1)[0][1]
    return result / _counts(groups) / (2 * len(cycles))


def _left_out(covariances: np.ndarray, cycle: np.ndarray) -> np.ndarray:
    """W_1..W_P without group g, for every g, (g, P).

    What is left of a cycle is what goes before g times what comes after; read from its end, the
    latter is a sweep too, for the trace of a product is that of its transpose.
    """
    groups = len(cycle)
    result = np.zeros((groups, _ORDERS))
    for side in _sides(covariances):
        after = list(_sweep(side, cycle[::-1]))[-2::-1]
        steps = zip(cycle, _sweep(side, cycle), after, strict=False)
        for g, (before, sums), (behind, rest) in steps:
            result[g] += sums + rest
            for q, chain in before.items():
                for p in range(q // 2 + 1, _ORDERS + 1):
                    if 2 * p - q in behind:
                        result[g, p - 1] += np.vdot(chain, behind[2 * p - q])
    return result / _counts(groups - 1) / 2


def _sides(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starting with C or with Cᵀ gives two different, equally good sets of products."""
    return covariances, covariances.transpose(0, 2, 1)


def _counts(groups: int) -> np.ndarray:
    """Terms of each W_p."""
    return np.array([math.comb(groups, 2 * p) for p in range(1, _ORDERS + 1)])


def _sweep(
    side: np.ndarray, cycle: np.ndarray
) -> Iterator[tuple[dict[int, np.ndarray], np.ndarray]]:
    """Before each group and at the end: sums of products of q earlier ones, and of W_p's traces.

    Carrying every shorter product along, one sweep does for all p.
    """
    chains: dict[int, np.ndarray] = {}
    sums = np.zeros(_ORDERS)
    yield dict(chains), sums.copy()
    for g in cycle:
        for q in range(2 * _ORDERS, 1, -1):
            if q - 1 not in chains:
                continue
            if q % 2 == 0:
                sums[q // 2 - 1] += np.vdot(chains[q - 1], side[g])
            if q < 2 * _ORDERS:
                longer = chains[q - 1] @ (side[g].T if q % 2 == 0 else side[g])
                chains[q] = chains[q] + longer if q in chains else longer
        chains[1] = chains[1] + side[g] if 1 in chains else side[g]
        yield dict(chains), sums.copy()
