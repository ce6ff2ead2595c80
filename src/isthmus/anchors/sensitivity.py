"""Sensitivity anchors: rows drawn by their share in a clustering's cost, and by loss if known."""

from collections.abc import Callable

import numpy as np

from isthmus.anchors.clusters import cluster_centres
from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="sensitivity",
    summary="Anchors drawn by distance to the centre of their cluster, half of the chance evenly.",
    paper=Paper(
        "Data-Efficient Learning via Clustering-Based Sensitivity Sampling: Foundation Models and "
        "Beyond",
        "Axiotis et al.",
        2024,
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d k",
    memory="n d + n k",
    min_rows=1,
)

#: Rows that the clusters are found on; more change the centres little.
_CLUSTERED = 20_000
#: From the row numbers (k,) of one item per cluster to their losses (k,).
CentreLosses = Callable[[np.ndarray], np.ndarray]


@register(CARD)
def sensitivity(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors drawn by sensitivity, without replacement.

    p_i = (1/n + |u_i - c(i)|² / Φ) / 2 over unit rows u, with c(i) the nearest of √m k-means
    centres and Φ the sum of these squares: ``sensitivity_sample`` for a loss that is the same
    everywhere, with a slope at which both halves weigh the same.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator

    Returns
    -------
    (m,) int64, ascending

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    References
    ----------
    Axiotis et al. 2024, Data-Efficient Learning via Clustering-Based Sensitivity Sampling.

    >>> import numpy as np
    >>> sensitivity(np.eye(5), 2, rng=0).shape
    (2,)
    """
    directions, usable = usable_directions(x, count, operation="sensitivity anchors")
    rng = generator(rng)
    _, squared, _ = _clusters(directions, int(np.ceil(np.sqrt(count))), rng)
    chances = sensitivities(np.ones(len(squared)), squared)
    drawn = rng.choice(len(chances), size=count, replace=False, p=chances)
    return np.sort(usable[drawn])


def sensitivity_sample(
    Z: Array,
    k: int,
    m: int,
    center_losses: CentreLosses,
    *,
    slope: float | None = None,
    rng: Seed = 0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""A small weighted sample whose mean loss estimates that of all rows, from k known losses.

    p_i = (ℓ(c(i)) + λ |z_i - c(i)|²) / Σ_j (...), with c(i) the item nearest to the centre of i's
    k-means cluster; m rows are drawn with replacement and weighted by w_i = 1 / (n m p_i), so that
    Σ w_i ℓ(i) has the mean of ℓ as its expectation whatever ℓ is, and little spread where ℓ
    changes slowly inside clusters.

    Parameters
    ----------
    Z : (n, d) array, what the items are embedded as
    k : number of clusters, so of losses to evaluate
    m : number of draws
    center_losses : function of k row numbers of ``Z`` that gives these items' losses (k,), >= 0
    slope : λ, how much loss a squared distance may add. None: the mean, over centres, of the
        difference in loss to the nearest other centre by the squared distance to it
    rng : seed or Generator

    Returns
    -------
    indices : (m,) int64 row numbers; a row may be drawn several times
    weights : (m,) float64, of mean sum 1

    Raises
    ------
    InputError
        On k or m out of range, a negative slope, or losses that are negative, not finite or not k.

    References
    ----------
    Axiotis et al. 2024, Data-Efficient Learning via Clustering-Based Sensitivity Sampling.

    >>> import numpy as np
    >>> z = np.repeat(np.eye(3), 10, axis=0)
    >>> loss = np.repeat([1.0, 2.0, 6.0], 10)
    >>> rows, weights = sensitivity_sample(z, 3, 5, lambda centres: loss[centres])
    >>> round(float(weights @ loss[rows]), 9)
    3.0
    """
    rows = to_numpy(matrix("Z", Z, operation="sensitivity sample")).astype(np.float64)
    n = len(rows)
    if not 1 <= k <= n or m < 1:
        raise InputError("sensitivity sample", f"k={k}, m={m}", f"1 <= k <= {n} rows and m >= 1")
    if slope is not None and not 0 <= slope < np.inf:
        raise InputError("sensitivity sample", f"slope={slope}", "slope >= 0")
    rng = generator(rng)
    own, squared, items = _clusters(rows, k, rng)
    losses = np.asarray(center_losses(items), dtype=np.float64)
    if losses.shape != (len(items),) or not np.isfinite(losses).all() or losses.min() < 0:
        raise InputError(
            "sensitivity sample", f"losses of shape {losses.shape}: {str(losses)[:60]}",
            f"{len(items)} finite numbers >= 0, one per centre",
        )  # fmt: skip
    if slope is None:
        slope = _slope(losses, _squared(rows[items], rows[items]))
    chances = sensitivities(losses[own], squared, slope=slope)
    drawn = rng.choice(n, size=m, p=chances)
    return drawn.astype(np.int64), 1 / (n * m * chances[drawn])


def sensitivities(
    losses: np.ndarray, squared: np.ndarray, *, slope: float | None = None
) -> np.ndarray:
    """Chances (n,) from the centres' losses (n,) and squared distances (n,); uniform if both are 0.

    ``slope`` None weighs the two equally.
    """
    spread, level = float(squared.sum()), float(losses.sum())
    if slope is None:
        slope = (level or 1.0) / spread if spread > 0 else 0.0
    bound = losses + slope * squared
    total = float(bound.sum())
    return bound / total if total > 0 else np.full(len(bound), 1 / len(bound))


def _slope(losses: np.ndarray, gaps: np.ndarray) -> float:
    """Mean difference in loss to the nearest centre per squared distance; gaps (k, k) between."""
    if len(losses) == 1:
        return float(losses[0])
    np.fill_diagonal(gaps, np.inf)
    near = np.argmin(gaps, axis=1)
    apart = np.maximum(gaps[np.arange(len(gaps)), near], np.finfo(float).tiny)
    return float(np.mean(np.abs(losses - losses[near]) / apart))


def _clusters(
    rows: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cluster numbers (n,), squared distances to the items in the middle (n,), these items (k,)."""
    seen = rows
    if len(rows) > _CLUSTERED:
        seen = rows[np.sort(rng.choice(len(rows), size=_CLUSTERED, replace=False))]
    centres = cluster_centres(seen, k, rng)
    items = np.unique(np.argmin(_squared(rows, centres), axis=0))
    gaps = _squared(rows, rows[items])
    own = np.argmin(gaps, axis=1)
    own[items] = np.arange(len(items))
    gaps = gaps[np.arange(len(rows)), own]
    # Copies of an item lie at a distance of a few roundings from it.
    gaps[gaps < 1e-12 * float(np.mean((rows - rows.mean(axis=0)) ** 2) * rows.shape[1])] = 0.0
    return own, np.maximum(gaps, 0.0), items


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    middle = y.mean(axis=0)
    x, y = x - middle, y - middle
    gaps: np.ndarray = np.einsum("ij,ij->i", x, x)[:, None] - 2 * (x @ y.T)
    gaps += np.einsum("ij,ij->i", y, y)
    return gaps
