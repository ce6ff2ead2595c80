"""D² anchors: each drawn in proportion to its squared distance from all drawn before it."""

import numpy as np

from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="d2_sampling",
    summary="Anchors as k-means++ seeds its centres: spread out, yet following the density.",
    paper=Paper(
        "k-means++: the advantages of careful seeding", "Arthur & Vassilvitskii", 2007
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d m",
    memory="n d",
    min_rows=1,
)  # fmt: skip

#: Draws, and draws that were not kept, before distances are brought up to date.
_BLOCK, _MISSES = 64, 16


@register(CARD)
def d2_sampling(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors, each drawn by squared distance to the nearest before it.

    P(a_{j+1} = i) ∝ min_{l <= j} |u_i - u_{a_l}|² over unit rows u, from a uniform first row. Where
    every row left is a copy of an anchor, the next is drawn uniformly from those left.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator

    Returns
    -------
    (m,) int64, in the order drawn: its first rows are what a smaller ``count`` gives

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    References
    ----------
    Arthur & Vassilvitskii 2007, k-means++: the advantages of careful seeding.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    >>> 2 in d2_sampling(x, 2, rng=0)
    True
    """
    directions, usable = usable_directions(x, count, operation="D² anchors")
    return usable[d2_rows(directions, count, generator(rng))]


def d2_rows(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers (count,) of rows (n, d) drawn by D² sampling.

    Distances to all rows are brought up to date only now and then, by one matrix product: a row
    drawn by its old distance is kept with probability new / old, which leaves the law unchanged.
    """
    squares = np.einsum("ij,ij->i", rows, rows)
    # Copies of an anchor lie at a distance of a few roundings from it.
    least = 1e-12 * max(float(squares.max()), np.finfo(float).tiny)
    chosen = [int(rng.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf)
    known = 0
    while len(chosen) < count:
        fresh = chosen[known:]
        gaps = squares[:, None] + squares[fresh] - 2 * (rows @ rows[fresh].T)
        gaps[gaps < least] = 0.0
        np.minimum(nearest, gaps.min(axis=1), out=nearest)
        nearest[fresh] = 0.0
        known, total = len(chosen), np.cumsum(nearest)
        if total[-1] == 0:
            left = np.setdiff1d(np.arange(len(rows)), chosen)
            return np.array([*chosen, *rng.permutation(left)[: count - known]])
        misses = 0
        while len(chosen) < min(count, known + _BLOCK) and misses < _MISSES:
            # side="right" passes over rows of weight zero.
            row = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
            since = chosen[known:]
            gap = squares[since] + squares[row] - 2 * (rows[since] @ rows[row])
            now = min(float(nearest[row]), float(gap.min(initial=np.inf)))
            if now > least and rng.random() * nearest[row] <= now:
                chosen.append(row)
            else:
                misses += 1
    return np.array(chosen)
