r"""Minibatch CKA: debiased CKA from averages of unbiased HSIC over small batches of rows."""

import math
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from isthmus.core.arrays import Array, paired, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.gram import chi_squared_tail
from isthmus.measures.rows import BLOCK, Spread, check_varied, influence_interval

CARD = Card(
    name="minibatch_cka",
    summary="Debiased CKA from unbiased HSICs averaged over minibatches, with their scatter.",
    paper=Paper(
        "Do Wide and Deep Networks Learn the Same Things? Uncovering How Neural Network "
        "Representations Vary with Width and Depth",
        "Nguyen et al.",
        2021,
    ),
    cost="n m d",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
    caveat="Fewer than 16 batches are too few for an interval. Simulated: the test is "
    "conservative at every size.",
)

#: Fewer batches than this say too little about how batches vary.
_ENOUGH = 16


@register(CARD)
def minibatch_cka(x: Array, y: Array | None = None, *, batch: int = 64, rng: Seed = 0) -> Score:
    r"""CKA from unbiased HSICs averaged over random batches of rows; 1 the same, 0 unrelated.

    .. math:: \frac{\sum_b \mathrm{HSIC}_u(X_b, Y_b)}{\sqrt{\sum_b \mathrm{HSIC}_u(X_b, X_b)
              \sum_b \mathrm{HSIC}_u(Y_b, Y_b)}}

    For code that sees activations batch by batch. It targets the same number as ``debiased_cka``,
    which reads every pair of rows in one pass over ``Moments``, so prefer that:
    batches only see the pairs within them and pay with variance. The interval comes from how the
    batches differ (delta method); z is exact over all shuffles of the pairs within batches, where
    the sum has mean 0 and variance Σ_b 2 HSIC_u(X_b, X_b) HSIC_u(Y_b, Y_b) / (m_b (m_b - 3)); p is
    its conservative χ² tail. Batches do not depend on the order of the rows. ``parts`` hold the
    HSICs of each batch.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    batch : rows per batch, at least 4; a remainder is spread over the batches
    rng : seed or generator that draws the batches

    Raises
    ------
    InputError
        On a batch below 4, fewer than 4 rows, unequal row counts, non-finite values, a side whose
        rows are all equal, or whose rows are equal within every batch.

    References
    ----------
    Nguyen et al. 2021, "Do Wide and Deep Networks Learn the Same Things?"; Song et al. 2012 for the
    unbiased HSIC.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(600, 8))
    >>> round(float(minibatch_cka(x, x[:, ::-1] * 3 + 1)), 6)
    1.0
    """
    x, y = paired(x, y, operation="minibatch_cka", min_rows=4)
    if batch < 4:
        raise InputError(
            "minibatch_cka", f"batch={batch}", "at least 4 rows per batch", "Use debiased_cka."
        )
    n = x.shape[0]
    spread = Spread.of(x, y)
    totals = np.diag([spread.variance_x]), np.diag([spread.variance_y])
    check_varied("x", x, totals[0], spread.mean_x, operation="minibatch_cka")
    check_varied("y", y, totals[1], spread.mean_y, operation="minibatch_cka")
    order = spread.shuffled(rng)
    # One unit for each side keeps its share in the sums and products of fourth powers in range.
    units = spread.variance_x / n, spread.variance_y / n
    found, sizes = [], []
    host = to_numpy(x), to_numpy(y)
    for rows in _together(np.array_split(order, max(n // batch, 1))):
        k, ell = (_grams(side[rows], unit) for side, unit in zip(host, units, strict=True))
        found.append(np.stack([_hsics(k, k), _hsics(k, ell), _hsics(ell, ell)], axis=1))
        sizes += [rows.shape[1]] * len(rows)
    parts, m = np.concatenate(found), np.array(sizes)
    xx, xy, yy = parts.sum(axis=0)
    if not (xx > 0 and yy > 0):
        raise InputError(
            "minibatch_cka", "a side whose rows are equal within every batch", "rows that vary",
            "Use larger batches, or debiased_cka.",
        )  # fmt: skip
    value = float(xy / math.sqrt(xx * yy))
    error = math.sqrt(np.sum(2 * np.maximum(parts[:, 0] * parts[:, 2], 0) / (m * (m - 3))))
    z = float(xy) / error if error > 0 else None
    count = len(m)
    influences = count * (
        parts[:, 1] / math.sqrt(xx * yy) - value * (parts[:, 0] / xx + parts[:, 2] / yy) / 2
    )
    warnings = () if count >= _ENOUGH else (f"{count} batches are too few for an interval",)
    return Score(
        value=value,
        method="minibatch_cka",
        n=n,
        ci=influence_interval(value, [influences]) if count >= _ENOUGH else None,
        chance=0.0,
        z=z,
        p=None if z is None else chi_squared_tail(z),
        warnings=warnings,
        parts={"hsic_xx": parts[:, 0], "hsic_xy": parts[:, 1], "hsic_yy": parts[:, 2]},
    )


def _together(batches: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Row numbers (b, m) of batches of one size, some thousand rows at a time."""
    for _, alike in groupby(batches, key=len):
        held = np.stack(list(alike))
        for part in row_blocks(len(held), max(1, BLOCK // held.shape[1])):
            yield held[part]


def _grams(rows: np.ndarray, unit: float) -> np.ndarray:
    """Inner products (b, m, m) of rows (b, m, d) over ``unit``, about batch means, diagonals zero.

    Unbiased HSIC is the same about any origin; one near the rows keeps their digits.
    """
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= rows.dtype.type(math.sqrt(unit))
    grams = (rows @ rows.swapaxes(1, 2)).astype(np.float64)
    ends = np.arange(rows.shape[1])
    grams[:, ends, ends] = 0.0
    return grams


def _hsics(k: np.ndarray, ell: np.ndarray) -> np.ndarray:
    """Unbiased HSIC (b,) of kernels (b, m, m) with zero diagonals."""
    m = k.shape[1]
    one, two = k.sum(axis=1), ell.sum(axis=1)
    trace = np.vecdot(k.reshape(len(k), -1), ell.reshape(len(ell), -1))
    sums = one.sum(axis=1) * two.sum(axis=1) / ((m - 1) * (m - 2))
    return np.asarray((trace + sums - 2 * np.vecdot(one, two) / (m - 2)) / (m * (m - 3)))
