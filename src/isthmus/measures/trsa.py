r"""Topological RSA: do two spaces agree on which rows are near, far, and how far in between?"""

import numpy as np

from isthmus.core.arrays import Array, matrix, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rdm import Dissimilarities, Distance, RowSums
from isthmus.measures.rows import upper_tail

CARD = Card(
    name="trsa",
    summary="Correlation of the distances between rows, the smallest and the largest levelled.",
    paper=Paper("The Topology and Geometry of Neural Representations", "Lin & Kriegeskorte", 2023),
    cost="n^2 d + n^2",
    memory="n^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
)


#: The share of distances at one end above which there is no test: of 400 pairs of unrelated
#: Gaussians of 30 rows, 5 % had p < 0.01 at lower=0.9, upper=1.
_ALIKE = 0.85


@register(CARD)
def trsa(
    x: Array,
    y: Array | None = None,
    *,
    lower: float = 0.2,
    upper: float = 0.8,
    distance: Distance = "euclidean",
) -> Score:
    r"""Pearson's correlation of the two geo-topological matrices over all pairs of rows.

    .. math:: g(\delta) = \min\{1, \max\{0, (\delta - q_l) / (q_u - q_l)\}\}

    with q_l and q_u the quantiles ``lower`` and ``upper`` of a space's own distances, so that
    neither the scale of a space nor the other one moves its thresholds. Distances below q_l are
    taken for noise, those above q_u for merely far; 0 and 1 leave RSA.

    z uses the exact variance over all permutations of the rows, p its normal upper tail. The
    interval leaves one row out at a time with the thresholds held, which at 60 rows reads up to an
    eighth short of choosing them anew. Without z and p where nearly all distances of a side are
    clipped to one end. ``length`` = sqrt(2 - 2 r).
    Holds the n (n - 1) / 2 distances of both sides, for their quantiles.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    lower, upper : quantiles, 0 <= lower < upper <= 1
    distance : as for ``rsa``; the invariances on the card are ``euclidean``'s

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, rows all equal, thresholds out
        of order, or so many equal distances that both thresholds fall on one.

    References
    ----------
    Lin & Kriegeskorte 2023 (the family of piecewise linear transforms); Mantel 1967.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(float(trsa(x, 2 * x[:, ::-1] + 1)), 9)
    1.0
    """
    x, y = paired(x, y, operation="trsa", min_rows=4)
    sides = [_clipped(name, side, lower, upper, distance) for name, side in (("x", x), ("y", y))]
    sums = RowSums.of_condensed(sides[0], sides[1], x.shape[0])
    value = sums.correlation()
    # Where few entries differ from the rest, they alone decide, and z is far from normal.
    rare = any(max(np.mean(side == 0), np.mean(side == 1)) > _ALIKE for side in sides)
    z = None if rare else sums.standardised()
    return Score(
        value=value,
        method=CARD.name,
        n=sums.n,
        ci=sums.interval(value),
        chance=0.0,
        z=z,
        p=None if z is None else upper_tail(z),
        length=float(np.sqrt(2 - 2 * value)),
        warnings=(f"over {_ALIKE:.0%} of distances clipped to one end: no test",) if rare else (),
    )


def geo_topological_rdm(
    x: Array, lower: float = 0.2, upper: float = 0.8, *, distance: Distance = "euclidean"
) -> np.ndarray:
    """Distances between the rows of x, (n, n) in 0..1: 0 below one quantile, 1 above the other.

    Raises InputError as ``trsa`` does.

    >>> geo_topological_rdm(np.array([[0.0], [1.0], [5.0]]), 0, 0.5)[0].tolist()
    [0.0, 0.0, 1.0]
    """
    x = matrix("x", x, operation="trsa")
    if x.shape[0] < 3:
        raise InputError("trsa", f"{x.shape[0]} rows", "at least 3 rows")
    full = np.zeros((x.shape[0], x.shape[0]))
    full[np.triu_indices(len(full), 1)] = _clipped("x", x, lower, upper, distance)
    return full + full.T


def _clipped(name: str, x: Array, lower: float, upper: float, distance: Distance) -> np.ndarray:
    if not 0 <= lower < upper <= 1:
        raise InputError("trsa", f"lower={lower}, upper={upper}", "0 <= lower < upper <= 1")
    entries = Dissimilarities(name, x, operation="trsa", distance=distance).condensed()
    low, high = np.quantile(entries, [lower, upper])
    if not high - low > 1e-9 * high:
        raise InputError(
            "trsa",
            f"{name} whose distances at quantiles {lower} and {upper} are equal",
            "distances that vary",
            "Drop duplicate rows, or set lower and upper further apart.",
        )
    return np.clip((entries - low) / (high - low), 0.0, 1.0)
