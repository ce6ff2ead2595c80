r"""IsoScore: how evenly a space's variance is spread over all of its dimensions."""

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.participation_ratio import spread

CARD = Card(
    name="iso_score",
    summary="How evenly variance is spread over the dimensions: 0 on one line, 1 when isotropic.",
    paper=Paper("IsoScore: Measuring the Uniformity of Embedding Space Utilization",
                "Rudman et al.", 2022),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    caveat="Simulated: the interval covers too seldom at 50 rows of 20 dims.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def iso_score(x: Array, *, debias: bool = False) -> Score:
    r"""Share of the dimensions that variance is spread over, between 0 and 1.

    .. math:: \iota = \frac{\mathrm{PR} - 1}{d - 1}, \qquad
              \mathrm{PR} = \frac{\mathrm{tr}(C)^2}{\mathrm{tr}(C^2)}

    The paper takes the covariance in principal axes, scales its diagonal to length √d, measures its
    distance δ to all ones in units of √(2(d - √d)), and rescales (d - δ²(d - √d))² / d to end at 0
    and 1. That square is exactly the participation ratio, so the score is too, up to two constants,
    and comes with the same exact jackknife. ``debias`` is the participation ratio's, which takes
    away that few rows look less isotropic than they are.

    Parameters
    ----------
    x : (n, d) array, d at least 2
    debias : whether to estimate the value of the whole population; needs 4 rows

    Raises
    ------
    InputError
        On too few rows, a width of 1, non-finite values or rows that are all equal.

    References
    ----------
    Rudman et al. 2022, "IsoScore".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.vstack([np.eye(3), -np.eye(3)])
    >>> round(float(iso_score(x)), 9), round(float(iso_score(x * [1, 0, 0])), 9)
    (1.0, 0.0)
    """
    x = matrix("x", x, operation="iso_score")
    n, d = (int(size) for size in x.shape)
    if d < 2 or n < 2 + 2 * debias:
        raise InputError(
            "iso_score",
            f"x of shape {(n, d)}",
            f"{2 + 2 * debias} rows or more, a width above 1",
            "Bring more rows, of 2 columns or more.",
        )
    found = spread(x, debias=debias, operation="iso_score")
    ci = None
    if found.ci is not None:
        ci = (found.ci[0] - 1) / (d - 1), (found.ci[1] - 1) / (d - 1)
    warnings: tuple[str, ...] = ()
    if found.warnings:
        warnings = (f"{n} rows of width {d} look less isotropic than they are (debias=True)",)
    return Score(
        value=(found.value - 1) / (d - 1), method="iso_score", n=n, ci=ci, warnings=warnings
    )
