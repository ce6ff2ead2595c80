"""Coordinates: whether an encoder orders them, as LSA and PCA do, or mixes them freely."""

import numpy as np

#: Below this mean square correlation rows are spread along the coordinate axes themselves. Whole
#: LSA and PCA spaces stay below 0.0005; groups within them reach 0.004, sentence encoders 0.006.
CORRELATED = 0.0015


def mean_square_correlation(x: np.ndarray, rng: np.random.Generator) -> float:
    """Mean square correlation between different coordinates of ``x`` (n, d), free of noise.

    The two factors of each square come from two halves of the rows, whose errors are independent.
    Infinite when the rows are too few to tell a value of CORRELATED from 0.
    """
    order = rng.permutation(len(x))
    halves = x[order[: len(x) // 2]], x[order[len(x) // 2 :]]
    deviations = [half.std(axis=0) if len(half) else np.zeros(x.shape[1]) for half in halves]
    # What rounding leaves of a constant is no deviation.
    rounding = 1e-12 * float(np.abs(x).max(initial=0.0))
    alive = np.logical_and(*(s > max(1e-6 * s.max(initial=0.0), rounding) for s in deviations))
    d = int(alive.sum())
    pairs = d * (d - 1) / 2
    if pairs == 0 or len(halves[0]) * pairs**0.5 < 3 / CORRELATED:
        return float("inf")
    first, second = (np.corrcoef(half[:, alive], rowvar=False) for half in halves)
    return float(((first * second).sum() - d) / (2 * pairs))
