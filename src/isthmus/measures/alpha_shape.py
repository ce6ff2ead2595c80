r"""Alpha shape: angular shape metrics between Procrustes and canonical correlation."""

import math
from collections.abc import Sequence

import numpy as np

from isthmus.core.arrays import Array, paired, row_blocks
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import check_room, span
from isthmus.measures.procrustes_angular import (
    LARGE_BIAS,
    angle_and_error,
    chance_similarity,
    few_rows,
)
from isthmus.measures.rows import BLOCK, Form, along, root_interval

CARD = Card(
    name="alpha_shape",
    summary="Angle between two partly whitened spaces after the best rotation; a metric.",
    paper=Paper("Generalized Shape Metrics on Neural Representations", "Williams et al.", 2021),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    identical=0.0,
    min_rows=4,
    caveat="Whitening blows up noise: at small alpha and few rows all spaces seem alike. The "
    "interval reaches up by an estimate of that bias, too small where it is large. Simulated: the "
    "interval hardly ever covers at 50 rows and at 500 dims; the interval covers too seldom at "
    "500 rows of 20 dims.",
    rough=(0, 1000),
)


@register(CARD)
def alpha_shape(x: Array, y: Array | None = None, *, alpha: float = 0.5) -> Score:
    r"""Angle in radians between two partly whitened spaces, 0 the same, π/2 unrelated.

    .. math:: \theta_\alpha = \arccos \max_Q
              \frac{\langle X^\phi Q, Y^\phi \rangle}{\|X^\phi\|_F \|Y^\phi\|_F}, \quad
              X^\phi = \alpha \frac{X}{\|X\|_F} + (1 - \alpha) \frac{X (X^\top X)^{-1/2}}{\sqrt r}

    with X centred, of rank r, and Y likewise. α = 1 is ``procrustes_angular``; α = 0 compares whole
    spans, arccos of the mean canonical correlation at equal ranks, whatever invertible map was
    applied to either. Both parts have size one, so that α has no unit (the paper, whose X is not
    scaled, gets the same where |X|² = r). A metric for every α. ``chance`` is the angle expected
    when the rows of one side are rotated at random. The interval is 1.96 infinitesimal-jackknife
    errors down, whitening included, and up the same plus ``bias`` (in ``parts``), by which a
    rotation fitted to noise makes the value too low: about right at α = 1, too wide towards 0.

    Which α: 1 if the size of a direction says how much it matters; towards 0 if a direction counts
    however small it is, as for probes that may rescale. The price is noise: small directions are
    the worst measured. Take the smallest α whose ``chance`` is still far above the value, which
    ``alpha_path`` shows for many, and compare spaces at one α only.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    alpha : share of the space as it is, 0 to 1; the rest is white

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a side whose rows are all
        equal, an α outside [0, 1], or α = 0 with n - 1 at or below the rank of a side.

    References
    ----------
    Williams et al. 2021, "Generalized Shape Metrics on Neural Representations" (partial whitening).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> y = x * [1, 10, 100] + 5
    >>> [round(float(alpha_shape(x, y, alpha=a)), 3) for a in (0, 0.5, 1)]
    [0.0, 0.454, 0.904]
    """
    bases, spreads = _spans(x, y, alpha)
    mixed = [_mixed(s, alpha) for s in spreads]
    angle, _, turn, _, rest, moments = angle_and_error(
        bases[0] * mixed[0],
        bases[1] * mixed[1],
        operation="alpha_shape",
        axes=(mixed[0].astype(np.float64) ** 2, mixed[1].astype(np.float64) ** 2),
    )
    influences = _influence(bases, spreads, mixed, turn, rest, moments.scatter_xy, alpha)
    # The square of the chord is two less twice the similarity.
    chord, slope = 2 * math.sin(angle.value / 2), math.cos(angle.value / 2)
    ends = root_interval(chord, 2 * influences)
    bias = angle.parts["bias"]
    chance = angle.chance or 0.0
    warnings: tuple[str, ...] = ()
    if chance < 0.5 * math.pi / 2:
        warnings = (
            f"{angle.n} rows are few for these spaces at alpha={alpha}: even "
            f"unrelated spaces would read {chance:.2f}",
        )
    if bias > LARGE_BIAS * angle.value:
        warnings += (few_rows(angle.n, bias),)
    ci = None
    if ends is not None:
        low, high = (angle.value + (end - chord) / slope for end in ends)
        ci = max(low, 0.0), max(min(high + bias, math.pi / 2), angle.value)
    return Score(
        value=angle.value,
        method="alpha_shape",
        n=angle.n,
        ci=ci,
        chance=chance,
        length=angle.value,
        warnings=warnings,
        parts={"bias": bias},
    )


def alpha_path(
    x: Array, y: Array | None = None, *, alphas: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 1.0)
) -> list[Score]:
    """``alpha_shape`` with its ``chance`` at every α, from one factorisation; no intervals.

    An arccos, for what the best rotation leaves of each row would cost what a call does: near
    identity half of the digits are lost. Raises InputError where ``alpha_shape`` does.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> [round(float(score), 3) for score in alpha_path(x, x * [1, 10, 100], alphas=(0.5, 1))]
    [0.454, 0.904]
    """
    (u, v), spreads = _spans(x, y, *alphas)
    cross, found = (u.T @ v).astype(np.float64), []
    for alpha in alphas:
        a, b = (_mixed(s.astype(np.float64), alpha) for s in spreads)
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        singular = np.linalg.svd(a[:, None] * cross * b, compute_uv=False)
        chance = chance_similarity((np.diag(a**2), np.diag(b**2)), len(u))
        angles = [math.acos(min(float(cosine), 1.0)) for cosine in (singular.sum(), chance)]
        found.append(
            Score(
                value=angles[0], method="alpha_shape", n=len(u), chance=angles[1], length=angles[0]
            )
        )
    return found


def _spans(x: Array, y: Array | None, *alphas: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Orthonormal bases (n, r) of both sides, and the sizes (r,) along them over that of all."""
    x, y = paired(x, y, operation="alpha_shape", min_rows=4)
    for alpha in alphas:
        if not 0 <= alpha <= 1:
            raise InputError("alpha_shape", f"alpha={alpha}", "a share from 0 to 1")
    bases, spreads = [], []
    for name, side in (("x", x), ("y", y)):
        u, s = span(name, side, operation="alpha_shape")
        if 0 in alphas:
            check_room(name, side, len(s), operation="alpha_shape")
        bases.append(u)
        spreads.append((s / math.sqrt(float(s @ s))).astype(u.dtype))
    return bases, spreads


def _mixed(s: np.ndarray, alpha: float) -> np.ndarray:
    """Sizes of the axes of X^φ."""
    return np.asarray(alpha * s + (1 - alpha) / math.sqrt(len(s)))


def _influence(
    bases: list[np.ndarray],
    spreads: list[np.ndarray],
    mixed: list[np.ndarray],
    polar: np.ndarray,
    rest: np.ndarray,
    product: np.ndarray,
    alpha: float,
) -> np.ndarray:
    r"""Influence (n,) of each row on minus the similarity N / (A_x A_y).

    In the axes of each side, rows are a = √n u, covariances σ² with sum one, and the map to X^φ
    is T = α + (1-α) / (σ √r), of size A² = Σ φ², φ = σT. The numerator N = |P|_* with P = φ_x M φ_y
    = ``product`` moves by G : dP, G = ``polar``, that factor of P. A row moves the covariance,
    hence T, by divided differences of 1/√λ, and the total variance, by which α is divided.
    """
    n = len(bases[0])
    size = float(np.vdot(polar, product))
    # âᵀ G b̂ = A_x A_y (|â|² / A_x² + |b̂|² / A_y² - rest) / 2.
    own = n / size * math.sqrt(float(mixed[0] @ mixed[0]) * float(mixed[1] @ mixed[1])) / 2
    forms, linear = [], []
    for s, phi, half in (
        (spreads[0], mixed[0], product @ polar.T),
        (spreads[1], mixed[1], product.T @ polar),
    ):
        white = (1 - alpha) / math.sqrt(len(s))
        h = (s / phi)[:, None] * half
        h = (h + h.T) / 2
        # What the row does to the map, through its shape and through the total variance ...
        forms.append(Form(-n / size * white * h / np.add.outer(s, s), symmetric=True))
        variance = -alpha / 2 * float(np.trace(h)) / size * s**2
        # ... and to the size of what comes out.
        length = float(phi @ phi)
        variance -= alpha * white * (s - float(s.sum()) * s**2) / (2 * length)
        linear.append(n * variance + own / length * phi**2)
    total = -own * rest
    for rows in row_blocks(n, BLOCK):
        a, b = (side[rows] for side in bases)
        total[rows] += forms[0].of(a, a) + forms[1].of(b, b)
        total[rows] += along(a**2, linear[0]) + along(b**2, linear[1])
    similarity = size / math.sqrt(float(mixed[0] @ mixed[0]) * float(mixed[1] @ mixed[1]))
    return np.asarray(-similarity * total, dtype=np.float64)
