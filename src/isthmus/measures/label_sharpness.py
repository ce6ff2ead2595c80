r"""Label sharpness: how steeply labels change over a data set."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, take, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import codes

CARD = Card(
    name="label_sharpness",
    summary="Least Lipschitz constant of any function with these labels at these rows.",
    paper=Paper(
        "The Effect of Intrinsic Dataset Properties on Generalization: Unraveling Learning "
        "Differences Between Natural and Medical Images", "Konz & Mazurowski", 2024,
    ),
    cost="n^2 d + n^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "translation"),
    min_rows=4,
    caveat="A maximum has no interval and grows with n: compare data sets of equal n and units.",
)  # fmt: skip


@register(CARD)
def label_sharpness(x: Array, labels: Any) -> Score:
    r"""K_F, the largest change of the label per distance; above 0, per unit of x.

    .. math:: \hat K_F = \max_{i, j} \frac{[\, y_i \ne y_j \,]}{\|x_i - x_j\|}

    One over the distance of the two closest rows of different classes, found exactly. (For two
    classes 0 and 1 the numerator is |y_i - y_j|.) The paper takes the maximum over 1,000 random
    rows; so does ``x[:1000]`` of shuffled rows. ``parts["nearest"]`` (n,) is the distance of every
    row to the closest of another class; ``parts["typical"]`` one over its median, which two
    strange rows do not move.

    Parameters
    ----------
    x : (n, d) array, in the units that distances are meant in
    labels : (n,) integers or strings of at least 2 classes

    Raises
    ------
    InputError
        On non-finite values, equal rows with different labels, labels of other length or one class.

    References
    ----------
    Konz & Mazurowski 2024.

    Examples
    --------
    >>> label_sharpness([[0.0], [1.0], [3.0], [7.0]], [0, 0, 1, 1]).value
    0.5
    """
    x = matrix("x", x, operation="label_sharpness")
    numbers, sizes = codes(labels, x.shape[0], operation="label_sharpness")
    xp = namespace(x)
    wide = xp.astype(x, xp.float64)
    wide = wide - xp.mean(wide, axis=0)
    nearest = np.empty(len(numbers))
    for c in range(len(sizes)):
        rows, rest = np.flatnonzero(numbers == c), np.flatnonzero(numbers != c)
        own, other = (take(wide, i) for i in (rows, rest))
        nearest[rows] = to_numpy(neighbors(own, other, 1)[1])[:, 0]
    if not nearest.all():
        same = np.flatnonzero(nearest == 0)
        raise InputError(
            "label_sharpness",
            f"{len(same)} rows equal to one of another class (first: "
            f"{', '.join(map(str, same[:5]))})",
            "rows that tell their classes apart",
            "Drop rows with contradictory labels.",
        )
    return Score(
        value=float(1 / nearest.min()), method="label_sharpness", n=len(numbers),
        parts={"nearest": nearest, "typical": float(1 / np.median(nearest))},
    )  # fmt: skip
