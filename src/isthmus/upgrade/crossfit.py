"""Cross-fitting: a setting is never chosen on the queries that it is judged by."""

from collections.abc import Sequence

import numpy as np

from isthmus.core.random import Seed, generator

FOLDS = 5
#: With fewer queries the first setting is taken as it is: nothing could be learnt from them.
FEW = 10


def folds(queries: int, *, rng: Seed = 0, count: int = FOLDS) -> np.ndarray:
    """The fold (q,) of each query, ``count`` of nearly equal size, at random."""
    return np.asarray(generator(rng).permutation(queries) % count)


def crossfit(values: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, int]:
    """For each query the setting that is best on the other folds, (q,), and the best on all.

    Parameters
    ----------
    values : (q, s) array
        The metric of every query under every setting; ties go to the setting that comes first.
    fold : (q,) integers
        From ``folds``.

    References
    ----------
    Stone, *Cross-validatory choice and assessment of statistical predictions*, JRSS B 1974.

    Examples
    --------
    >>> values = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]] * 4)
    >>> crossfit(values, np.arange(12) % 5)[1]
    1
    """
    best = int(values.mean(axis=0).argmax()) if len(values) >= FEW else 0
    chosen = np.full(len(values), best)
    if len(values) >= FEW:
        for one in np.unique(fold):
            chosen[fold == one] = values[fold != one].mean(axis=0).argmax()
    return chosen, best


def picked(lists: Sequence[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """The ranked documents (q, k) of each query under the setting ``chosen`` (q,) for it."""
    return np.asarray(np.stack(lists)[chosen, np.arange(len(chosen))])
