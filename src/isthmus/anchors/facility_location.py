"""Facility-location anchors: every row has an anchor that is as much like it as can be."""

import heapq

import numpy as np

from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="facility_location",
    summary="Anchors that serve all rows: the greedy choice for the mean cosine to the nearest.",
    paper=Paper(
        "An analysis of approximations for maximizing submodular set functions",
        "Nemhauser, Wolsey & Fisher",
        1978,
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d k + n k m",
    memory="n d + n k",
    min_rows=1,
)

#: Rows to be served when there are more.
_LANDMARKS = 1024


@register(CARD)
def facility_location(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors that greedily raise every row's cosine to its nearest one.

    F(A) = Σ_l max_{a in A} (1 + cos(x_l, x_a)) grows by diminishing returns, so the greedy choice
    reaches at least 1 - 1/e of the best set's value. Gains are looked at lazily: one that was
    larger before can only have shrunk since. Rows l are all rows, or 1,024 random ones.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator, for the rows to be served

    Returns
    -------
    (m,) int64, in the order chosen: its first rows are what a smaller ``count`` gives

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    References
    ----------
    Nemhauser, Wolsey & Fisher 1978, An analysis of approximations for maximizing submodular set
    functions; Minoux 1978 for the lazy form.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> [int(row) // 3 for row in sorted(facility_location(x, 2))]
    [0, 1]
    """
    directions, usable = usable_directions(x, count, operation="facility-location anchors")
    landmarks = directions
    if len(directions) > _LANDMARKS:
        picked = generator(rng).choice(len(directions), size=_LANDMARKS, replace=False)
        landmarks = directions[np.sort(picked)]
    similarity = directions @ landmarks.T
    # Gains are rounded so that rows that serve equally well are taken in order, on any machine.
    best = np.full(len(landmarks), -1.0)
    gains = np.round((similarity - best).sum(axis=1), 9)
    heap = [(-gain, row) for row, gain in enumerate(gains.tolist())]
    heapq.heapify(heap)
    chosen = np.empty(count, np.int64)
    for j in range(count):
        while True:
            row = heap[0][1]
            gain = round(float(np.maximum(similarity[row] - best, 0.0).sum()), 9)
            heapq.heapreplace(heap, (-gain, row))
            # Still first with its gain as it is now: no other can be better.
            if heap[0] == (-gain, row):
                break
        heapq.heappop(heap)
        chosen[j] = row
        np.maximum(best, similarity[row], out=best)
    return usable[chosen]
