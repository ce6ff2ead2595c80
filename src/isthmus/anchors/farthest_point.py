"""Farthest-point anchors: each the row least like all chosen before it."""

import numpy as np

from isthmus.anchors.greedy import greedy
from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="farthest_point",
    summary="Anchors that cover the space: each is the row with the smallest cosine to all before.",
    paper=Paper(
        "Clustering to minimize the maximum intercluster distance",
        "Gonzalez",
        1985,
        where="section 3",
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d m",
    memory="n d",
    min_rows=1,
)


@register(CARD)
def farthest_point(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors, each farthest in angle from all chosen before it.

    a_{j+1} = argmin_i max_{l <= j} cos(x_i, x_{a_l}), from a random first row (Gonzalez 1985): at
    most twice the smallest covering radius any choice of m rows can have.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of distinct directions
    rng : seed or Generator, for the first row

    Returns
    -------
    (m,) int64, in the order chosen: its first rows are what a smaller ``count`` gives

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]])
    >>> sorted(farthest_point(x, 2, rng=0).tolist()) in ([0, 2], [1, 2])
    True
    """
    directions, usable = usable_directions(x, count, operation="farthest-point anchors")
    taken = np.zeros(len(directions), bool)
    first = int(generator(rng).integers(len(directions)))
    taken[first] = True
    rest = greedy(
        directions, -(directions @ directions[first]), count - 1, taken,
        fold=lambda gaps, cosines: np.minimum(gaps, -cosines.max(axis=1)),
        vector=lambda row: directions[row],
    )  # fmt: skip
    return usable[[first, *rest]]
