r"""Soft matching: optimal transport between the columns of two spaces, whatever their widths."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.assignment import against_shuffles, assign
from isthmus.measures.rows import centred, check_varied, influence_interval

CARD = Card(
    name="soft_matching",
    summary="Distance of two sets of columns by optimal transport; a metric between any widths.",
    paper=Paper(
        "Soft Matching Distance: A metric on neural representations that captures single-neuron "
        "tuning", "Khosla & Williams", 2024,
    ),
    cost="n d^2 + d^3",
    memory="d^2 + n",
    invariant=("permutation", "translation"),
    symmetric=True,
    metric=True,
    identical=0.0,
    library="POT",
    caveat="Where many columns are unrelated the best plan fits noise and the value is too low: "
    "compare with chance. Simulated: the interval covers too seldom at 50 rows and at 500 dims; "
    "the test is conservative at 50 rows of 500 dims.",
    rough=(0, 8),
)  # fmt: skip


@register(CARD)
def soft_matching(x: Array, y: Array | None = None, *, rng: Seed = 0) -> Score:
    r"""Distance between matched columns, each side carrying a total weight of one.

    .. math:: d = \sqrt{\min_P \frac1n \sum_{jk} P_{jk} \|x_j - y_k\|^2}, \quad
              \sum_k P_{jk} = \frac1{d_x}, \; \sum_j P_{jk} = \frac1{d_y}

    over plans P >= 0 between the centred columns x_j and y_k, an exact linear program (network
    simplex; seconds for a width of 1000; an assignment where the widths are equal). This is the
    2-Wasserstein distance between two sets of columns, hence a metric between spaces of any widths,
    up to the order and equal multiplicity of columns. Per row and per unit of weight: the root mean
    square difference of partners. At equal widths some plan is a permutation, and d is
    ``permutation_procrustes`` over the root of the width. Computed from the differences of
    partners, so equal spaces are at 0 to all digits. The interval is the infinitesimal jackknife at
    the plan found. ``chance``, z and p are from 100 Gaussian draws (20 beyond width 256) of the
    cross-scatter with the exact covariance that shuffling the pairs gives it; p is the rank among
    them, at least 1/101 (z > 0: closer than chance).

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind and unit, paired with x by row
    rng : seed of the draws behind ``chance``, z and p

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or a side whose rows are all equal.
    MissingExtra
        Without POT, which solves the linear program.

    References
    ----------
    Khosla & Williams 2024, "Soft Matching Distance"; Bonneel et al. 2011 for the solver.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> float(soft_matching(x, np.hstack([x, x]))) < 1e-12  # every column twice
    True
    """
    try:
        from ot import emd
    except ImportError as error:
        raise MissingExtra("soft_matching", "POT", "transport") from error
    x, y = paired(x, y, operation="soft_matching")
    moments = Moments.of(x, y)
    check_varied("x", x, moments.scatter_xx, moments.mean_x, operation="soft_matching")
    check_varied("y", y, moments.scatter_yy, moments.mean_y, operation="soft_matching")
    n = moments.n
    sizes = [np.diag(s) for s in (moments.scatter_xx, moments.scatter_yy)]
    sides = sizes[0].mean(), sizes[1].mean()
    # In units of the larger side no square overflows.
    unit = math.sqrt(max(sides))
    sizes = [size / unit**2 for size in sizes]

    def planned(cross: np.ndarray) -> tuple[Plan, float]:
        """The plan, and the overlap that it reaches."""
        cross = cross / unit**2
        rows, columns, masses = plan = _plan(emd, cross, *sizes)
        return plan, float(cross[rows, columns] @ masses)

    plan, overlap = planned(moments.scatter_xy)
    rest = _rest(x, y, moments, plan, unit)
    length = math.sqrt(float(rest.sum()))
    scale = unit / math.sqrt(n)
    value = length * scale
    ci = (0.0, 0.0) if length == 0 else influence_interval(value, [n * rest / (2 * length) * scale])
    mean, z, p = against_shuffles(moments, lambda cross: planned(cross)[1], overlap, rng)
    total = sum(sides) / unit**2
    chance = math.sqrt(max(total - 2 * mean, 0.0)) * scale
    warnings: tuple[str, ...] = ()
    if total - 2 * mean < 0.8 * total:
        warnings = (f"unrelated spaces of these widths and {n} rows would read {chance:.3g}",)
    return Score(
        value=value,
        method="soft_matching",
        n=n,
        ci=None if ci is None else (max(ci[0], 0.0), ci[1]),
        chance=chance,
        z=z,
        p=p,
        length=value,
        warnings=warnings,
    )


#: Columns of x and y that are matched, and how much of either.
Plan = tuple[np.ndarray, np.ndarray, np.ndarray]


def _plan(emd: Any, cross: np.ndarray, size_x: np.ndarray, size_y: np.ndarray) -> Plan:
    """The optimal plan for squared distances of columns, from their scatters."""
    if len(size_x) == len(size_y):
        # Doubly stochastic matrices are means of permutations (Birkhoff), so one of these is best;
        # all of them count all sizes alike.
        rows, columns = assign(cross)
        return rows, columns, np.full(len(rows), 1 / len(rows))
    cost = size_x[:, None] + size_y[None, :] - 2 * cross
    masses = [np.full(d, 1 / d) for d in cost.shape]
    plan, log = emd(*masses, np.ascontiguousarray(cost), numItermax=10**8, log=True)
    if log["warning"]:
        raise InputError(
            "soft_matching",
            f"a program of {cost.shape} columns unsolved: {log['warning']}",
            "finite columns of like size",
            "Bring the columns to like size first.",
        )
    rows, columns = np.nonzero(plan)
    return rows, columns, np.asarray(plan[rows, columns])


def _rest(
    x: Array,
    y: Array,
    moments: Moments,
    plan: Plan,
    unit: float,
) -> np.ndarray:
    """Weighted squared difference (n,) of partners, over ``unit``²."""
    rows, columns, masses = plan
    blocks = zip(centred(x, moments.mean_x), centred(y, moments.mean_y), strict=True)
    return np.concatenate([((u[:, rows] - v[:, columns]) / unit) ** 2 @ masses for u, v in blocks])
