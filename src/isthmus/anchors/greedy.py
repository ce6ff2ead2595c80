"""Greedy choice of rows by a score that only falls, exact, with matrix products over all rows.

A step of a greedy sampler changes every row's state by the product of all rows with one vector, at
the speed of memory. Scores never rise, so a row whose old score is beaten need not be looked at:
steps are taken among the rows with the best old scores, and as soon as the best of them falls
behind an old score outside, one matrix product brings all rows up to date. The choice is the same.
"""

from collections.abc import Callable

import numpy as np

#: Rows that steps are taken among, and steps before all rows are brought up to date.
_CANDIDATES, _STEPS = 512, 64


def greedy(
    rows: np.ndarray,
    scores: np.ndarray,
    count: int,
    taken: np.ndarray,
    *,
    fold: Callable[[np.ndarray, np.ndarray], np.ndarray],
    vector: Callable[[int], np.ndarray | None],
) -> list[int]:
    """Numbers of ``count`` rows (n, d), at each step that with the largest score, none ``taken``.

    ``fold`` gives scores (r,) after b more steps from those before (r,) and the products (r, b) of
    the rows with what the b chosen rows brought; it must not raise them. ``vector`` gives that (d,)
    for a row, or None to stop before it. ``scores`` (n,) and ``taken`` (n,) bool change in place.
    """
    chosen: list[int] = []
    everyone = np.arange(len(rows))
    stopped = False
    while len(chosen) < count and not stopped:
        current = np.where(taken, -np.inf, scores)
        near = everyone
        if len(rows) > 2 * _CANDIDATES:
            near = np.sort(np.argpartition(current, -_CANDIDATES)[-_CANDIDATES:])
        outside = np.delete(current, near).max(initial=-np.inf)
        close, mine = rows[near], current[near]
        block: list[np.ndarray] = []
        while len(chosen) < count and len(block) < _STEPS:
            best = int(np.argmax(mine))
            # The very first is the best of all; a later one must beat what lies outside.
            if block and mine[best] <= outside:
                break
            brought = vector(int(near[best]))
            if brought is None:
                stopped = True
                break
            chosen.append(int(near[best]))
            taken[near[best]] = True
            mine = fold(mine, (close @ brought)[:, None])
            mine[best] = -np.inf
            block.append(brought)
        if block:
            scores[:] = fold(scores, rows @ np.stack(block, axis=1))
    return chosen
