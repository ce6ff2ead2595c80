"""Farthest-point anchors: each the row least like all chosen before it."""

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
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
    (m,) int64, in the order chosen

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]])
    >>> sorted(farthest_point(x, 2, rng=0).tolist()) in ([0, 2], [1, 2])
    True
    """
    directions = unit(to_numpy(matrix("x", x, operation="farthest-point anchors")))
    usable = np.flatnonzero(directions.any(axis=1))
    if not 1 <= count <= len(usable):
        raise InputError(
            "farthest-point anchors", f"count={count}", f"1 <= count <= {len(usable)} non-zero rows"
        )
    nearest = np.full(len(directions), np.inf)
    nearest[usable] = -np.inf
    chosen = np.empty(count, np.int64)
    chosen[0] = generator(rng).choice(usable)
    for j in range(1, count):
        last = chosen[j - 1]
        np.maximum(nearest, directions @ directions[last], out=nearest)
        nearest[last] = np.inf
        chosen[j] = np.argmin(nearest)
    return chosen
