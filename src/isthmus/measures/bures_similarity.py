r"""Normalised Bures similarity: the cosine of the angle that the best rotation leaves."""

import math
from dataclasses import replace

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.procrustes_angular import LARGE_BIAS, angle_and_error
from isthmus.measures.procrustes_angular import from_moments as angle_from
from isthmus.measures.rows import Z95, compact

CARD = Card(
    name="bures_similarity",
    summary="Fidelity of two centred Gram matrices: the cosine of the angular Procrustes distance.",
    paper=Paper(
        "Duality of Bures and Shape Distances with Implications for Comparing Neural "
        "Representations",
        "Harvey et al.",
        2023,
    ),
    cost="n d^2 + d^3",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    streams=True,
    identical=1.0,
    caveat="The value, and so its interval, is biased upwards: unrelated spaces read the chance "
    "level, high where rows are few. shape_distance estimates without that bias. Simulated: the "
    "interval covers too seldom at every size.",
    rough=(0, 125),
)


@register(CARD)
def bures_similarity(x: Array, y: Array | None = None) -> Score:
    r"""Normalised Bures similarity of two spaces, 1 the same up to rotation, shift and scale.

    .. math:: \mathrm{NBS} = \frac{\|X^\top Y\|_*}{\|X\|_F \|Y\|_F} = \cos \theta,
              \quad X, Y \text{ centred}

    with θ the angle that ``procrustes_angular`` returns, which is ``length`` here: the fidelity of
    Gram matrices and the best rotation of points are one optimisation seen twice. ``chance`` is the
    value of row spaces rotated at random. The interval is the infinitesimal jackknife,
    ψ_i/n = u_iᵀQ v_i / (|X||Y|) - NBS (|u_i|²/|X|² + |v_i|²/|Y|²) / 2 with Q the best rotation. The
    estimate without bias from few rows is ``shape_distance``.

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
    Harvey et al. 2023, "Duality of Bures and Shape Distances with Implications for Comparing Neural
    Representations"; Williams et al. 2021, "Generalized Shape Metrics on Neural Representations".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> round(float(bures_similarity(x, 5 * x[:, ::-1] + 2)), 12)
    1.0
    """
    x, y = paired(x, y, operation="bures_similarity")
    angle, error, *_ = angle_and_error(compact(x), compact(y), operation="bures_similarity")
    score = _cosine(angle)
    return replace(score, ci=(score.value - Z95 * error, score.value + Z95 * error))


def from_moments(moments: Moments) -> Score:
    """``bures_similarity`` of the rows that ``moments`` has seen; no interval.

    Raises InputError on a side without variation, or moments that do not keep all scatters.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> round(from_moments(Moments.of(x[:30], x[:30]) + Moments.of(x[30:], x[30:])).value, 9)
    1.0
    """
    return _cosine(angle_from(moments))


def _cosine(angle: Score) -> Score:
    value = math.cos(angle.value)
    chance = None if angle.chance is None else math.cos(angle.chance)
    warnings: tuple[str, ...] = ()
    # What the angle warns of, but for what its card says of its own interval.
    high = chance is not None and chance > math.sqrt(0.5)
    if high or angle.parts["bias"] > LARGE_BIAS * angle.value:
        warnings = (
            f"{angle.n} rows are few for these spaces: even unrelated ones would read {chance:.2f}",
        )
    return replace(
        angle, value=value, method="bures_similarity", chance=chance, warnings=warnings, ci=None
    )
