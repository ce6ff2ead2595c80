r"""Hubness: whether few rows are the neighbour of many, and many of none."""

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import Metric, neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.local_distances import overlap_sum
from isthmus.measures.rows import Z95

CARD = Card(
    name="hubness",
    summary="Skewness of how often rows are among the k nearest of others; hubs make it large.",
    paper=Paper(
        "Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data",
        "Radovanović et al.", 2010,
    ),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "row_scale"),
    spaces=1,
    paired=False,
    min_rows=12,
    caveat="Simulated: the interval covers too seldom at every size.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def hubness(x: Array, *, k: int = 10, metric: Metric = "cosine") -> Score:
    r"""Skewness of the k-occurrences N_k: how many rows count each row among their k nearest.

    .. math:: S = \frac{\frac1n \sum_i (N_k(i) - k)^3}
              {\bigl(\frac1n \sum_i (N_k(i) - k)^2\bigr)^{3/2}}

    The mean of N_k is always k. ``chance`` is the skewness of the binomial that rows choosing k
    others blindly would give, (1 - 2q) / √((n - 1) q (1 - q)) with q = k / (n - 1); even data of
    low dimension lie below it, hubs lie far above. The interval takes the influence of every count
    on a skewness and adds up what rows of one neighbourhood have in common; deleting rows, which
    moves their neighbours' counts one by one, would make it nearly three times too wide.

    Parts: ``counts`` (n,), ``anti_hubs``, the share of rows that nobody counts, ``hubs``, the share
    counted at least 2k times, and ``level``, the share whose k-th neighbour is no nearer than the
    next. The card's groups are those of the cosine; with ``euclidean`` rotation, scale and
    translation change nothing. Ties go to the lower row, so many equal rows, or rows at equal
    distances such as one-hot ones, make hubs of the first (warnings count both).

    Parameters
    ----------
    x : (n, d) array
    k : neighbours
    metric : ``cosine``, ``euclidean`` or ``inner``

    Raises
    ------
    InputError
        On fewer than k + 2 rows, non-finite values, k below 1, or an unknown metric.

    References
    ----------
    Radovanović et al. 2010, "Hubs in Space".

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> flat, high = (hubness(rng.normal(size=(500, d)), metric="euclidean") for d in (2, 100))
    >>> flat.value < flat.chance < high.value - 1
    True
    """
    x = matrix("x", x, operation="hubness")
    n = int(x.shape[0])
    if k < 1 or n < k + 2:
        raise InputError(
            "hubness", f"k={k} at {n} rows: x {tuple(x.shape)}", "1 <= k <= rows - 2",
            "Lower k, or bring more rows.",
        )  # fmt: skip
    near, apart = (to_numpy(a) for a in neighbors(x, x, k + 1, metric=metric, exclude_self=True))
    level, near = int(np.sum(apart[:, k - 1] == apart[:, k])), near[:, :k]
    counts = np.bincount(near.ravel(), minlength=n).astype(np.float64)
    spread = float(np.sqrt(np.mean((counts - k) ** 2)))
    z = (counts - k) / (spread or 1.0)  # where all counts are equal the skewness is 0
    value = float(np.mean(z**3))
    influences = z**3 - value - 3 * z - 1.5 * value * (z**2 - 1)
    half = Z95 * float(np.sqrt(overlap_sum(influences, near))) / n
    q = k / (n - 1)
    chance = (1 - 2 * q) / np.sqrt((n - 1) * q * (1 - q))
    twins = 0 if metric == "inner" else int(np.sum(apart[:, 0] <= 4e-16))
    warnings = [f"{twins} rows have a duplicate; ties go to the lower row"] if twins else []
    if level > 0.01 * n:
        warnings.append(f"{level} rows have level neighbours at place {k}: the lower rows count")
    return Score(
        value=value,
        method="hubness",
        n=n,
        ci=(value - half, value + half),
        chance=float(chance),
        warnings=tuple(warnings),
        parts={
            "counts": counts,
            "anti_hubs": float(np.mean(counts == 0)),
            "hubs": float(np.mean(counts >= 2 * k)),
            "level": level / n,
        },
    )
