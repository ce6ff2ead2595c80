r"""CKNNA: kernel alignment over the neighbours that two spaces share."""

import numpy as np

from isthmus.core.arrays import Array, row_blocks, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mantel import permutation_moments
from isthmus.measures.neighbour_lists import Lists, neighbour_lists, weighted_sums
from isthmus.measures.rows import jackknife, upper_tail

CARD = Card(
    name="cknna",
    summary="Centred kernel alignment restricted to nearest neighbours that both spaces share.",
    paper=Paper("The Platonic Representation Hypothesis", "Huh et al.", 2024),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "row_scale"),
    symmetric=True,
    identical=1.0,
    min_rows=12,
    caveat="Leaving a row out changes whole lists of neighbours, so the jackknife reads more than "
    "the standard error. Simulated: the interval covers too often at every size.",
    rough=ALWAYS,
)

#: Entries of one block of rows gathered for products, and of list-against-list comparisons.
_ENTRIES = 2**18


@register(CARD)
def cknna(x: Array, y: Array | None = None, *, k: int = 10) -> Score:
    r"""Centred kernel nearest-neighbour alignment of the rows' directions.

    .. math:: s = \frac{a(x, y)}{\sqrt{a(x, x)\, a(y, y)}}, \qquad
              a(x, y) = \sum_i \sum_{j \in N_x(i) \cap N_y(i)} c^x_{ij} c^y_{ij}, \qquad
              c^x_{ij} = \langle u_i, u_j \rangle - \frac{1}{n} \sum_l \langle u_i, u_l \rangle

    with u_i = x_i / |x_i|, as the paper's features are, and N(i) the k nearest neighbours of row i
    by cosine. With all pairs in the sum this is CKA; with few neighbours it looks at local
    structure only. |s| <= 1 by Cauchy-Schwarz. Nothing is added to the denominator: it is zero only
    where all directions are equal, which is refused. (The authors' program instead takes the
    unbiased HSIC of the masked kernels, and adds 1e-6, so that its values depend on scale.)

    The sum is of Mantel's form, so chance and z are exact over all permutations of the rows; p is
    the normal upper tail. The interval is the delete-one jackknife over neighbour lists, with the
    mean direction held fixed. Without z and p where rows tie, as in ``mutual_knn``.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, at most n - 2

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, fewer than k + 2 rows, or rows of one direction.

    References
    ----------
    Huh et al. 2024, "The Platonic Representation Hypothesis", appendix; Mantel 1967.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(float(cknna(x, 2 * x[:, ::-1], k=5)), 9)
    1.0
    """
    lists, x, y = neighbour_lists(x, y, k, "cosine", operation="cknna")
    n = lists.n
    kernels = []
    for name, side, near in (("x", x, lists.x), ("y", y, lists.y)):
        kernel = _centred(to_numpy(side), near)
        if not (kernel[:, :k] ** 2).sum() > n * k * (8 * np.finfo(np.float64).eps) ** 2:
            raise InputError(
                "cknna", f"{name} whose {n} rows all have one direction", "directions that vary",
                "Look at how these vectors were made: the encoder may have collapsed.",
            )  # fmt: skip
        kernels.append(kernel)
    own, gain = _terms(lists, *kernels)
    total = own.sum(axis=0)
    value = _alignment(total[None])[0]
    ci = jackknife(value, [_alignment(total - own + gain)])
    mean, spread = permutation_moments(
        *(
            weighted_sums(near[:, :k], kernel[:, :k])
            for near, kernel in zip((lists.x, lists.y), kernels, strict=True)
        )
    )
    z = float(total[0] - mean) / spread if spread > 0 and not lists.tied else None
    return Score(
        value=float(value),
        method="cknna",
        n=n,
        ci=ci,
        chance=float(mean / np.sqrt(total[1] * total[2])),
        z=z,
        p=None if z is None else upper_tail(z),
        warnings=lists.warnings,
    )


def _alignment(sums: np.ndarray) -> np.ndarray:
    """The value from rows of a(x, y), a(x, x), a(y, y)."""
    return np.asarray(sums[:, 0] / (np.sqrt(sums[:, 1]) * np.sqrt(sums[:, 2])))


def _centred(x: np.ndarray, near: np.ndarray) -> np.ndarray:
    """c_ij of each row with its neighbours, (n, k + 1): <u_i, u_j - mean u>."""
    rows = unit(x)
    shifted = rows - rows.mean(axis=0)

    def work(part: slice) -> np.ndarray:
        return np.einsum("id,ijd->ij", rows[part], shifted[near[part]])

    parts = list(row_blocks(len(x), max(1, _ENTRIES // (near.shape[1] * x.shape[1]))))
    return np.concatenate(list(map_on_cores(work, parts, x)))


def _terms(lists: Lists, cx: np.ndarray, cy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's terms of a(x, y), a(x, x), a(y, y), (n, 3); and what all other rows' terms gain
    when row m is left out of both graphs, (n, 3).
    """  # noqa: D205
    n, k = lists.n, lists.k
    own, gain = np.empty((n, 3)), np.zeros((n, 3))
    own[:, 1], own[:, 2] = (cx[:, :k] ** 2).sum(axis=1), (cy[:, :k] ** 2).sum(axis=1)
    for column, near, c in ((1, lists.x, cx), (2, lists.y, cy)):
        change = c[:, k:] ** 2 - c[:, :k] ** 2
        gain[:, column] = np.bincount(near[:, :k].ravel(), weights=change.ravel(), minlength=n)

    def work(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        a, b = lists.x[rows], lists.y[rows]
        same = a[:, :, None] == b[:, None, :]
        shared = same * cx[rows, :, None] * cy[rows, None, :]
        both, only_x = shared.sum(axis=(1, 2)), shared[:, :, :k].sum(axis=(1, 2))
        only_y, now = shared[:, :k].sum(axis=(1, 2)), shared[:, :k, :k].sum(axis=(1, 2))
        gone = np.zeros(n)
        for p in range(k + 1):
            # Whoever leaves a list lets the one beyond k in; and takes its own match along.
            in_y = same[:, p, :k].any(axis=1)
            first = only_x if p < k else now
            second = both - shared[:, p].sum(axis=1) if p < k else only_y
            less = np.where(in_y, second, first) - now
            gone += np.bincount(a[:, p], weights=less, minlength=n)
            if p < k:
                less = np.where(same[:, :, p].any(axis=1), 0.0, only_y - now)
                gone += np.bincount(b[:, p], weights=less, minlength=n)
        return now, gone

    parts = list(row_blocks(n, max(1, _ENTRIES // (k + 1) ** 2)))
    for rows, (now, gone) in zip(parts, map_on_cores(work, parts, cx), strict=True):
        own[rows, 0] = now
        gain[:, 0] += gone
    return own, gain
