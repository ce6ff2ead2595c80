r"""Mutual k-NN: how many nearest neighbours the rows keep from one space to the other."""

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import Metric, neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mantel import graph_sums, permutation_moments
from isthmus.measures.rows import jackknife, upper_tail

CARD = Card(
    name="mutual_knn",
    summary="Share of the k nearest neighbours that rows keep from one space to the other.",
    paper=Paper("The Platonic Representation Hypothesis", "Huh et al.", 2024, where="eq. 1 and A"),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "row_scale"),
    symmetric=True,
    metric=True,
    identical=1.0,
    min_rows=12,
)

_BLOCK = 4096


@register(CARD)
def mutual_knn(
    x: Array, y: Array | None = None, *, k: int = 10, metric: Metric = "cosine"
) -> Score:
    r"""Mean overlap of the k-nearest-neighbour sets of each row in the two spaces.

    .. math:: s = \frac{1}{nk} \sum_i |N^k_x(i) \cap N^k_y(i)|

    This is overlap / k, not Jaccard. Chance is k / (n - 1). z uses the exact variance of s over all
    permutations of the rows, so hubs and mutual neighbours are accounted for; p is its normal upper
    tail. The interval is the exact delete-one jackknife (each row is taken out of both neighbour
    graphs), which is conservative. ``length`` = 1 - s obeys the metric axioms between neighbour
    assignments. Equal distances are broken by the lower row, and warned about where common.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, at most n - 2
    metric : ``cosine``, ``euclidean`` or ``inner``; the invariances on the card are cosine's

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, or fewer than k + 2 rows.

    References
    ----------
    Huh et al. 2024, "The Platonic Representation Hypothesis"; Mantel 1967 for the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> float(mutual_knn(x, 2 * x[:, ::-1], k=5))
    1.0
    """
    x, y = paired(x, y, operation="mutual_knn")
    n = x.shape[0]
    if not 1 <= k <= n - 2 or n < 4:
        raise InputError("mutual_knn", f"k={k} with {n} rows", "1 <= k <= rows - 2 and 4 rows")
    # One neighbour beyond k steps in when a row is left out.
    found = [neighbors(side, side, k + 1, metric=metric, exclude_self=True) for side in (x, y)]
    near = [to_numpy(indices) for indices, _ in found]
    overlap, gain = _overlap(near[0], near[1], k)
    value = float(overlap.mean() / k)
    mean, spread = permutation_moments(*(graph_sums(side[:, :k]) for side in near))
    z = (n * k * value - mean) / spread if spread > 0 else None
    ci = jackknife(value, [(overlap.sum() - overlap + gain) / (k * (n - 1))])
    return Score(
        value=value,
        method="mutual_knn",
        n=n,
        ci=None if ci is None else (max(ci[0], 0.0), min(ci[1], 1.0)),
        chance=k / (n - 1),
        z=z,
        p=None if z is None else upper_tail(z),
        length=1.0 - value,
        warnings=_warnings(x, y, [to_numpy(distances) for _, distances in found], k, metric),
    )


def _overlap(near_x: np.ndarray, near_y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlap of each row (n,), and what all other rows gain when row m is left out (n,)."""
    n = len(near_x)
    overlap, gain = np.empty(n), np.zeros(n)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        a, b = near_x[rows], near_y[rows]
        same = a[:, :, None] == b[:, None, :]
        in_y, in_x = same[:, :k, :k].any(2), same[:, :k, :k].any(1)
        overlap[rows] = in_y.sum(1)
        next_x = same[:, k, :k].any(1).astype(float)  # x's spare is among y's k
        next_y = same[:, :k, k].any(1).astype(float)
        both = next_x + next_y + same[:, k, k] - 1.0
        # A neighbour on both sides takes one match with it and lets both spares in; a neighbour on
        # one side lets that side's spare in.
        gain += np.bincount(
            np.concatenate([a[:, :k].ravel(), b[:, :k].ravel()]),
            weights=np.concatenate(
                [
                    np.where(in_y, both[:, None], next_x[:, None]).ravel(),
                    np.where(in_x, 0.0, next_y[:, None]).ravel(),
                ]
            ),
            minlength=n,
        )
    return overlap, gain


def _warnings(
    x: Array, y: Array, distances: list[np.ndarray], k: int, metric: str
) -> tuple[str, ...]:
    said = []
    for name, side, distance in (("x", x, distances[0]), ("y", y, distances[1])):
        tied = int((distance[:, k - 1] == distance[:, k]).sum())
        if tied > 0.01 * len(distance):
            said.append(
                f"{name}: {tied} of {len(distance)} rows have ties at the k-th neighbour, broken "
                "by the lower row; duplicate rows make such overlap arbitrary"
            )
        zeros = int((~to_numpy(side).any(axis=1)).sum()) if metric == "cosine" else 0
        if zeros:
            said.append(f"{name}: {zeros} zero vectors have no direction; their cosine counts as 0")
    return tuple(said)
