r"""Linear CKA as first proposed: biased towards 1 where rows are few, and saying so."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.debiased_cka import from_moments as debiased
from isthmus.measures.debiased_cka import row_products
from isthmus.measures.rows import check_varied, compact, jackknife

CARD = Card(
    name="cka",
    summary="Cosine of two centred Gram matrices; biased at small n, with the chance level.",
    paper=Paper("Similarity of Neural Network Representations Revisited", "Kornblith et al.", 2019),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    streams=True,
    identical=1.0,
    min_rows=4,
    caveat="The value, and so its interval, is biased upwards: unrelated spaces read the chance "
    "level, which nears 1 where rows are fewer than dimensions. debiased_cka is not. Simulated: "
    "the interval covers too seldom at 50 rows.",
    rough=(0, 8),
)


@register(CARD)
def cka(x: Array, y: Array | None = None, *, ci: bool = True) -> Score:
    r"""Linear centred kernel alignment; 1 the same geometry, never quite 0.

    .. math:: \mathrm{CKA} = \frac{\|X^\top Y\|_F^2}{\|X^\top X\|_F \, \|Y^\top Y\|_F},
              \quad X, Y \text{ centred}

    ``chance`` is its exact mean over all shuffles of the pairs, sqrt(PR_x PR_y) / (n - 1) with PR
    the participation ratios tr(S)² / |S|² of the two scatters: two unrelated spaces of 50 rows and
    5000 dimensions read 0.99. z and p are those of ``debiased_cka``, whose null moments are exact.
    The interval is the exact leave-one-out jackknife of the biased value. ``length`` = arccos CKA,
    the angle between the Gram matrices, a metric.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    ci : whether to make the second pass that the interval costs

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, or a side whose rows are equal.

    References
    ----------
    Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited"; Williams et al.
    2021, "Generalized Shape Metrics on Neural Representations", for the angle.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).normal(size=(2, 20, 400))
    >>> score = cka(x, y)
    >>> round(score.value, 2), round(score.chance, 2)
    (0.96, 0.96)
    """
    x, y = (compact(side) for side in paired(x, y, operation="cka", min_rows=4))
    moments = Moments.of(x, y)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation="cka")
    check_varied("y", y, moments.scatter_yy, moments.mean_y, operation="cka")
    score = from_moments(moments)
    return replace(score, ci=jackknife(score.value, _left_out(x, y, moments))) if ci else score


def from_moments(moments: Moments) -> Score:
    """``cka`` of the rows that ``moments`` has seen; no interval.

    Raises InputError on fewer than 4 rows, a side without variation, or moments that do not keep
    all scatters.

    >>> import numpy as np
    >>> from isthmus.core.moments import Moments
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> round(from_moments(Moments.of(x[:30], x[:30]) + Moments.of(x[30:], x[30:])).value, 6)
    1.0
    """
    moments.check_varied(operation="cka")
    test = debiased(moments)
    n, xx, yy = moments.n, moments.scatter_xx, moments.scatter_yy
    units = _units(moments)
    value = float((np.linalg.norm(moments.scatter_xy) / units[0] / units[1]) ** 2)
    # With unit |S| the participation ratio is tr(S)².
    chance = float(np.trace(xx) / units[0] ** 2 * np.trace(yy) / units[1] ** 2) / (n - 1)
    warnings: tuple[str, ...] = ()
    if chance > 0.1:
        warnings = (
            f"{n} rows are few for these spaces: unrelated ones would read {chance:.2f}; "
            "debiased_cka has no such floor",
        )
    return Score(
        value=value,
        method="cka",
        n=n,
        chance=chance,
        z=test.z,
        p=test.p,
        length=math.acos(min(value, 1.0)),
        warnings=warnings,
    )


def _units(moments: Moments) -> tuple[float, float]:
    """A unit for each side, in which no product of four entries leaves the range."""
    xx, yy = np.linalg.norm(moments.scatter_xx), np.linalg.norm(moments.scatter_yy)
    return math.sqrt(xx), math.sqrt(yy)


def _left_out(x: Array, y: Array, moments: Moments) -> Iterator[np.ndarray]:
    """The value without row m: its scatters are C - n/(n-1) u_m v_mᵀ, rank one away."""
    keep = moments.n / (moments.n - 1)
    p, q = units = _units(moments)
    square = [
        float(np.sum((c / a / b) ** 2))
        for c, a, b in (
            (moments.scatter_xx, p, p), (moments.scatter_xy, p, q), (moments.scatter_yy, q, q)
        )
    ]  # fmt: skip
    for _, _, a, b, *through in row_products(x, y, moments, units):
        # |C - keep u vᵀ|² = |C|² - 2 keep uᵀC v + keep² |u|² |v|².
        xx, xy, yy = (
            whole - 2 * keep * form + keep**2 * pair
            for whole, form, pair in zip(square, through, (a * a, a * b, b * b), strict=True)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            yield xy / np.sqrt(xx) / np.sqrt(yy)
