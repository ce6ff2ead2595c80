r"""Effective rank: how many directions a space fills, by the entropy of its singular values."""

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, namespace
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import span
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="effective_rank",
    summary="How many directions a space fills: exp of the entropy of its singular values.",
    paper=Paper(
        "The effective rank: A measure of effective dimensionality", "Roy & Vetterli", 2007
    ),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale"),
    spaces=1,
    paired=False,
    caveat="Few rows hold the value down, and the interval is around that. Simulated: the "
    "interval hardly ever covers at 500 dims; the interval covers too seldom at 20 dims.",
    rough=ALWAYS,
)

#: What RankMe adds to every share.
_EPSILON = 1e-7


@register(CARD)
def effective_rank(x: Array) -> Score:
    r"""Exponential of the Shannon entropy of the singular values, between 1 and min(n, d).

    .. math:: \exp\Bigl(-\sum_k p_k \log p_k\Bigr), \qquad p_k = \sigma_k / \sum_j \sigma_j

    The singular values themselves are normalised, not their squares, of the matrix as it came: rows
    are not centred, as in the paper, so a common offset counts as one strong direction (subtract
    the mean first where it should not). Part ``rank_me`` is RankMe, the same with 1e-7 added to
    every p_k of all min(n, d), zeros included; part ``singular_values`` is largest first.

    A sample of n rows reads low where n is not many times d; a warning says so. The interval comes
    from the exact influence of every row, the infinitesimal jackknife, and does not cover that
    bias.

    Parameters
    ----------
    x : (n, d) array

    Raises
    ------
    InputError
        On fewer than 2 rows, non-finite values, or rows that are all zero.

    References
    ----------
    Roy & Vetterli 2007; Garrido et al. 2023, "RankMe: Assessing the Downstream Performance of
    Pretrained Self-Supervised Representations by Their Rank".

    Examples
    --------
    >>> import numpy as np
    >>> round(float(effective_rank(np.diag([1.0, 1.0, 1.0]))), 9)
    3.0
    """
    x = matrix("x", x, operation="effective_rank")
    n, d = (int(size) for size in x.shape)
    check_rows(2, operation="effective_rank", x=x.shape)
    u, s = span("x", x, operation="effective_rank", centre=False)
    shares = s / s.sum()
    logs = np.log(shares)
    entropy = float(-shares @ logs)
    value = float(np.exp(entropy))
    # A row's weight moves σ_k by σ_k u_ik² / 2.
    influences = -0.5 * n * value * (u**2 @ (shares * (logs + entropy)))
    padded = np.zeros(min(n, d))
    padded[: len(s)] = shares
    padded += _EPSILON
    warnings: tuple[str, ...] = ()
    if n < 5 * d:
        warnings = (f"{n} rows of width {d}: reads low until rows are several times the width",)
    return Score(
        value=value,
        method="effective_rank",
        n=n,
        ci=influence_interval(value, [influences]),
        warnings=warnings,
        parts={
            "rank_me": float(np.exp(-padded @ np.log(padded))),
            "singular_values": s * _peak(x),
        },
    )


def _peak(x: Array) -> float:
    """The unit of ``span``: the largest entry."""
    xp = namespace(x)
    return float(xp.max(xp.abs(x)))
