"""Held out: linear maps judged on rows they have not seen, in one pass over moments of the folds.

Shared by the predictivity measures; holds no method of its own.
"""

from collections.abc import Callable, Iterator

import numpy as np

from isthmus.core.arrays import Array, like, namespace, row_blocks, take, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Keeps, Moments
from isthmus.core.random import Seed
from isthmus.core.score import Score
from isthmus.measures.rows import (
    BLOCK,
    Spread,
    centred,
    check_varied,
    compact,
    in_range,
    jackknife,
    squares,
)

#: The rounding of the moments themselves, which are float64.
EPS = float(np.finfo(np.float64).eps)

#: From the moments of training rows, and the ``rounding_of`` x, to a map (dx, dy).
Fit = Callable[[Moments, float], np.ndarray]


def rounding_of(x: Array, about: Spread | Moments) -> float:
    """The most that rounding of entries can make of x (n, d) along a direction, a sum of squares.

    ``about`` holds the mean and variance of x. Columns round at their own size, so a small column
    beside a large one is no rounding.
    """
    eps = float(np.finfo(to_numpy(x[:1, :]).dtype).eps)
    return eps**2 * (x.shape[0] * float((about.mean_x**2).max()) + about.variance_x)


def predictions(
    x: Array,
    y: Array,
    folds: int,
    rng: Seed,
    fit: Fit,
    *,
    operation: str,
    keeps: Keeps = "source",
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Row numbers (m,), y minus the training mean (m, dy), and y minus its prediction (m, dy).

    Every row comes once, from the map and the means of the folds that it is not in. ``keeps`` says
    what the moments keep that ``fit`` is given.
    """
    n = x.shape[0]
    if folds < 2 or n < 2 * folds:
        raise InputError(
            operation, f"{folds} folds of {n} rows: x {tuple(x.shape)}, y {tuple(y.shape)}",
            "2 folds or more, of 2 rows each", "Bring more rows, or take fewer folds.",
        )  # fmt: skip
    spread = Spread.of(x, y)
    check_varied("x", x, np.diag([spread.variance_x]), spread.mean_x, operation=operation)
    check_varied("y", y, np.diag([spread.variance_y]), spread.mean_y, operation=operation)
    rounding = rounding_of(x, spread)
    held, mean = np.array_split(spread.shuffled(rng), folds), spread.mean_x
    if n < len(mean):
        x, mean = compact(_rows(x, np.arange(n), mean)), np.zeros(n)
    parts = [(_rows(x, rows, mean), _rows(y, rows, spread.mean_y)) for rows in held]
    seen = [Moments.of(*part, keeps=keeps) for part in parts]
    for i, (rows, part) in enumerate(zip(held, parts, strict=True)):
        first, *others = seen[:i] + seen[i + 1 :]
        training = first.merge(*others)
        w = fit(training, rounding)
        near, shift = to_numpy(part[0]), training.mean_x @ w
        for block, v in zip(
            row_blocks(len(rows), BLOCK), centred(part[1], training.mean_y), strict=True
        ):
            rest = near[block] @ w
            np.subtract(v, rest, out=rest)
            rest += shift
            yield rows[block], v, rest


def predictivity(x: Array, y: Array, folds: int, rng: Seed, fit: Fit, *, operation: str) -> Score:
    """Held-out R² of y from x; the interval is a jackknife over rows with the maps kept."""
    (x,), (y,) = in_range(x), in_range(y)
    y, missed, spread = compact(y), np.empty(x.shape[0]), np.empty(x.shape[0])
    for rows, v, rest in predictions(x, y, folds, rng, fit, operation=operation):
        missed[rows], spread[rows] = squares(rest), squares(v)
    value = float(1 - missed.sum() / spread.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = 1 - (missed.sum() - missed) / (spread.sum() - spread)
    return Score(
        value=value, method=operation, n=len(missed), ci=jackknife(value, [left_out]), chance=0.0
    )


def _rows(x: Array, rows: np.ndarray, mean: np.ndarray) -> Array:
    """These rows less the mean of all, in float64.

    In float32 the scatters of a fold lose digits that a map of many directions needs; and about
    one origin the moments of folds add up without being moved.
    """
    xp = namespace(x)
    taken = xp.astype(take(x, rows), xp.float64)
    taken -= like(mean, taken)
    return taken
