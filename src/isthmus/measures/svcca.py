r"""SVCCA: CCA between the directions that carry nearly all variance of each space."""

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import (
    check_room,
    correlations,
    overlap_influence,
    overlap_test,
    span,
)
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="svcca",
    summary="Mean squared canonical correlation of the directions with 99 % of the variance.",
    paper=Paper(
        "SVCCA: Singular Vector Canonical Correlation Analysis for Deep Learning Dynamics and "
        "Interpretability", "Raghu et al.", 2017,
    ),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    identical=1.0,
    min_rows=4,
    caveat="Interval, z and p hold the kept directions fixed: not to be trusted where the last "
    "one kept and the first one dropped have nearly equal variance. Simulated: the interval "
    "hardly ever covers at 50 rows of 20 dims; the interval covers too seldom at 50 rows of 500 "
    "dims and at 500 rows of 20 dims; the test is conservative at 500 rows of 500 dims.",
    rough=(0, 5000),
)  # fmt: skip


@register(CARD)
def svcca(x: Array, y: Array | None = None, *, variance: float = 0.99) -> Score:
    r"""Mean squared canonical correlation after each space is cut to its leading directions.

    .. math:: \frac{\|U_x^\top U_y\|_F^2}{\min(r_x, r_y)}

    with U (n, r) the leading left singular vectors of the centred side: as few as carry
    ``variance`` of it, and then any whose singular value ties with the last, since between tied
    ones no choice is stable. Raghu et al. average ρ rather than ρ²; that mean is
    ``parts["mean_rho"]``. ``chance``, z and p are those of ``cca``: exact moments over shuffles.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    variance : share of each side's variance to keep, above 0 and at most 1

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, a side whose rows are all equal, or directions
        kept on a side that are as many as n - 1.

    References
    ----------
    Raghu et al. 2017; Kornblith et al. 2019, "Similarity of Neural Network Representations
    Revisited", for the mean of ρ².

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3)) @ np.ones((3, 80)) / 9
    >>> round(svcca(x, -2 * x + 1).value, 9)
    1.0
    """
    x, y = paired(x, y, operation="svcca", min_rows=4)
    if not 0 < variance <= 1:
        raise InputError("svcca", f"variance={variance}", "a share above 0 and at most 1")
    bases, warnings = [], []
    for name, side in (("x", x), ("y", y)):
        u, s = span(name, side, operation="svcca")
        kept = _kept(s**2, variance)
        if kept < len(s) and s[kept] ** 2 > 0.8 * s[kept - 1] ** 2:
            warnings.append(f"the cut of {name} at {kept} directions falls where variance is flat")
        check_room(name, side, kept, operation="svcca")
        bases.append(u[:, :kept])
    u, v = bases
    cross = u.T @ v
    rho = correlations(cross)
    value = float(rho @ rho) / len(rho)
    mean, z, p = overlap_test(u, v, cross)
    chance = mean / len(rho)
    if chance > 0.1:
        warnings.append(f"unrelated spaces of these ranks and {len(u)} rows read {chance:.2f}")
    return Score(
        value=value,
        method="svcca",
        n=len(u),
        ci=influence_interval(value, [overlap_influence(u, v, cross)[0] / len(rho)]),
        chance=chance,
        z=z,
        p=p,
        warnings=tuple(warnings),
        parts={
            "rho": rho,
            "mean_rho": float(rho.mean()),
            "rank_x": float(u.shape[1]),
            "rank_y": float(v.shape[1]),
        },
    )


def _kept(power: np.ndarray, variance: float) -> int:
    """How many leading directions hold the share, with every one that ties with the last."""
    share = np.cumsum(power) / power.sum()
    # Rounding must not decide when the share is met exactly.
    last = int(np.argmax(share >= variance - 1e-9))
    return int(np.sum(power >= power[last] * (1 - 1e-6)))
