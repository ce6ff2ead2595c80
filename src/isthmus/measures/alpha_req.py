r"""Alpha-ReQ: how fast the eigenvalues of a space's covariance fall, as a power of their rank."""

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, namespace
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import span
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="alpha_req",
    summary="Exponent at which the eigenvalues of a space's covariance fall with their rank.",
    paper=Paper(
        "α-ReQ: Assessing Representation Quality in Self-Supervised Learning by measuring "
        "eigenspectrum decay", "Agrawal et al.", 2022,
    ),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=4,
    caveat="Where the spectrum is no power law the exponent describes little; R² is given. Few "
    "rows bend the spectrum, and the interval is around that bent value. Simulated: the interval "
    "hardly ever covers at 50 rows of 500 dims; the interval covers too seldom at 500 rows of 500 "
    "dims.",
)  # fmt: skip


@register(CARD)
def alpha_req(x: Array, *, ranks: tuple[int, int] | None = None) -> Score:
    r"""Exponent α of λ_j ∝ j^(-α), fitted to the covariance eigenvalues in log-log coordinates.

    .. math:: \hat\alpha = -\arg\min_b \min_a \sum_{j=p}^{q} \frac1j (\log\lambda_j - a - b\log j)^2

    The weights 1/j count every factor of scale alike, where unweighted ranks crowd at the end. The
    range p .. q leaves out the head, rarely on the line, and the tail, which sampling bends down:
    of r eigenvalues above rounding, p = min(11, 1 + r // 10) and q = max(p + 2, r // 2), unless
    ``ranks`` says otherwise. A value near 1 has been found in good representations; larger means
    fewer directions in use. A warning names R² below 0.9, and fewer than ten rows for each fitted
    rank, where a sample's spectrum falls faster than its population's.

    The interval comes from the exact influence of every row on every eigenvalue, the infinitesimal
    jackknife. Parts: ``eigenvalues`` (sample covariance, largest first), ``first`` and ``last``
    rank of the fit, ``r2``.

    Parameters
    ----------
    x : (n, d) array
    ranks : first and last rank of the fit, counted from 1, at least three ranks

    Raises
    ------
    InputError
        On fewer than 3 nonzero eigenvalues, non-finite values, or ranks out of range.

    References
    ----------
    Agrawal et al. 2022, "α-ReQ"; Stringer et al. 2019, "High-dimensional geometry of population
    responses in visual cortex".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2000, 40)) * np.arange(1, 41) ** -0.5
    >>> 0.9 < float(alpha_req(x)) < 1.1
    True
    """
    x = matrix("x", x, operation="alpha_req")
    n = int(x.shape[0])
    check_rows(CARD.min_rows, operation="alpha_req", x=x.shape)
    u, s = span("x", x, operation="alpha_req")
    r = len(s)
    first = min(11, 1 + r // 10)
    first, last = (first, max(first + 2, r // 2)) if ranks is None else ranks
    if not 1 <= first <= last - 2 <= r - 2:
        raise InputError(
            "alpha_req", f"ranks {first} to {last} of {r} eigenvalues above rounding",
            "at least 3 ranks within them", "Use ranks=(first, last), or a wider space.",
        )  # fmt: skip
    rank = np.arange(first, last + 1)
    place, height, weight = np.log(rank), 2 * np.log(s[first - 1 : last]), 1 / rank
    weight = weight / weight.sum()
    away = place - weight @ place
    lever = weight * away / (weight @ away**2)
    value = float(-lever @ height)
    miss = height - weight @ height + value * away
    total = float(weight @ (height - weight @ height) ** 2)
    r2 = 1 - float(weight @ miss**2) / total if total > 0 else 0.0
    influences = -n * (u[:, first - 1 : last] ** 2 @ lever)
    warnings: tuple[str, ...] = ()
    if r2 < 0.9:
        warnings += (f"no power law at ranks {first} to {last}: R² {r2:.2f}",)
    if n < 10 * last:
        warnings += (f"{n} rows for ranks up to {last}: the tail of a sample falls too fast",)
    xp = namespace(x)
    unit = float(xp.max(xp.abs(x))) ** 2 / (n - 1)  # ``span`` divides by the largest entry
    return Score(
        value=value,
        method="alpha_req",
        n=n,
        ci=influence_interval(value, [influences]),
        warnings=warnings,
        parts={"eigenvalues": s**2 * unit, "first": first, "last": last, "r2": r2},
    )
