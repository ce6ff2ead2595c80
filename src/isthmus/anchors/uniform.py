"""Uniform anchors: rows drawn at random without replacement."""

import numpy as np

from isthmus.core.arrays import Array, matrix
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

    Every subset of size m of the n rows has the same probability, 1 / C(n, m).

    Parameters
    ----------
    x : (n, d) array
    count : number of anchors m, at most n
    rng : seed or Generator

    Returns
    -------
    (m,) int64, ascending

    Raises
    ------
    InputError
        When ``count`` is not between 1 and n.

    References
    ----------
    Moschella et al. 2023, Relative representations enable zero-shot latent space communication.

    >>> import numpy as np
    >>> uniform(np.eye(5), 2, rng=0).shape
    (2,)
    """
    n = matrix("x", x, operation="uniform anchors").shape[0]
    if not 1 <= count <= n:
        raise InputError("uniform anchors", f"count={count}", f"1 <= count <= {n} rows")
    return np.sort(generator(rng).choice(n, size=count, replace=False))
