r"""Linear probe: how often a linear classifier names the class of a row it has not seen."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, matrix
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import accuracy, codes, indicators
from isthmus.measures.held_out import predictions
from isthmus.measures.ridge_r2 import ridge_maps

CARD = Card(
    name="linear_probe",
    summary="Held-out accuracy of a ridge classifier of the labels.",
    paper=Paper(
        "Understanding intermediate layers using linear classifier probes", "Alain & Bengio", 2016
    ),
    cost="n d^2",
    memory="n d + d^2",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    min_rows=10,
    caveat="The interval takes hits as independent and the fitted maps as given. A class that "
    "lies between others is hidden from a linear map; the score warns where one is hardly "
    "guessed. Simulated: the interval covers too seldom at 50 rows; the test is conservative at "
    "every size.",
    rough=ALWAYS,
)


@register(CARD)
def linear_probe(x: Array, labels: Any, *, folds: int = 5, rng: Seed = 0) -> Score:
    r"""Share of rows whose class has the largest held-out ridge prediction, 0 to 1.

    .. math:: \frac1n \sum_i [\, y_i = \arg\max_c \hat Y_{ic} \,]

    with Ŷ the ridge regression of the class indicators on x, from the folds that row i is not in;
    penalties are chosen inside each training set, as in ``ridge_r2``. ``chance``, z and p are exact
    over shuffles of the guesses; ``parts["majority"]`` is the share of the largest class, which
    naming it blindly has.
    The interval is Clopper and Pearson's. ``parts["hits"]`` (n,) bool.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes
    folds : number of folds, at least 2 and at most n / 2
    rng : seed of the assignment to folds, which does not depend on the order of rows

    Raises
    ------
    InputError
        On non-finite values, too few rows for the folds, rows that are all equal, labels of other
        length or one class.

    References
    ----------
    Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(90, 5))
    >>> score = linear_probe(x, x[:, 0] + x[:, 1] > 0)
    >>> score.value > 0.85, score.p < 1e-6
    (True, True)
    """
    x = matrix("x", x, operation="linear_probe")
    numbers, sizes = codes(labels, x.shape[0], operation="linear_probe")
    guess = guesses(x, [numbers], folds=folds, rng=rng)[0]
    warnings: tuple[str, ...] = ()
    if sizes.min() < folds:
        warnings = (f"the smallest class has {sizes.min()} rows for {folds} folds",)
    rare = int(np.sum(np.bincount(guess, minlength=len(sizes)) < sizes / 4))
    if rare:
        warnings += (f"{rare} of {len(sizes)} classes are hardly ever guessed",)
    return accuracy(guess, numbers, "linear_probe", warnings)


def guesses(
    x: Array, features: Sequence[np.ndarray], *, folds: int = 5, rng: Seed = 0
) -> list[np.ndarray]:
    """The held-out class (n,) of each row by each feature's own probe, all over the same folds.

    ``features`` are class numbers (n,). The probes share the decompositions of the folds.
    """
    known = [indicators(numbers) for numbers in features]
    ends = np.cumsum([0] + [one.shape[1] for one in known])
    blocks = [slice(low, high) for low, high in pairwise(ends)]
    y, found = np.hstack(known), np.empty((len(features), x.shape[0]), int)

    def fit(moments: Moments, rounding: float) -> np.ndarray:
        totals = np.diag(moments.scatter_yy)
        return ridge_maps(moments, rounding, [(b, float(totals[b].sum())) for b in blocks])

    held = predictions(x, like(y, x), folds, rng, fit, operation="linear_probe", keeps="all")
    for rows, _, rest in held:
        # What is missed is actual minus predicted, and the indicator is known.
        scores = y[rows] - rest
        for one, block in zip(found, blocks, strict=True):
            one[rows] = np.argmax(scores[:, block], axis=1)
    return list(found)
