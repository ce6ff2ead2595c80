"""Pivoted-QR anchors: each the row that the span of those before it reaches least."""

import numpy as np

from isthmus.anchors.greedy import greedy
from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="pivoted_qr",
    summary="Anchors that span the space: pivots of a greedy QR, block after block of full rank.",
    paper=Paper(
        "Linear least squares solutions by Householder transformations", "Businger & Golub", 1965
    ),
    spaces=1,
    invariant=("orthogonal", "row_scale"),
    cost="n d m",
    memory="n d",
    min_rows=1,
)

#: A residual below this is rounding: the anchors span the rows.
_SPANNED = 1e-7


@register(CARD)
def pivoted_qr(x: Array, count: int, *, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors, pivots of a column-pivoted QR of the unit rows.

    a_{j+1} = argmax_i |u_i - P_j u_i|², P_j the projection on the span of a_1 .. a_j: what a
    pivoted Cholesky factorisation of the Gram matrix U Uᵀ picks, from a random first row. Once the
    anchors span all rows, a new block begins with the rows that are left.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at most the number of non-zero rows
    rng : seed or Generator, for the first row of each block, where all residuals are one

    Returns
    -------
    (m,) int64, in the order chosen: its first rows are what a smaller ``count`` gives

    Raises
    ------
    InputError
        When ``count`` exceeds the number of non-zero rows.

    References
    ----------
    Businger & Golub 1965, Linear least squares solutions by Householder transformations.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0]])
    >>> 3 in pivoted_qr(x, 2, rng=0)
    True
    """
    directions, usable = usable_directions(x, count, operation="pivoted-QR anchors")
    rng = generator(rng)
    taken = np.zeros(len(directions), bool)
    chosen: list[int] = []
    while len(chosen) < count:
        # All residuals are one where a block begins.
        first = int(rng.choice(np.flatnonzero(~taken)))
        taken[first] = True
        basis = _Basis(directions)
        residual = 1 - (directions @ basis.extended(first)) ** 2
        chosen += [first]
        chosen += greedy(
            directions, residual, count - len(chosen), taken,
            fold=lambda residual, parts: residual - np.sum(parts**2, axis=1),
            vector=basis.extended,
        )  # fmt: skip
    return usable[chosen]


class _Basis:
    """An orthonormal basis of the span of the rows it was extended by."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._vectors = np.empty((min(rows.shape), rows.shape[1]))
        self._rank = 0

    def extended(self, row: int) -> np.ndarray | None:
        """The new basis vector (d,) that this row brings; None when it lies in the span."""
        known = self._vectors[: self._rank]
        fresh = self._rows[row]
        # Twice is enough: the second pass removes what rounding left of the first.
        for _ in range(2):
            fresh = fresh - (fresh @ known.T) @ known
        length = float(np.linalg.norm(fresh))
        if length < _SPANNED or self._rank == len(self._vectors):
            return None
        self._vectors[self._rank] = fresh / length
        self._rank += 1
        return self._vectors[self._rank - 1]
