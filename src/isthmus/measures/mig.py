r"""MIG: whether each factor is known to one column much better than to the next."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.factors import Information, against_shuffles, table
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="mig",
    summary="Mutual information gap: a factor's best column minus the next, over its entropy.",
    paper=Paper(
        "Isolating Sources of Disentanglement in Variational Autoencoders", "Chen et al.", 2018
    ),
    cost="n d k",
    memory="n d",
    spaces=1,
    given=("factors",),
    invariant=("permutation", "axis_scale", "translation"),
    min_rows=10,
    caveat="Information from few rows a bin reads high; chance says by how much. The interval "
    "takes the two columns of each factor as given. Simulated: the interval covers too often at "
    "every size; the test is conservative at 500 rows of 500 dims.",
    rough=ALWAYS,
)


@register(CARD)
def mig(x: Array, factors: Any, *, bins: int = 20, rng: Seed = 0) -> Score:
    r"""Mean gap between the two columns that know a factor best, 0 to 1.

    .. math:: \frac1g \sum_k \frac{I(x_{j_k}; v_k) - \max_{j \ne j_k} I(x_j; v_k)}{H(v_k)},
              \quad j_k = \arg\max_j I(x_j; v_k)

    Information is the plug-in estimate over bins: a column with more than ``bins`` different
    values is cut at its quantiles into bins of equal counts (others often cut at equal widths,
    which one outlier upsets), so no increasing map of a column changes the value; so are factors.
    ``chance``, z and p are from 199 seeded shuffles of the factors' rows. The interval is from the
    influence of each row. ``parts``: ``gaps`` (g,), ``columns`` (g,) the best column of each
    factor, ``information`` (d, g) over the factor's entropy.

    Parameters
    ----------
    x : (n, d) array, d at least 2
    factors : (n, g) integers, strings or numbers
    bins : at most so many levels of a column, at least 2
    rng : seed of the shuffles

    Raises
    ------
    InputError
        On fewer than 10 rows or 2 columns, non-finite values, factors of other length or that never
        vary, or fewer than 2 bins.

    References
    ----------
    Chen et al. 2018.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(400, 2))
    >>> mixed = factors @ np.array([[1, 1], [1, -1]])
    >>> [round(mig(x, factors).value, 1) for x in (factors, mixed)]
    [1.0, 0.0]
    """
    x, known = _inputs(x, factors, bins)
    shared = Information(x, known, bins)
    found = shared.matrix()
    value, gaps, best, second = _gap(found, shared.entropy)
    influence = np.zeros(len(x))
    for k, (one, two) in enumerate(zip(best, second, strict=True)):
        ahead = shared.pointwise(int(one), k) - shared.pointwise(int(two), k)
        influence += (ahead - gaps[k] * shared.surprise(k)) / shared.entropy[k] / len(best)
    keys = np.column_stack([shared.factors, shared.codes.sum(axis=1)])
    chance, z, p = against_shuffles(
        value,
        lambda orders: (_gap(one, shared.entropy)[0] for one in shared.matrices(orders)),
        keys,
        rng,
    )
    ci = influence_interval(value, [influence])
    warnings: tuple[str, ...] = ()
    if len(x) < 5 * int(shared.sizes.max()) * int(shared.widths.max()):
        warnings = (f"{len(x)} rows for {shared.sizes.max()} x {shared.widths.max()} cells",)
    return Score(
        value=value, method="mig", n=len(x), chance=chance, z=z, p=p, warnings=warnings,
        ci=None if ci is None else (ci[0], max(min(ci[1], 1.0), value)),
        parts={
            "gaps": gaps, "columns": best, "information": found / shared.entropy,
        },
    )  # fmt: skip


def _inputs(x: Array, factors: Any, bins: int) -> tuple[np.ndarray, np.ndarray]:
    x = to_numpy(matrix("x", x, operation="mig")).astype(np.float64)
    if len(x) < CARD.min_rows or x.shape[1] < 2 or bins < 2:
        raise InputError(
            "mig",
            f"x {x.shape}, bins={bins}",
            "10 rows, 2 columns and 2 bins or more",
            "Bring more rows or columns, or choose 2 bins or more.",
        )
    return x, table(factors, len(x), operation="mig")


def _gap(
    information: np.ndarray, entropy: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Mean gap, gaps (g,), and the best and second column (g,) of each factor."""
    order = np.argsort(-information, axis=0, kind="stable")
    each = np.arange(information.shape[1])
    gaps = (information[order[0], each] - information[order[1], each]) / entropy
    return float(gaps.mean()), gaps, order[0], order[1]
