r"""Curation fit: do rows that are near each other cost a language model the same loss?"""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import called, check_varied, jackknife, squares
from isthmus.measures.rsa import rsa

CARD = Card(
    name="curation_fit",
    summary="Share of a loss's variance that clusters of the vectors explain beyond chance.",
    paper=Paper(
        "Analyzing Similarity Metrics for Data Selection for Language Model Pretraining",
        "Sam et al.", 2025,
    ),
    cost="n d k + n^2 d",
    memory="n d",
    invariant=("orthogonal", "row_scale"),
    spaces=0,
    chance=0.0,
    library="scikit-learn",
    min_rows=10,
    caveat="Interval and p take the clusters as given; p is of an F test, a little off where "
    "losses are far from normal and clusters small.",
)  # fmt: skip


@register(CARD)
def curation_fit(vecs: Array, losses: Any, *, clusters: int = 0, rng: Seed = 0) -> Score:
    r"""How much less losses vary within k-means clusters of the directions than in random ones.

    .. math:: 1 - \frac{\sum_c \sum_{i \in c} (\ell_i - \bar\ell_c)^2 / (n - g)}
                       {\sum_i (\ell_i - \bar\ell)^2 / (n - 1)}

    The denominator is, exactly, what g random clusters of any sizes leave on average, so 0 is
    chance and 1 means that a cluster knows the loss of its rows. Clusters are found without a look
    at the losses. Part ``correlation`` is Pearson's r over all pairs between the chord
    |u_i - u_j| of the unit rows and |ℓ_i - ℓ_j|, with ``correlation_ci`` and ``correlation_z``
    (Mantel's); ``clusters`` (n,) are the cluster numbers. Compare encoders on the same rows and the
    same number of clusters.

    Parameters
    ----------
    vecs : (n, d) array without zero rows
    losses : (n,) numbers, such as a language model's loss per token of each item
    clusters : how many, from 2 to n / 2; the root of n when 0
    rng : seed of k-means

    Raises
    ------
    InputError
        On non-finite values, zero rows, rows of one direction, losses of other length or all equal,
        fewer than 10 rows or a number of clusters out of range.

    References
    ----------
    Sam et al. 2025, "Analyzing Similarity Metrics for Data Selection for Language Model
    Pretraining".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(120, 3))
    >>> float(curation_fit(x, x[:, 0] > 0, clusters=6)) > 0.3
    True
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    x = to_numpy(matrix("vecs", vecs, operation="curation_fit"))
    n = len(x)
    loss = _losses(losses, n)
    count = clusters or max(2, round(n**0.5))
    if not 2 <= count <= n // 2:
        raise InputError(
            "curation_fit",
            f"{count} clusters of {n} rows",
            f"2 to {n // 2}",
            "Bring more rows, or choose clusters within this range.",
        )
    rows = unit(x)
    if not rows.any(axis=1).all():
        raise InputError("curation_fit", "zero rows", "rows with a direction", "Drop them first.")
    mean = rows.mean(axis=0)
    scatter = np.diag([squares(rows - mean).sum()])
    check_varied("vecs", rows, scatter, mean, operation="curation_fit")
    seed = int(generator(rng).integers(2**31))
    with threadpool_limits(limits=1):  # sums in another order could tip a row into another cluster
        found = KMeans(count, n_init=3, random_state=seed).fit(rows).labels_
    value, left_out, size = _explained(loss, found)
    with called("curation_fit"):
        pairs = rsa(rows, loss[:, None])
    warnings: tuple[str, ...] = ()
    if pairs.ci is None or pairs.ci[0] <= 0:
        warnings = ("over pairs, distance and difference in loss are not clearly related",)
    return Score(
        value=value,
        method="curation_fit",
        n=n,
        ci=jackknife(value, [left_out]),
        chance=0.0,
        p=_tail(value, n, size),
        warnings=warnings,
        parts={
            "correlation": pairs.value,
            "correlation_ci": pairs.ci,
            "correlation_z": pairs.z,
            "clusters": found,
        },
    )


def _losses(losses: Any, n: int) -> np.ndarray:
    host = np.asarray(to_numpy(losses) if hasattr(losses, "shape") else losses)
    if host.dtype.kind not in "iufb" or host.shape != (n,) or not np.isfinite(host).all():
        raise InputError(
            "curation_fit",
            f"losses {host.dtype} of shape {host.shape} for {n} rows",
            f"{n} finite numbers",
            "Give one finite loss a row.",
        )
    if n < 10 or host.min() == host.max():
        raise InputError(
            "curation_fit", f"losses {host.shape} from {host.min():.3g} to {host.max():.3g}",
            "at least 10 rows whose losses differ", "Bring more rows, of other losses too.",
        )  # fmt: skip
    return host.astype(np.float64)


def _explained(loss: np.ndarray, found: np.ndarray) -> tuple[float, np.ndarray, int]:
    """The value, its n leave-one-out values with clusters kept, and the number of clusters."""
    n = len(loss)
    sizes = np.bincount(found)
    centre = loss - loss.mean()
    apart = centre - (np.bincount(found, weights=centre) / np.maximum(sizes, 1))[found]
    within, total = float(apart @ apart), float(centre @ centre)
    g, own = int((sizes > 0).sum()), sizes[found]
    value = 1 - within / (n - g) / (total / (n - 1))
    # A row alone in its cluster takes the cluster with it.
    less = within - apart**2 * own / np.maximum(own - 1, 1)
    rest = total - centre**2 * n / (n - 1)
    return value, 1 - less / (n - 1 - (g - (own == 1))) / (rest / (n - 2)), g


def _tail(value: float, n: int, g: int) -> float:
    from scipy.stats import f

    inside = (1 - value) * (n - g) / (n - 1)  # within / total
    between = max(1 - inside, 0.0) / (g - 1)
    return float(f.sf(between / (inside / (n - g)), g - 1, n - g)) if inside > 0 else 0.0
