"""Held out: linear maps judged on rows they have not seen, in one pass over moments of the folds.

Shared by the predictivity measures; holds no method of its own.
"""

from collections.abc import Callable, Iterator
from functools import reduce

import numpy as np

from isthmus.core.arrays import Array, like, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.score import Score
from isthmus.measures.rows import centred, check_varied, jackknife, shuffled

#: From the moments of training rows, and the rounding of one entry, to a map (dx, dy).
Fit = Callable[[Moments, float], np.ndarray]


def predictions(
    x: Array, y: Array, folds: int, rng: Seed, fit: Fit, *, operation: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Row numbers (m,), y minus the training mean (m, dy), and y minus its prediction (m, dy).

    Every row comes once, from the map and the means of the folds that it is not in.
    """
    n = x.shape[0]
    if folds < 2 or n < 2 * folds:
        raise InputError(operation, f"{folds} folds of {n} rows", "2 folds or more, of 2 rows each")
    eps = float(np.finfo(to_numpy(x[:1, :]).dtype).eps)
    # In float32 the scatters of a fold lose digits that a map of many directions needs.
    xp = namespace(x, y)
    wide = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    whole = Moments.of(*wide, keeps="cross")
    check_varied("x", x, np.diag([whole.variance_x]), whole.mean_x, operation=operation)
    check_varied("y", y, np.diag([whole.variance_y]), whole.mean_y, operation=operation)
    held = np.array_split(shuffled(*wide, whole, rng), folds)
    # About one origin, the moments of folds add up without being moved.
    wide = wide[0] - like(whole.mean_x, wide[0]), wide[1] - like(whole.mean_y, wide[1])
    parts = [(_rows(wide[0], rows), _rows(wide[1], rows)) for rows in held]
    seen = [Moments.of(*part, keeps="source") for part in parts]
    for i, (rows, part) in enumerate(zip(held, parts, strict=True)):
        training = reduce(Moments.merge, seen[:i] + seen[i + 1 :])
        w, done = fit(training, eps), 0
        blocks = (centred(part[0], training.mean_x), centred(part[1], training.mean_y))
        for u, v in zip(*blocks, strict=True):
            yield rows[done : done + len(u)], v, v - u @ w
            done += len(u)


def predictivity(x: Array, y: Array, folds: int, rng: Seed, fit: Fit, *, operation: str) -> Score:
    """Held-out R² of y from x; the interval is a jackknife over rows with the maps kept."""
    missed, spread = np.empty(x.shape[0]), np.empty(x.shape[0])
    for rows, v, rest in predictions(x, y, folds, rng, fit, operation=operation):
        missed[rows] = np.einsum("ij,ij->i", rest, rest)
        spread[rows] = np.einsum("ij,ij->i", v, v)
    value = float(1 - missed.sum() / spread.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = 1 - (missed.sum() - missed) / (spread.sum() - spread)
    return Score(
        value=value, method=operation, n=len(missed), ci=jackknife(value, [left_out]), chance=0.0
    )


def _rows(x: Array, rows: np.ndarray) -> Array:
    xp = namespace(x)
    return xp.take(x, xp.asarray(rows, device=getattr(x, "device", None)), axis=0)
