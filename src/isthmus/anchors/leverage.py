"""Leverage anchors: rows drawn by how much of the space's directions each alone accounts for."""

import numpy as np

from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="leverage",
    summary="Anchors drawn by ridge leverage score, so that rare directions are represented.",
    paper=Paper(
        "Input sparsity time low-rank approximation via ridge leverage score sampling",
        "Cohen, Musco & Musco",
        2017,
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d^2 + d^3",
    memory="n d",
    min_rows=1,
)


@register(CARD)
def leverage(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors drawn with probabilities in proportion to leverage.

    τ_i = u_iᵀ (UᵀU + λ 1)⁻¹ u_i for unit rows u_i, with λ = Σ_{j>m} σ_j² / m the tail of the
    spectrum per anchor, drawn without replacement. With m >= d the tail is zero and τ is the plain
    leverage score.

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
    Cohen, Musco & Musco 2017, Input sparsity time low-rank approximation via ridge leverage score
    sampling.

    >>> import numpy as np
    >>> x = np.concatenate([np.tile([1.0, 0.0], (50, 1)), [[0.0, 1.0]]])
    >>> sum(50 in leverage(x, 2, rng=seed) for seed in range(20)) > 15
    True
    """
    directions, usable = usable_directions(x, count, operation="leverage anchors")
    scores = leverage_scores(directions, count)
    drawn = generator(rng).choice(
        len(scores), size=count, replace=False, p=scores / scores.sum()
    )  # fmt: skip
    return np.sort(usable[drawn])


def leverage_scores(x: np.ndarray, count: int) -> np.ndarray:
    """Ridge leverage scores (n,) of the rows of x (n, d) for a sketch of ``count`` rows."""
    values, vectors = symmetric_eigen(x.T @ x)
    # Directions that hold nothing but rounding would divide noise by noise.
    kept = values > values[0] * np.finfo(np.float64).eps * max(x.shape)
    penalty = float(values[count:].sum()) / count
    projected = x @ (vectors[:, kept] / np.sqrt(values[kept] + penalty))
    scores: np.ndarray = np.einsum("ij,ij->i", projected, projected)
    return scores
