r"""Modality geometry: two offset shells of one space, and how conformist each row is in its own."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, row_blocks, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.neighbors import unit
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Z95, along, centred, fits_narrow, squares, unit_rows

CARD = Card(
    name="modality_geometry",
    summary="How linearly separable two modalities in one space are, and the shells they lie on.",
    paper=Paper("The Double-Ellipsoid Geometry of CLIP", "Levi & Gilboa", 2024),
    cost="n d^2 + d^3",
    memory="n d",
    invariant=("affine",),
    jointly=True,
    symmetric=True,
    paired=False,
    chance=0.5,
    caveat="Simulated: the interval covers too seldom at every size.",
    rough=ALWAYS,
)

#: Rows whose directions are added up at once: they stay in a core's own cache, and few enough are
#: added in the rows' own precision.
_STRIP = 512


@register(CARD)
def modality_geometry(x: Array, y: Array) -> Score:
    r"""Share of rows on their own modality's side of a plane fitted without them, 0.5 by chance.

    .. math:: \frac12 \sum_{c \in \{x, y\}} \frac{1}{n_c} \sum_{i \in c}
              \bigl[ s_i f_{-i}(z_i) > 0 \bigr]

    f is Fisher's discriminant with both modalities weighted alike, as least squares on s = ±1, and
    leaving row i out is exact: s - (s - f) / (1 - h), h its leverage. The value is the one part of
    the picture that no joint affine map changes. The rest is in ``parts``, for each side ``_x`` and
    ``_y``:

    - ``offset``: length of the mean over the root mean square length of rows, 0 when centred;
    - ``radius`` and ``thickness``: mean distance to the own mean, and its standard deviation as a
      share of it (thin shells are near 0; a Gaussian of width d has about 1/√(2d));
    - ``conformity`` (n,): mean cosine of each row with every other, exact in one pass as
      (u_i · Σu - 1) / (n - 1); ``estimate`` (n,): its cosine with the mean vector, the paper's;
    - ``separable``: the share of each side.

    And of both: ``gap``, the distance of the means; ``conformity_distance``, the area between the
    distribution functions of the two conformities (0 when matched).

    The interval is that of two shares (adding two of each outcome keeps it honest at 1).

    Parameters
    ----------
    x : (n, d) array
    y : (m, d) array, another modality in the same space; rows are not paired

    Raises
    ------
    InputError
        On unequal widths, non-finite values, fewer than 2 rows on a side, or so few rows that any
        labels could be told apart (n + m - 2 must exceed the rank).

    References
    ----------
    Levi & Gilboa 2024, "The Double-Ellipsoid Geometry of CLIP"; Agresti & Caffo 2000 for the
    interval.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 5))
    >>> float(modality_geometry(x[:60], x[60:] + 8))
    1.0
    """
    x = matrix("x", x, operation="modality_geometry")
    y = matrix("y", y, operation="modality_geometry")
    if x.shape[1] != y.shape[1] or min(x.shape[0], y.shape[0]) < 2:
        raise InputError(
            "modality_geometry", f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "two modalities of one space: equal widths and at least 2 rows each",
            "Translate one side with a bridge first.",
        )  # fmt: skip
    moments = Moments.of(x), Moments.of(y)
    own = _separable(x, y, moments)
    sizes = np.array([len(side) for side in own])
    shares = np.array([side.mean() for side in own])
    value = float(shares.mean())
    kind = (sizes * shares + 1) / (sizes + 2)
    half = Z95 * math.sqrt(float(np.sum(kind * (1 - kind) / (sizes + 2))) / 4)
    middle = float(kind.mean())
    ci = max(min(middle - half, value), 0.0), min(max(middle + half, value), 1.0)
    parts: dict[str, Any] = {}
    for name, side, seen, share in zip("xy", (x, y), moments, shares, strict=True):
        shell = _shell(side, seen)
        parts |= {f"{key}_{name}": part for key, part in shell.items()}
        parts[f"separable_{name}"] = float(share)
    parts["gap"] = float(np.linalg.norm(moments[0].mean_x - moments[1].mean_x))
    from scipy.stats import wasserstein_distance

    parts["conformity_distance"] = float(
        wasserstein_distance(parts["conformity_x"], parts["conformity_y"])
    )
    return Score(
        value=value, method="modality_geometry", n=int(sizes[0]), ci=ci, chance=0.5, parts=parts
    )


def _separable(x: Array, y: Array, moments: tuple[Moments, Moments]) -> list[np.ndarray]:
    """Whether each row lies on its own side of the plane fitted without it, per modality."""
    offset = moments[0].mean_x - moments[1].mean_x
    middle = (moments[0].mean_x + moments[1].mean_x) / 2
    # About the midpoint, with weight 1 / 2n on every row of a side of n.
    scatter = sum(m.scatter_xx / (2 * m.n) for m in moments) + np.outer(offset, offset) / 4
    scale = np.sqrt(np.maximum(np.diag(scatter), np.finfo(float).tiny))
    values, vectors = symmetric_eigen(scatter / np.outer(scale, scale))
    used = values > 1e-12 * values[0]
    if not used.any():
        raise InputError(
            "modality_geometry",
            f"x {tuple(x.shape)} and y {tuple(y.shape)} whose rows are all equal",
            "rows that vary",
            "Look at how these vectors were made: the encoder may have collapsed.",
        )
    root = vectors[:, used] / np.sqrt(values[used]) / scale[:, None]
    if int(used.sum()) >= sum(m.n for m in moments) - 2:
        raise InputError(
            "modality_geometry", f"{sum(m.n for m in moments)} rows of rank {int(used.sum())}",
            f"at least {int(used.sum()) + 3} rows, or any labels could be told apart",
            "Reduce the width first.",
        )  # fmt: skip
    plane = root.T @ offset / 2
    own = []
    for sign, side, m in zip((1.0, -1.0), (x, y), moments, strict=True):
        # Shares do with the digits that the rows came in.
        ahead, leverage, turn = [], [], root
        for block in centred(side, middle, wide=not fits_narrow(m)):
            turn = turn.astype(block.dtype, copy=False)
            white = block @ turn
            ahead.append(along(white, plane))
            leverage.append((1 + squares(white)) / (2 * m.n))
        # A row that alone spans a direction has leverage 1 and can be on either side.
        rest = np.maximum(1 - np.concatenate(leverage), 1e-12)
        own.append((1 - (1 - sign * np.concatenate(ahead)) / rest > 0).astype(np.float64))
    return own


def _shell(side: Array, moments: Moments) -> dict[str, Any]:
    n, mean = moments.n, moments.mean_x
    blocks = centred(side, mean, wide=not fits_narrow(moments))
    apart = np.sqrt(np.concatenate([squares(block) for block in blocks]))
    radius = float(apart.mean())
    size = math.sqrt(float(mean @ mean) + float(apart @ apart) / n)
    total, alike = np.zeros(len(mean)), np.empty(n)  # alike: 1, or 0 for a zero row
    for rows, block, weights in _directions(side):
        total += weights @ block
        alike[rows] = weights > 0
    conformity, estimate, way = np.empty(n), np.empty(n), unit(mean[None, :])[0]
    for rows, block, weights in _directions(side):
        conformity[rows] = weights * along(block, total)
        estimate[rows] = weights * along(block, way)
    return {
        "offset": float(np.linalg.norm(mean)) / size if size > 0 else 0.0,
        "radius": radius,
        "thickness": float(apart.std()) / radius if radius > 0 else 0.0,
        "conformity": (conformity - alike) / (n - 1),
        "estimate": estimate,
    }


def _directions(side: Array) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Which rows, these, and what brings them to length one: 0 for a zero row."""
    for rows in row_blocks(int(side.shape[0]), _STRIP):
        block = to_numpy(side[rows, :])
        with np.errstate(over="ignore"):
            size = np.vecdot(block, block)
        if size.min() > 1e-30 and size.max() < 1e30:
            yield rows, block, 1 / np.sqrt(size)
        else:  # zero rows, or squares that may leave the range
            u, kept = unit_rows(block)
            yield rows, u, kept.astype(u.dtype)
