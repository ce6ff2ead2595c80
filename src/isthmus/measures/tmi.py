r"""TMI: how much the vectors of one class vary, as an entropy."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, take, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import codes
from isthmus.measures.rows import influence_interval

CARD = Card(
    name="tmi",
    summary="Entropy of vectors given their class, from nearest neighbours; the paper's rank of "
    "encoders.",
    paper=Paper(
        "Fast and Accurate Transferability Measurement by Evaluating Intra-class Feature Variance",
        "Xu & Kang", 2023,
    ),
    cost="n^2 d + n^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "translation"),
    min_rows=12,
    caveat="An entropy has units: it rises by d log c when x is multiplied by c, so only spaces "
    "of one width and one scale can be ranked by it. It depends on n, and the interval, which "
    "takes rows as independent though neighbours are not, is around the value at n. Simulated: "
    "the interval hardly ever covers at every size.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def tmi(x: Array, labels: Any, *, k: int = 3) -> Score:
    r"""Differential entropy of x given the class, in nats; unbounded on both sides.

    .. math:: H(X \mid Y) = \sum_c \frac{n_c}{n} \Big( \psi(n_c) - \psi(k) + \log c_d
              + \frac{d}{n_c} \sum_{y_i = c} \log r_k(i) \Big)

    with r_k(i) the Euclidean distance of row i to its k-th neighbour of its own class, c_d the
    volume of the unit ball and ψ the digamma function (Kozachenko & Leonenko 1987). The paper
    takes a large value, classes that have kept their variety, as a promise of transfer. There
    distances are in the maximum norm and those below 1 are raised to 1; neither is done here, so
    that the value follows rotations and has one meaning at all scales.
    ``parts["per_dimension"]`` is the value over d; ``parts["classes"]`` (g,) the entropy of each.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes of more than k rows each
    k : which neighbour, at least 1

    Raises
    ------
    InputError
        On non-finite values, k below 1, a class of k rows or fewer, a row with k equals in its
        class, labels of other length or one class.

    References
    ----------
    Xu & Kang 2023; Kozachenko & Leonenko 1987.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(size=(400, 2))  # of entropy 0
    >>> abs(float(tmi(x, np.arange(400) % 2))) < 0.2
    True
    """
    from scipy.special import digamma

    x = matrix("x", x, operation="tmi")
    numbers, sizes = codes(labels, x.shape[0], operation="tmi", min_rows=CARD.min_rows)
    if k < 1 or sizes.min() <= k:
        raise InputError(
            "tmi",
            f"k={k}, the smallest class of {sizes.min()} rows",
            "1 <= k < rows of a class",
            "Lower k, or bring more rows of that class.",
        )
    xp, d = namespace(x), int(x.shape[1])
    # Equal numbers must stay equal, so the offset goes in float64 and before anything is rounded.
    wide = xp.astype(x, xp.float64)
    wide = wide - xp.mean(wide, axis=0)
    ball = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)
    each = np.empty(len(numbers))
    for c, size in enumerate(sizes):
        rows = np.flatnonzero(numbers == c)
        own = take(wide, rows)
        radius = to_numpy(neighbors(own, own, k, exclude_self=True)[1])[:, -1]
        if not radius.all():
            equal = rows[radius == 0]
            raise InputError(
                "tmi",
                f"{len(equal)} rows with {k} equals in their class "
                f"(first rows: {', '.join(map(str, equal[:5]))})",
                "rows that differ: equal ones have an entropy of minus infinity",
                "Drop duplicates, or raise k.",
            )
        each[rows] = digamma(size) - digamma(k) + ball + d * np.log(radius)
    value = float(each.mean())
    classes = np.bincount(numbers, each) / sizes
    warnings: tuple[str, ...] = ()
    if d > 20:
        warnings = (f"nearest neighbours read an entropy in {d} dims too high; rank alone counts",)
    return Score(
        value=value,
        method="tmi",
        n=len(each),
        # Shares of classes are as given: rows vary within their class only.
        ci=influence_interval(value, [each - classes[numbers]]),
        parts={"per_dimension": value / d, "classes": classes},
        warnings=warnings,
    )
