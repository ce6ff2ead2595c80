r"""Topological RSA: do two spaces agree on which rows are near, far, and how far in between?"""

from collections.abc import Sequence

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, namespace, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rdm import Dissimilarities, Distance, RowSums, over_pairs
from isthmus.measures.rows import upper_tail

CARD = Card(
    name="trsa",
    summary="Correlation of the distances between rows, the smallest and the largest levelled.",
    paper=Paper("The Topology and Geometry of Neural Representations", "Lin & Kriegeskorte", 2023),
    cost="n^2 d + n^2",
    memory="n d",
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
    The quantiles are exact, and found like the sums a block of distances at a time,
    in two passes of up to 2900 rows and in three or four beyond.

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
    xp, n = namespace(x, y), x.shape[0]
    sides = [
        Dissimilarities(name, side, operation="trsa", distance=distance)
        for name, side in (("x", x), ("y", y))
    ]
    ends = [_ends(name, d, lower, upper) for name, d in zip(("x", "y"), sides, strict=True)]

    def sums_of(
        squared: Sequence[Array], rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        one, two = (
            xp.clip(((xp.sqrt(held) if sides[0].rooted else held) - low) / (high - low), 0.0, 1.0)
            for held, (low, high) in zip(squared, ends, strict=True)
        )
        at_ends = [xp.astype(held == end, held.dtype) for held in (one, two) for end in (0, 1)]
        blocks = (one, one * one, two, two * two, one * two, *at_ends)
        down, across = ([to_numpy(xp.sum(m, axis=i)) for m in blocks] for i in (1, 0))
        return np.stack(down), np.stack(across)

    found = over_pairs(sides, sums_of, np.zeros((9, n)))
    sums = RowSums(*found[:5])
    value = sums.correlation()
    # Where few entries differ from the rest, they alone decide, and z is far from normal.
    clipped = found[5:].sum(axis=1) - [n, 0, n, 0]  # the diagonals are at 0
    rare = bool(max(clipped) > _ALIKE * n * (n - 1))
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
    check_rows(3, operation="trsa", x=x.shape)
    full = np.zeros((x.shape[0], x.shape[0]))
    d = Dissimilarities("x", x, operation="trsa", distance=distance)
    low, high = _ends("x", d, lower, upper)
    full[np.triu_indices(len(full), 1)] = np.clip((d.condensed() - low) / (high - low), 0.0, 1.0)
    return full + full.T


def _ends(name: str, d: Dissimilarities, lower: float, upper: float) -> tuple[float, float]:
    """The quantiles of the distances, between the order statistics on either side of each."""
    if not 0 <= lower < upper <= 1:
        raise InputError("trsa", f"lower={lower}, upper={upper}", "0 <= lower < upper <= 1")
    n = d.rows.shape[0]
    last = n * (n - 1) // 2 - 1
    places = [share * last for share in (lower, upper)]
    ranks = [min(int(place) + step, last) for place in places for step in (0, 1)]
    held = d.order_statistics(ranks)
    low, high = (
        float(held[2 * i] + (place % 1) * (held[2 * i + 1] - held[2 * i]))
        for i, place in enumerate(places)
    )
    if not high - low > 1e-9 * high:
        raise InputError(
            "trsa",
            f"{name} whose distances at quantiles {lower} and {upper} are equal",
            "distances that vary",
            "Drop duplicate rows, or set lower and upper further apart.",
        )
    return low, high
