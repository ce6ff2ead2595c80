r"""Levina-Bickel dimension: intrinsic dimension, also of each row, from k neighbour distances."""

import math
from functools import lru_cache, partial

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.local_distances import gaussian_logs, low_reading, nearest, overlap_sum
from isthmus.measures.rows import Z95

CARD = Card(
    name="mle_dimension",
    summary="Intrinsic dimension, also at each row, from distances to its k nearest neighbours.",
    paper=Paper(
        "Maximum Likelihood Estimation of Intrinsic Dimension", "Levina & Bickel", 2004
    ),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=12,
    caveat="Simulated: the interval covers too seldom at 50 rows.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def mle_dimension(x: Array, *, k: int = 10) -> Score:
    r"""Intrinsic dimension by maximum likelihood over k-neighbourhoods, inverses averaged.

    .. math:: \hat d = \Bigl( \frac1n \sum_i \hat d_i^{-1} \Bigr)^{-1}, \qquad
              \hat d_i^{-1} = \frac{1}{k - 1} \sum_{j < k} \log \frac{r_k(i)}{r_j(i)}

    with r_j(i) the Euclidean distance of row i to its j-th nearest. Averaging inverses (MacKay &
    Ghahramani) is the maximum likelihood of one common dimension; averaging the dimensions
    themselves reads too high at small k.

    Part ``local_dimension`` (n,) is the estimate at each row that came, (k - 2) / Σ log(r_k / r_j),
    which is unbiased where the density is even; rows whose k neighbours are all equally far have
    none and read -1. The local estimate of a single row scatters by about 1/sqrt(k - 3) of itself.

    Exact duplicates are removed first (counted in a warning) and read what their one row reads. The
    interval adds up what overlapping neighbourhoods err in common. High dimensions read low at any
    practical n: a warning then names the Gaussian dimension that would read as this value.

    Parameters
    ----------
    x : (n, d) array
    k : neighbours, 3 or more

    Raises
    ------
    InputError
        On fewer than k + 2 distinct rows, non-finite values, k below 3, or all neighbours equally
        far from every row.

    References
    ----------
    Levina & Bickel 2004; MacKay & Ghahramani 2005, "Comments on 'Maximum Likelihood
    Estimation of Intrinsic Dimension' by E. Levina and P. Bickel".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1.0, 2, 3], [0, 1, 5]])
    >>> 1.8 < float(mle_dimension(x)) < 2.2
    True
    """
    if k < 3:
        raise InputError("mle_dimension", f"k={k}", "k >= 3")
    x = matrix("x", x, operation="mle_dimension")
    near = nearest(x, k, operation="mle_dimension", least=k + 2)
    n = len(near.rows)
    logs = np.log(near.distances[:, -1:] / near.distances[:, :-1]).sum(axis=1)
    total = float(logs.sum())
    if not total > 0:
        raise InputError(
            "mle_dimension", "rows on a regular grid: all neighbours equally far",
            "distances that differ", "Take a larger k.",
        )  # fmt: skip
    value = n * (k - 1) / total
    # The mean inverse is a mean over rows; its relative error is that of the value.
    share = math.sqrt(overlap_sum(logs / total - 1 / n, near.indices))
    half = min(Z95 * share, 0.99)
    with np.errstate(divide="ignore"):
        local = np.where(logs > 0, (k - 2) / logs, -1.0)
    warnings = near.warnings
    even = int(np.sum(logs == 0))
    if even:
        warnings += (f"{even} rows with {k} neighbours equally far have no local dimension",)
    return Score(
        value=value,
        method="mle_dimension",
        n=n,
        ci=(value / (1 + half), value / (1 - half)),
        warnings=warnings + low_reading(value, n, partial(_reading, n, k)),
        parts={"local_dimension": local[near.inverse]},
    )


@lru_cache(maxsize=4096)
def _reading(n: int, k: int, dim: float) -> float:
    """What n Gaussian rows of dimension ``dim`` read."""
    return float(1 / gaussian_logs(n, dim, 0, k).mean())
