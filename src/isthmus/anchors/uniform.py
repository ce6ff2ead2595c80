"""Uniform anchors: rows drawn at random without replacement."""

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="uniform",
    summary="Anchors drawn uniformly at random, without replacement.",
    paper=Paper(
        "Relative representations enable zero-shot latent space communication",
        "Moschella et al.",
        2023,
        where="section 4.1",
    ),
    spaces=1,
    invariant=("affine", "row_scale"),
    cost="m",
    memory="m",
    min_rows=1,
)


@register(CARD)
def uniform(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    """Row numbers of ``count`` anchors drawn uniformly from the rows of x.

    Every subset of m of the n rows that are not zero has the same probability, 1 / C(n, m). A zero
    row has no direction, so by cosine or angle it is an anchor that says nothing; by a distance it
    would be one like any other, and is left out all the same, as by every sampler.

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
        When ``count`` is not between 1 and n, the number of non-zero rows.

    References
    ----------
    Moschella et al. 2023, Relative representations enable zero-shot latent space communication.

    >>> import numpy as np
    >>> uniform(np.eye(5), 2, rng=0).shape
    (2,)
    """
    usable = np.flatnonzero(to_numpy(matrix("x", x, operation="uniform anchors")).any(axis=1))
    if not 1 <= count <= len(usable):
        raise InputError(
            "uniform anchors", f"count={count}", f"1 <= count <= {len(usable)} non-zero rows"
        )
    return np.sort(generator(rng).choice(usable, size=count, replace=False))
