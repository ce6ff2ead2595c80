r"""Procrustes distance: what remains between two spaces after the best rotation, sizes kept."""

import math

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.procrustes_angular import (
    LARGE_BIAS,
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
    size_x, size_y = math.sqrt(np.trace(scatters[0])), math.sqrt(np.trace(scatters[1]))
    # In units of the larger side no square overflows.
    unit = max(size_x, size_y)
    u, singular, vt = np.linalg.svd(moments.scatter_xy / size_x / size_y, full_matrices=False)
    rest, _ = residuals(x, y, moments, u @ vt, (unit, unit))
    square, fourth = float(rest.sum()), float(rest @ rest)
    length = math.sqrt(square)
    scale = unit / math.sqrt(n)
    value = length * scale
    bias, ci = 0.0, (0.0, 0.0)
    if length > 0:
        product = size_x / unit * (size_y / unit)
        ab = fourth_sums(moments, (size_x, size_y))[2]
        # Near identity rounding is larger than the bias, which is smaller than the value.
        bias = min(overfit(scatters, (u, singular, vt), ab) * product / length * scale, value)
        # Row i moves the value by n r / (2 length).
        half = Z95 * influence_error(n, n * square, n**2 * fourth) / (2 * length) * scale
        most = math.hypot(size_x / unit, size_y / unit) * scale
        ci = max(value - half, 0.0), max(min(value + half + bias, most), value)
    similarity = min(chance_similarity(scatters, n), 1.0)
    apart = (size_x - size_y) ** 2 + 2 * size_x * size_y * (1 - similarity)
    return Score(
        value=value,
        method="procrustes_distance",
        n=n,
        ci=ci,
        chance=math.sqrt(apart / n),
        length=value,
        warnings=(few_rows(n, bias),) if bias > LARGE_BIAS * value else (),
        parts={"bias": bias},
    )
