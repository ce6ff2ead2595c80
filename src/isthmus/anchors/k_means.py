"""k-means anchors: the rows nearest to the centres of a spherical clustering."""

import numpy as np

from isthmus.anchors.clusters import cluster_centres
from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="k_means",
    summary="Anchors nearest to the centres of a clustering of directions.",
    paper=Paper(
        "Relative representations enable zero-shot latent space communication",
        "Moschella et al.",
        2023,
        where="appendix A.2",
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d m",
    memory="n d + n m",
    min_rows=1,
)


@register(CARD)
def k_means(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors: one real row per cluster of directions.

    k-means on unit rows, min_c Σ_i min_j |x_i/|x_i| - c_j|², then for each centre the row with the
    largest cosine to it that no other centre took.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator, for the starting centres

    Returns
    -------
    (m,) int64, ascending

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.01, 1.0]])
    >>> len(set(k_means(x, 2, rng=0).tolist()))
    2
    """
    rows, usable = usable_directions(x, count, operation="k-means anchors")
    similarity = cluster_centres(rows, count, generator(rng)) @ rows.T
    chosen = np.empty(count, np.int64)
    for j in np.argsort(-similarity.max(axis=1), kind="stable"):
        chosen[j] = np.argmax(similarity[j])
        similarity[:, chosen[j]] = -np.inf
    return np.sort(usable[chosen])
