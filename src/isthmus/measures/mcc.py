r"""MCC: how well single columns recover single latents, up to order, sign and scale."""

from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, like, paired, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.assignment import against_shuffles, assign, deviations
from isthmus.measures.rows import influence_interval, pairs_influence

CARD = Card(
    name="mcc",
    summary="Mean absolute correlation of columns with latents under the best assignment.",
    paper=Paper(
        "Unsupervised Feature Extraction by Time-Contrastive Learning and Nonlinear ICA",
        "Hyvärinen & Morioka", 2016,
    ),
    cost="n d^2 + d^3",
    memory="d^2 + n",
    invariant=("axis_scale", "permutation", "translation"),
    symmetric=True,
    identical=1.0,
    min_rows=4,
    library="SciPy",
    caveat="The best of many correlations is well above zero for unrelated columns, most of all "
    "at few rows: read it against chance. The interval is around that raised value. Simulated: "
    "the interval covers too seldom at 50 rows and at 500 dims.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def mcc(
    x: Array,
    y: Array | None = None,
    *,
    correlation: Literal["pearson", "spearman"] = "pearson",
    rng: Seed = 0,
) -> Score:
    r"""Mean correlation coefficient of latents with columns, 0 to 1, signs left out.

    .. math:: \max_\pi \frac1m \sum_j |\rho_{j \pi(j)}|, \qquad m = \min(d_x, d_y)

    with ρ_jk the correlation of column j of x with column k of y and π a one to one assignment
    (linear assignment, exact). ``spearman`` takes ranks first, which forgives increasing maps of
    single columns. ``chance``, z and p are from 100 Gaussian draws (20 beyond width 256) of the
    correlations with the exact covariance that shuffling the rows of y gives them; p is the rank
    among them. The interval is the infinitesimal jackknife at the assignment found. ``parts``:
    ``x_partner`` (dx,) and ``y_partner`` (dy,), numbers of the partners (-1 for none), and
    ``correlations`` (m,), with their signs, of the columns of x that have one, in their order.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, latents or factors, paired with x by row
    correlation : ``pearson`` or ``spearman``
    rng : seed of the draws behind ``chance``, z and p

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a column that is constant up to
        rounding, or an unknown correlation.

    References
    ----------
    Hyvärinen & Morioka 2016.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(60, 3))
    >>> round(float(mcc(-2 * z[:, [2, 0, 1]], z)), 9)
    1.0
    """
    if correlation not in ("pearson", "spearman"):
        raise InputError("mcc", f"correlation {correlation!r}", "'pearson' or 'spearman'")
    x, y = paired(x, y, operation="mcc", min_rows=4)
    if correlation == "spearman":
        x, y = _ranks(x), _ranks(y)
    moments = Moments.of(x, y)
    units = deviations(x, y, moments, operation="mcc")
    scale = np.outer(*units)
    rho = np.clip(moments.scatter_xy / scale, -1.0, 1.0)
    rows, columns = assign(np.abs(rho))
    found = rho[rows, columns]
    value = float(np.abs(found).mean())

    def matched(cross: np.ndarray) -> float:
        drawn = np.abs(cross / scale)
        j, k = assign(drawn)
        return float(drawn[j, k].mean())

    chance, z, p = against_shuffles(moments, matched, value, rng)
    weights = np.sign(found) / len(found)
    ci = influence_interval(
        value, [pairs_influence(x, y, moments, (rows, columns), found, weights)]
    )
    partners = np.full(rho.shape[0], -1), np.full(rho.shape[1], -1)
    partners[0][rows], partners[1][columns] = columns, rows
    warnings: tuple[str, ...] = ()
    if chance > 0.5 * value:
        warnings = (
            f"half of the value or more is what unrelated columns reach at {moments.n} rows and "
            f"widths {rho.shape[0]} and {rho.shape[1]}",
        )
    return Score(
        value=value,
        method="mcc" if correlation == "pearson" else "mcc (spearman)",
        n=moments.n,
        ci=None if ci is None else (min(max(ci[0], 0.0), value), max(min(ci[1], 1.0), value)),
        chance=chance,
        z=z,
        p=p,
        warnings=warnings,
        parts={"x_partner": partners[0], "y_partner": partners[1], "correlations": found},
    )


def _ranks(x: Array) -> Array:
    from scipy.stats import rankdata

    return like(rankdata(to_numpy(x), axis=0), x)
