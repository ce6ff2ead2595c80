r"""Shape distance at small n: the nuclear norm of a cross-covariance from its unbiased moments."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, namespace, paired, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.procrustes_angular import LARGE_BIAS, angle_and_error
from isthmus.measures.rows import Z95, Spread, compact

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
    caveat="The interval is wide, for it holds what the estimate may have missed. Simulated: the "
    "interval covers too often at 50 rows and at 20 dims.",
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
    least = min(x.shape[1], y.shape[1])
    x, y = compact(xp.astype(x, xp.float64)), compact(xp.astype(y, xp.float64))
    angle, _, _, singular, _, whole = angle_and_error(x, y, operation="shape_distance")
    plugin = float(singular.sum())
    if estimator == "plugin":
        return Score(value=plugin, method="shape_distance (plugin)", n=whole.n)
    top = float(singular[0])
    if not top > 0:
        return Score(value=0.0, method="shape_distance (moments)", n=whole.n, chance=0.0)
    draw = generator(rng)
    order = Spread.of(x, y).shuffled(draw)
    # In units of the largest singular value all moments are of order one.
    unit = top * math.sqrt(whole.variance_x) * math.sqrt(whole.variance_y) / (whole.n - 1)
    covariances = np.stack(list(_covariances(x, y, order))) / unit
    repeats = 8 if max(whole.dims) <= 256 else 2
    cycles = np.stack([draw.permutation(_GROUPS) for _ in range(repeats)])
    moments, kept = _traces(covariances, cycles, left_out=max(1, repeats // 4))
    shift = kept - kept.mean(axis=0)
    noise = (_GROUPS - 1) / _GROUPS * shift.T @ shift
    weights = _polynomial(noise, plugin / top)
    powers = (singular[:, None] / top) ** (2 * np.arange(1, _ORDERS + 1))
    # What the polynomial misses is taken from the observed singular values, noise and all; so the
    # estimate tends to the truth as n grows, which a polynomial alone does not.
    missed = plugin - top * float(np.sum(powers @ weights))
    # The plug-in is biased upwards (the nuclear norm is convex), so no better estimate is above it.
    value = min(top * float(weights @ moments) + missed, plugin)
    error = top * float(np.sqrt(weights @ noise @ weights))
    # The same Σσ² spread over equal singular values is the most that the first moment allows.
    flat = min(top * float(np.sqrt(least * max(moments[0], 0.0))), plugin)
    half = Z95 * error + abs(missed)
    low, high = min(value, flat) - half, max(value, flat) + half
    # The plug-in's own interval bounds it from above always, and from below where its bias is small
    # enough to be estimated.
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


def _covariances(x: Array, y: Array, order: np.ndarray) -> Iterator[np.ndarray]:
    """Cross-covariance (dx, dy) of each group of rows, free of the mean.

    To the scatter about its own mean a group adds that mean's distance from the mean of the rows
    before it: together the contrasts of its rows to those before. Contrasts are uncorrelated, where
    rows minus the common mean are not, so products of different groups carry no bias from centring.
    """
    sides = to_numpy(x), to_numpy(y)
    before, seen = [side[order[0]] for side in sides], 1
    for group in np.array_split(order[1:], _GROUPS):
        rows = [side[group] for side in sides]
        means = [side.mean(axis=0) for side in rows]
        steps = [mean - old for mean, old in zip(means, before, strict=True)]
        for side, mean in zip(rows, means, strict=True):
            side -= mean
        count, share = len(group), len(group) / (seen + len(group))
        total = rows[0].T @ rows[1]
        total += np.outer(seen * share * steps[0], steps[1])
        yield total / count
        before = [old + share * step for old, step in zip(before, steps, strict=True)]
        seen += count


def _traces(
    covariances: np.ndarray, cycles: np.ndarray, *, left_out: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unbiased W_1..W_P from covariances (g, dx, dy), and without group g, for every g, (g, P).

    W_p sums tr(C_a C_bᵀ C_c C_dᵀ ...) over groups a < b < c < ... in the order given, averaged over
    orders, of which the first ``left_out`` do for the second. What is left of an order is what goes
    before g times what comes after; read from its end, the latter is a sweep too, for the trace of
    a product is that of its transpose.
    """
    groups = cycles.shape[1]
    whole, kept = np.zeros(_ORDERS), np.zeros((groups, _ORDERS))
    # Starting with C or with Cᵀ gives two different, equally good sets of products.
    for side in (covariances, np.ascontiguousarray(covariances.transpose(0, 2, 1))):
        for i, cycle in enumerate(cycles):
            if i >= left_out:
                whole += deque(_sweep(side, cycle), maxlen=1)[0][1]
                continue
            after = list(_sweep(side, cycle[::-1]))[-2::-1]
            sweep = _sweep(side, cycle)
            for g, (behind, rest) in zip(cycle, after, strict=True):
                before, sums = next(sweep)
                kept[g] += sums + rest
                for q, chain in before.items():
                    for p in range(q // 2 + 1, _ORDERS + 1):
                        if 2 * p - q in behind:
                            kept[g, p - 1] += np.vdot(chain, behind[2 * p - q])
            whole += next(sweep)[1]
    return whole / _counts(groups) / (2 * len(cycles)), kept / _counts(groups - 1) / (2 * left_out)


def _counts(groups: int) -> np.ndarray:
    """Terms of each W_p."""
    return np.array([math.comb(groups, 2 * p) for p in range(1, _ORDERS + 1)])


def _sweep(
    side: np.ndarray, cycle: np.ndarray
) -> Iterator[tuple[dict[int, np.ndarray], np.ndarray]]:
    """Before each group: sums of products of q earlier ones, and of W_p's traces; then the latter.

    Carrying every shorter product along, one sweep does for all p. After the last group the traces
    alone are up to date, for no product goes on.
    """
    chains: dict[int, np.ndarray] = {}
    sums = np.zeros(_ORDERS)
    yield dict(chains), sums.copy()
    for left, g in zip(range(len(cycle) - 1, -1, -1), cycle, strict=True):
        for q in range(2 * _ORDERS, 1, -1):
            if q - 1 not in chains:
                continue
            if q % 2 == 0:
                sums[q // 2 - 1] += np.vdot(chains[q - 1], side[g])
            if q < 2 * _ORDERS and left:
                longer = chains[q - 1] @ (side[g].T if q % 2 == 0 else side[g])
                chains[q] = np.add(longer, chains[q], out=longer) if q in chains else longer
        if left:
            chains[1] = chains[1] + side[g] if 1 in chains else side[g]
        yield dict(chains), sums.copy()
