r"""Correlation match: how well single columns of two spaces correlate with their best partners."""

from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.assignment import against_shuffles, assign, deviations
from isthmus.measures.rows import influence_interval, pairs_influence

CARD = Card(
    name="correlation_match",
    summary="Mean correlation of columns with their partners in the other space.",
    paper=Paper(
        "Convergent Learning: Do different neural networks learn the same representations?",
        "Li et al.", 2015,
    ),
    cost="n d^2 + d^3",
    memory="d^2 + n",
    invariant=("axis_scale", "permutation", "translation"),
    symmetric=True,
    identical=1.0,
    min_rows=4,
    library="SciPy",
    caveat="The best of many correlations is above zero for unrelated columns too; the interval "
    "is around that biased value. Simulated: the interval covers too seldom at 50 rows.",
    rough=(0, 8),
)  # fmt: skip


@register(CARD)
def correlation_match(
    x: Array,
    y: Array | None = None,
    *,
    match: Literal["hard", "soft"] = "hard",
    rng: Seed = 0,
) -> Score:
    r"""Mean Pearson correlation of columns with partners, 1 equal up to order, shift and scale.

    .. math:: \text{hard} = \max_\pi \frac{1}{m} \sum_j \rho_{j\pi(j)}, \qquad
              \text{soft} = \frac12 \Big(\frac1{d_x} \sum_j \max_k \rho_{jk}
              + \frac1{d_y} \sum_k \max_j \rho_{jk}\Big)

    with ρ_jk the correlation of column j of x with column k of y. ``hard`` gives every column of
    the narrower side a partner of its own (linear assignment, m = min(dx, dy)); ``soft`` lets
    columns share. ``chance``, z and p are from 100 Gaussian draws (20 beyond width 256) of the
    correlations with the exact covariance that shuffling the pairs gives them; p is the rank among
    them, at least 1/101. The interval is the infinitesimal jackknife at the partners found.
    ``parts``: ``x`` (dx,) and ``y`` (dy,), the correlation of each column with its partner (0 for
    columns without one), and ``x_partner``, ``y_partner``, its number there (-1 for none).

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    match : ``hard`` one to one, or ``soft`` each to its best
    rng : seed of the draws behind ``chance``, z and p

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, an unknown match, or a column
        that is constant up to rounding, which correlates with nothing.

    References
    ----------
    Li et al. 2015, "Convergent Learning" (bipartite matching and semi-matching).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> score = correlation_match(x, x[:, [2, 0, 1]] * [1, 2, 3] + 5)
    >>> round(float(score), 9), score.parts["x_partner"].tolist()
    (1.0, [1, 2, 0])
    """
    if match not in ("hard", "soft"):
        raise InputError("correlation_match", f"match {match!r}", "'hard' or 'soft'")
    x, y = paired(x, y, operation="correlation_match", min_rows=4)
    moments = Moments.of(x, y)
    units = deviations(x, y, moments, operation="correlation_match")
    n, (dx, dy) = moments.n, moments.dims
    scale = np.outer(*units)
    hard = match == "hard"
    rho = np.clip(moments.scatter_xy / scale, -1.0, 1.0)
    rows, columns, weights = _partners(rho, hard=hard)
    value = float(rho[rows, columns] @ weights)
    influences = pairs_influence(x, y, moments, (rows, columns), rho[rows, columns], weights)
    ci = influence_interval(value, [influences])

    def matched(cross: np.ndarray) -> float:
        drawn = cross / scale
        j, k, w = _partners(drawn, hard=hard)
        return float(drawn[j, k] @ w)

    chance, z, p = against_shuffles(moments, matched, value, rng)
    x_partner, y_partner = _numbers(rows, columns, dx, dy, hard=hard)
    warnings: tuple[str, ...] = ()
    if chance > 0.5 * value:
        warnings = (
            f"half of the value or more is what unrelated columns reach at {n} rows and widths "
            f"{dx} and {dy}",
        )
    return Score(
        value=value,
        method="correlation_match" if hard else "correlation_match (soft)",
        n=n,
        ci=None if ci is None else (ci[0], max(min(ci[1], 1.0), value)),
        chance=chance,
        z=z,
        p=p,
        warnings=warnings,
        parts={
            "x": np.where(x_partner < 0, 0.0, rho[np.arange(dx), x_partner]),
            "y": np.where(y_partner < 0, 0.0, rho[y_partner, np.arange(dy)]),
            "x_partner": x_partner,
            "y_partner": y_partner,
        },
    )


def _partners(rho: np.ndarray, *, hard: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of columns and the weight each has in the mean."""
    dx, dy = rho.shape
    if hard:
        rows, columns = assign(rho)
        return rows, columns, np.full(len(rows), 1 / len(rows))
    rows = np.concatenate([np.arange(dx), rho.argmax(axis=0)])
    columns = np.concatenate([rho.argmax(axis=1), np.arange(dy)])
    return rows, columns, np.repeat([0.5 / dx, 0.5 / dy], [dx, dy])


def _numbers(
    rows: np.ndarray, columns: np.ndarray, dx: int, dy: int, *, hard: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The partner of every column of x (dx,) and of y (dy,), -1 for none."""
    if not hard:
        return columns[:dx], rows[dx:]
    of_x, of_y = np.full(dx, -1), np.full(dy, -1)
    of_x[rows], of_y[columns] = columns, rows
    return of_x, of_y
