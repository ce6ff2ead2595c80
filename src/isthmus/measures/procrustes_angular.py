r"""Angular Procrustes distance: the angle left between two spaces after the best rotation."""

import math

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import centred, check_varied

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
    streams=False,
    identical=0.0,
)  # fmt: skip

#: Draws behind the chance level; the nuclear norm is so concentrated that few do.
_DRAWS = 4


@register(CARD)
def procrustes_angular(x: Array, y: Array | None = None) -> Score:
    r"""Angle in radians between two spaces after the best rotation, 0 the same, π/2 unrelated.

    .. math:: \theta = \arccos \frac{\|X^\top Y\|_*}{\|X\|_F \|Y\|_F}, \quad
              X, Y \text{ centred}

    Near identity arccos loses half of the digits, so there θ = 2 arcsin(|X̂Q - Ŷ| / 2) with the best
    rotation Q is used. A metric between centred spaces up to scale, shift and rotation; unequal
    widths behave as if the narrower were padded with zeros. At finite n unrelated spaces seem
    related: ``chance`` is the angle expected when the rows of one side are rotated at random
    (exact for Gaussian rows; from the two spectra alone, no permutation of rows). No interval:
    the value itself is biased towards 0 at small n; ``shape_distance`` estimates without that bias.

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
    moments = Moments.of(x, y)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation="procrustes_angular")
    check_varied("y", y, moments.scatter_yy, moments.mean_y, operation="procrustes_angular")
    size_x = math.sqrt(np.trace(moments.scatter_xx))
    size_y = math.sqrt(np.trace(moments.scatter_yy))
    u, singular, vt = np.linalg.svd(moments.scatter_xy / size_x / size_y, full_matrices=False)
    similarity = float(singular.sum())
    if similarity > 0.9:
        chord = _chord(x, y, moments, u @ vt, size_x, size_y)
        value = 2 * math.asin(min(chord / 2, 1.0))
    else:
        value = math.acos(similarity)
    chance = math.acos(min(_chance(moments), 1.0))
    warnings: tuple[str, ...] = ()
    if chance < 0.5 * math.pi / 2:
        warnings = (
            f"{moments.n} rows are few for {max(moments.dims)} dims: even unrelated spaces would "
            f"read {chance:.2f}",
        )
    return Score(
        value=value, method="procrustes_angular", n=moments.n, chance=chance, length=value,
        warnings=warnings,
    )  # fmt: skip


def _chord(
    x: Array, y: Array, moments: Moments, q: np.ndarray, size_x: float, size_y: float
) -> float:
    """|X̂Q - Ŷ| with the rotation on the narrower side, where it is an isometry."""
    total = 0.0
    wider = q.shape[0] > q.shape[1]
    for u, v in zip(centred(x, moments.mean_x), centred(y, moments.mean_y), strict=True):
        u, v = u / size_x, v / size_y
        rest = (v @ q.T - u if wider else u @ q - v).ravel()
        total += float(rest @ rest)
    return math.sqrt(total)


def _chance(moments: Moments) -> float:
    """Expected similarity when the row space of one side is rotated at random."""
    rng = np.random.default_rng(0)
    m = moments.n - 1
    sides = []
    for scatter in (moments.scatter_xx, moments.scatter_yy):
        values = np.linalg.eigvalsh(scatter)[::-1]
        values = values[: min(m, len(values))]
        values = values[values > values[0] * 1e-12]
        sides.append(np.sqrt(values / values.sum()))
    sx, sy = sides
    draws = [
        np.linalg.svd(sx[:, None] * _corner(len(sx), len(sy), m, rng) * sy, compute_uv=False).sum()
        for _ in range(_DRAWS)
    ]
    return float(np.mean(draws))


def _corner(p: int, q: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """The upper left (p, q) corner of a uniformly random (m, m) rotation; p, q <= m."""
    top, rest = rng.normal(size=(p, q)), m - p
    if rest <= q:
        tail = rng.normal(size=(rest, q))
    else:
        # Bartlett: a triangular factor with the Gram matrix of ``rest`` Gaussian rows, so that the
        # cost does not grow with the number of rows.
        tail = np.triu(rng.normal(size=(q, q)), 1)
        tail[np.diag_indices(q)] = np.sqrt(rng.chisquare(rest - np.arange(q)))
    corner: np.ndarray = np.linalg.qr(np.vstack([top, tail]))[0][:p]
    return corner
