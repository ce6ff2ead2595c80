r"""CDNV: how wide classes are for the distance between them, and what that allows few shots."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from isthmus.core.arrays import Array, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import class_sums, codes
from isthmus.measures.rows import influence_interval, squares

CARD = Card(
    name="cdnv",
    summary="Variance within classes over the squared distance of their means; 0 is collapsed.",
    paper=Paper("On the Role of Neural Collapse in Transfer Learning", "Galanti et al.", 2022),
    cost="n d",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    min_rows=4,
    caveat="Distances of sample means are a little too long, so the value is low where classes "
    "have few rows a dimension. It is of these classes; another draw of classes moves it more. "
    "Simulated: the interval covers too seldom at 50 rows.",
    rough=(100, 50),
)

#: Rows of a block that stays in cache.
_ROWS = 512


@register(CARD)
def cdnv(x: Array, labels: Any, *, shots: int | None = None) -> Score:
    r"""Class-distance-normalised variance, mean over pairs of classes; 0 collapsed, unbounded.

    .. math:: V_{ij} = \frac{\sigma_i^2 + \sigma_j^2}{2 \|\mu_i - \mu_j\|^2}, \qquad
              \sigma_i^2 = \frac{1}{n_i - 1} \sum_{y_k = i} \|x_k - \mu_i\|^2

    On classes that the encoder has not seen it predicts how well their nearest centroids would
    tell them apart. ``parts["bound"]`` is an upper bound of that error, at most 1, that holds for
    every distribution of rows: with means of s rows a class it is
    4 (g - 1) (1 + s^-½)² times the value, by Markov on (2 |x - μ_i| + |μ̂_i - μ_i| + |μ̂_j - μ_j|)²
    >= |μ_i - μ_j|², Minkowski and Cauchy-Schwarz; ours, for the mean over g balanced classes. With
    ``shots`` None the means are those of the whole classes. ``parts["pairs"]`` (g, g) holds V_ij.
    The interval is the infinitesimal jackknife within classes.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes of at least 2 rows each
    shots : rows a class that the centroids of the bound are the means of, at least 1

    Raises
    ------
    InputError
        On non-finite values, a class of one row, two classes with one mean, labels of other length
        or one class, or shots below 1.

    References
    ----------
    Galanti et al. 2022, "On the Role of Neural Collapse in Transfer Learning".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-1.0, 0], [1, 0], [9, 0], [11, 0]])
    >>> round(cdnv(x, [0, 0, 1, 1]).value, 6)
    0.02
    """
    if shots is not None and not shots >= 1:
        raise InputError("cdnv", f"shots={shots}", "1 or more, or None for whole classes")
    x = matrix("x", x, operation="cdnv")
    numbers, sizes = codes(labels, x.shape[0], operation="cdnv")
    if sizes.min() < 2:
        raise InputError(
            "cdnv", f"{int((sizes < 2).sum())} of {len(sizes)} classes with one row",
            "at least 2 rows a class", "Leave these classes out.",
        )  # fmt: skip
    seen = Classes.of(x, numbers, sizes)
    means, own = seen.means, seen.squares()
    spread = np.bincount(numbers, own) / (sizes - 1)
    apart = np.array([np.sum((means - mean) ** 2, axis=1) for mean in means])
    scale = float(np.trace(means @ means.T)) + float(spread.sum())
    np.fill_diagonal(apart, np.inf)
    if not (apart > 1e-24 * scale).all():
        raise InputError(
            "cdnv",
            f"x {tuple(x.shape)} with {len(sizes)} classes of which two have one mean",
            "classes with means apart",
            "Merge these classes, or look whether the encoder collapsed.",
        )
    pairs = (spread[:, None] + spread) / (2 * apart)
    count = len(sizes) * (len(sizes) - 1) / 2
    value = float(pairs.sum()) / 2 / count
    # dV_ij = dσ_i² / 2D² - V_ij dD² / D², summed over the partners j of class i.
    inverse = 1 / apart
    pull = pairs * inverse
    lean = 2 * (pull.sum(axis=1)[:, None] * means - pull @ means)
    along = np.empty(len(numbers))
    for rows, rest in seen.rests():
        along[rows] = np.einsum("ij,ij->i", rest, lean.astype(rest.dtype)[numbers[rows]])
    change = (inverse.sum(axis=1) / 2)[numbers] * (own - spread[numbers]) - along
    influence = change * (len(numbers) / sizes)[numbers] / count
    error = 4 * (len(sizes) - 1) * (1 + (shots or math.inf) ** -0.5) ** 2 * value
    noise = (spread / sizes)[:, None] + spread / sizes
    hidden = int(np.sum(apart < 3 * noise)) // 2
    warnings: tuple[str, ...] = ()
    if hidden:
        warnings = (
            f"{hidden} of {count:.0f} pairs of class means are as near as sampling alone leaves "
            "them: bring more rows a class",
        )
    return Score(
        value=value, method="cdnv", n=len(numbers), ci=influence_interval(value, [influence]),
        parts={"pairs": pairs, "bound": min(error, 1.0)}, warnings=warnings,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Classes:
    """Rows (n, d) seen from the means of their classes, block by block and in one unit of length.

    Rows in their own precision, sums over them in float64. ``means`` (g, d) are about ``middle``
    (d,), the mean of all rows; ``numbers`` (n,) are the classes.
    """

    x: Array
    numbers: np.ndarray
    means: np.ndarray
    middle: np.ndarray
    unit: float

    @classmethod
    def of(cls, x: Array, numbers: np.ndarray, sizes: np.ndarray) -> Self:
        """Of checked rows and their class numbers; ``sizes`` (g,) are positive."""
        xp = namespace(x)
        peak = max(float(xp.max(x)), -float(xp.min(x))) or 1.0
        # Squares stay within range.
        unit = 1.0 if 1e-12 < peak < 1e12 else peak
        # From one of the rows everything lies near, however far off they all are.
        origin = to_numpy(x[:1, :])[0]
        sums = np.zeros((len(sizes), len(origin)))
        for rows in row_blocks(len(numbers), _ROWS):
            near = x[rows, :] - like(origin, x)
            if unit != 1.0:
                near = near / unit
            sums += class_sums(to_numpy(near), numbers[rows], len(sizes))
        means = sums / sizes[:, None]
        middle = sizes @ means / len(numbers)
        return cls(x, numbers, means - middle, origin + middle * unit, unit)

    def rests(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of rows less the mean of their class, and which rows they are."""
        xp, table = namespace(self.x), like(self.middle + self.means * self.unit, self.x)
        numbers = xp.asarray(self.numbers, device=getattr(self.x, "device", None))
        for rows in row_blocks(len(self.numbers), _ROWS):
            rest = self.x[rows, :] - xp.take(table, numbers[rows], axis=0)
            if self.unit != 1.0:
                rest = rest / self.unit
            yield rows, to_numpy(rest)

    def squares(self) -> np.ndarray:
        """The squared distance of every row from the mean of its class, (n,) float64."""
        return np.concatenate([squares(rest) for _, rest in self.rests()])
