"""Herding anchors: rows whose mean stays closest to the mean of all, in a kernel's own space."""

import numpy as np

from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="herding",
    summary="Anchors that stand for the whole: their kernel mean follows that of all rows.",
    paper=Paper("Super-samples from kernel herding", "Chen, Welling & Smola", 2010),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d m + n d k",
    memory="n d + n k",
    min_rows=1,
)

#: Up to so many rows their kernel matrix is kept; with more, μ comes from a sample of them.
_WHOLE, _LANDMARKS = 4096, 2048


@register(CARD)
def herding(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors chosen greedily to match the kernel mean of all rows.

    a_{t+1} = argmax_i μ(u_i) - Σ_{s <= t} k(u_i, u_{a_s}) / (t + 1) over rows not yet chosen, with
    unit rows u, k(u, v) = exp(-(1 - cos) / h), h the mean of 1 - cos over all pairs, and μ(u) the
    mean of k(u, ·) over all rows (over 2,048 random ones of more than 4,096).

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator, for the rows that μ is estimated from

    Returns
    -------
    (m,) int64, in the order chosen: its first rows are what a smaller ``count`` gives

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    References
    ----------
    Chen, Welling & Smola 2010, Super-samples from kernel herding.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0]])
    >>> herding(x, 2).tolist()
    [0, 3]
    """
    directions, usable = usable_directions(x, count, operation="herding anchors")
    mean = directions.mean(axis=0)
    width = max(1 - float(mean @ mean), 1e-12)
    gram = None
    if len(directions) <= _WHOLE:
        gram = _kernel(directions @ directions.T, width)
        whole = gram.mean(axis=1)
    else:
        picked = generator(rng).choice(len(directions), size=_LANDMARKS, replace=False)
        whole = _kernel(directions @ directions[np.sort(picked)].T, width).mean(axis=1)
    sofar = np.zeros(len(directions))
    chosen = np.empty(count, np.int64)
    for t in range(count):
        chosen[t] = np.argmax(whole - sofar / (t + 1))
        row = directions[chosen[t]]
        sofar += _kernel(directions @ row, width) if gram is None else gram[chosen[t]]
        sofar[chosen[t]] = np.inf
    return usable[chosen]


def _kernel(cosines: np.ndarray, width: float) -> np.ndarray:
    scaled = (cosines - 1) / width
    return np.exp(scaled, out=scaled)
