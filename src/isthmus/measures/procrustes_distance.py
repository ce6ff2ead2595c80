r"""Procrustes distance: what remains between two spaces after the best rotation, sizes kept."""

import math
from dataclasses import replace

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.procrustes_angular import (
    LARGE_BIAS,
    Svd,
    best_rotation,
    chance_similarity,
    few_rows,
    fourth_sums,
    overfit,
    residuals,
)
from isthmus.measures.rows import Z95, check_varied, compact, influence_error

CARD = Card(
    name="procrustes_distance",
    summary="Root mean square distance left between rows after the best rotation; a metric.",
    paper=Paper(
        "Generalized Shape Metrics on Neural Representations", "Williams et al.", 2021
    ),
    cost="n d^2 + d^3",
    memory="d^2",
    invariant=("orthogonal", "translation"),
    symmetric=True,
    metric=True,
    streams=True,
    identical=0.0,
    caveat="Reads too low where the widths are not far below n: the interval reaches up by an "
    "estimate of that bias, which is itself too small where it is large. Simulated: the interval "
    "covers too seldom at 50 rows.",
    rough=(0, 8),
)  # fmt: skip


@register(CARD)
def procrustes_distance(x: Array, y: Array | None = None) -> Score:
    r"""Size-and-shape distance of two spaces, in their own units, per row.

    .. math:: d = \min_Q \frac{\|XQ - Y\|_F}{\sqrt n}
              = \sqrt{\frac{\|X\|_F^2 + \|Y\|_F^2 - 2\,\|X^\top Y\|_*}{n}}, \quad
              X, Y \text{ centred}

    over orthogonal Q: the root mean square distance between partners, so that it does not grow
    with n. Computed as the left form, for the right one loses half of the digits near identity. A
    metric between centred spaces up to shift and rotation; scale counts (``procrustes_angular``
    removes it). Unequal widths behave as if the narrower were padded with zeros. ``chance`` is the
    distance expected when the rows of one side are rotated at random. The interval is 1.96
    infinitesimal-jackknife errors down (the best rotation may be held fixed, for its change counts
    to second order only), and up the same plus the bias, for the value is too low as the rotation
    fits noise. ``parts``: ``bias``, its second-order estimate.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind and unit, paired with x by row

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or a side whose rows are all equal.

    References
    ----------
    Schönemann 1966 for the best rotation; Williams et al. 2021, "Generalized Shape Metrics on
    Neural Representations", for the metric.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> float(procrustes_distance(x, x[:, ::-1] + 2)) < 1e-12
    True
    """
    x, y = paired(x, y, operation="procrustes_distance")
    x, y = compact(x), compact(y)
    moments = Moments.of(x, y)
    scatters = moments.scatter_xx, moments.scatter_yy
    check_varied("x", x, scatters[0], moments.mean_x, operation="procrustes_distance")
    check_varied("y", y, scatters[1], moments.mean_y, operation="procrustes_distance")
    n = moments.n
    sizes, svd = best_rotation(moments, scatters)
    unit = max(sizes)  # in which no square overflows
    rest, _ = residuals(x, y, moments, svd[0] @ svd[2], (unit, unit))
    square, fourth = float(rest.sum()), float(rest @ rest)
    length = math.sqrt(square)
    score = _scored(moments, sizes, svd, length)
    value, ci = score.value, (0.0, 0.0)
    if length > 0:
        scale = unit / math.sqrt(n)
        # Row i moves the value by n r / (2 length).
        half = Z95 * influence_error(n, n * square, n**2 * fourth) / (2 * length) * scale
        most = math.hypot(sizes[0] / unit, sizes[1] / unit) * scale
        ci = max(value - half, 0.0), max(min(value + half + score.parts["bias"], most), value)
    return replace(score, ci=ci)


def from_moments(moments: Moments) -> Score:
    """``procrustes_distance`` of the rows that ``moments`` has seen; no interval.

    The right form, for what the best rotation leaves of each row needs the rows: near identity half
    of the digits are lost, 1e-8 of the size of float64 rows. Raises InputError on a side without
    variation, or moments that do not keep all scatters.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x, y = np.random.default_rng(0).normal(size=(2, 60, 3))
    >>> parts = Moments.of(x[:30], y[:30]) + Moments.of(x[30:], y[30:])
    >>> abs(from_moments(parts).value - procrustes_distance(x, y).value) < 1e-10
    True
    """
    moments.check_varied(operation=CARD.name)
    sizes, svd = best_rotation(moments, (moments.scatter_xx, moments.scatter_yy))
    p, q = sizes[0] / max(sizes), sizes[1] / max(sizes)
    square = (p - q) ** 2 + 2 * p * q * (1 - float(svd[1].sum()))
    return _scored(moments, sizes, svd, math.sqrt(max(square, 0.0)))


def _scored(moments: Moments, sizes: tuple[float, float], svd: Svd, length: float) -> Score:
    """All that moments say of a distance, ``length`` over all rows in units of the larger side."""
    n, (size_x, size_y), unit = moments.n, sizes, max(sizes)
    scatters, scale = (moments.scatter_xx, moments.scatter_yy), unit / math.sqrt(n)
    value, bias = length * scale, 0.0
    if length > 0:
        product = size_x / unit * (size_y / unit)
        ab = fourth_sums(moments, sizes)[2]
        # Near identity rounding is larger than the bias, which is smaller than the value.
        bias = min(overfit(scatters, svd, ab) * product / length * scale, value)
    similarity = min(chance_similarity(scatters, n), 1.0)
    apart = (size_x - size_y) ** 2 + 2 * size_x * size_y * (1 - similarity)
    return Score(
        value=value,
        method="procrustes_distance",
        n=n,
        chance=math.sqrt(apart / n),
        length=value,
        warnings=(few_rows(n, bias),) if bias > LARGE_BIAS * value else (),
        parts={"bias": bias},
    )
