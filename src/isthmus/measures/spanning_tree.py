r"""The Euclidean minimum spanning tree of many rows, exactly. Holds no method of its own."""

import numpy as np

from isthmus.core.arrays import Array, namespace, row_blocks, take, to_numpy
from isthmus.core.engine import map_on_cores
from isthmus.core.neighbors import neighbors

#: Neighbours listed for each row; a part of so few rows never has to be searched again.
_LISTED = 8
#: Cells of one block of squared distances.
_CELLS = 1 << 21
#: Entries of differences computed at once, in cache.
_ENTRIES = 1 << 16


def spanning_tree(x: Array) -> tuple[np.ndarray, np.ndarray]:
    r"""Edges and lengths of the tree over the rows of x whose total length is least.

    .. math:: \arg\min_{T} \sum_{(i,j) \in T} |x_i - x_j|

    By Borůvka's rounds: every part but the largest is joined to the row outside it that is nearest,
    until one part is left. Most rows find theirs in their list of nearest neighbours. A row whose
    neighbours all lie in its own part has none outside that is nearer than the last of them, so
    only where that is no further than the part's best edge is the row searched again, against all
    rows outside. Edges go by (length, lower row, higher row): with ties too there is one such tree,
    in which copies of a row hang on the lowest of them.

    Parameters
    ----------
    x : (n, d) array, finite, at least 2 rows

    Returns
    -------
    edges : (n - 1, 2) int64, the lower row first; by length, ties by rows
    lengths : (n - 1,) float64, from differences in float64

    References
    ----------
    Borůvka 1926; Nešetřil et al. 2001 in English.

    >>> edges, lengths = spanning_tree(np.array([[0.0], [5.0], [1.0], [3.0]]))
    >>> edges.tolist(), lengths.tolist()
    ([[0, 2], [1, 3], [2, 3]], [1.0, 2.0, 2.0])
    """
    xp = namespace(x)
    x = xp.astype(x, xp.float64)
    # A power of two, by which dividing loses no digit: squares of 1e200 stay finite.
    scale = 2.0 ** (int(np.frexp(float(xp.max(xp.abs(x))))[1]) - 1)
    x = x / scale
    lowest = _lowest_copy(to_numpy(x))
    each = np.arange(len(lowest))
    kept, copies = np.flatnonzero(lowest == each), np.flatnonzero(lowest != each)
    edges, lengths = _joined(x if len(kept) == len(each) else take(x, kept))
    edges = np.concatenate([kept[edges], np.column_stack([lowest[copies], copies])])
    lengths = np.concatenate([lengths, np.zeros(len(copies))])
    order = np.lexsort((edges[:, 1], edges[:, 0], lengths))
    return edges[order], lengths[order] * scale


def _lowest_copy(x: np.ndarray) -> np.ndarray:
    """For every row of x (n, d) the number of the lowest row that is equal to it, (n,)."""
    if len(np.unique(x.sum(axis=1))) == len(x):  # as equal rows have equal sums
        return np.arange(len(x))
    _, first, back = np.unique(x, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[back.reshape(-1)])


def _joined(x: Array) -> tuple[np.ndarray, np.ndarray]:
    """Edges (n - 1, 2), lower row first, and lengths (n - 1,) of the tree of distinct rows."""
    rows, n = _Rows(to_numpy(x)), int(x.shape[0])
    if n == 1:
        return np.empty((0, 2), np.int64), np.empty(0)
    found, apart = (
        np.array(to_numpy(one)) for one in neighbors(x, x, min(_LISTED, n - 1), exclude_self=True)
    )
    sure = rows.sure(apart[:, -1])
    each, part = np.arange(n), np.arange(n)
    edges: list[tuple[int, int]] = []
    lengths: list[float] = []
    while len(edges) < n - 1:
        outside = part[found] != part[:, None]
        first = outside.argmax(axis=1)
        near, length = found[each, first], np.where(outside.any(axis=1), apart[each, first], np.inf)
        best = np.full(n, np.inf)
        np.minimum.at(best, part, length)
        joins = part != np.bincount(part).argmax()
        again = np.flatnonzero(joins & (sure < length) & (sure <= best[part]))
        if len(again):
            near[again], length[again] = rows.nearest_outside(again, part)
            # It stays the nearest while it is outside; after that, none outside is nearer.
            found[again], apart[again] = near[again, None], length[again, None]
            sure[again] = length[again]
        low, high = np.minimum(each, near), np.maximum(each, near)
        order = np.lexsort((high, low, length))
        order = order[joins[order]]
        _, best_of_part = np.unique(part[order], return_index=True)
        for i in order[np.sort(best_of_part)]:
            if part[i] != part[near[i]]:  # two parts may choose the same edge
                edges.append((low[i], high[i]))
                lengths.append(length[i])
                part[part == part[near[i]]] = part[i]
    return np.array(edges, np.int64), np.array(lengths)


class _Rows:
    """Rows (n, d) in float64, and about their mean, where a product loses fewest digits."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.middle = x, x - x.mean(axis=0)
        self.size = np.sqrt(np.einsum("ij,ij->i", self.middle, self.middle))
        #: Squared distances by a product are off by less than so many (|x_i| + |x_j|)².
        self.rounding = 2 * (x.shape[1] + 8) * np.finfo(float).eps

    def sure(self, last: np.ndarray) -> np.ndarray:
        """What no unlisted row is nearer than, (n,), where lists end at ``last`` (n,).

        Of very many rows level up to the rounding of products, a search lists the lower ones.
        """
        blur = 4 * self.rounding * (self.size + np.maximum(self.size, last)) ** 2
        return np.asarray(np.sqrt(np.maximum(last * last - blur, 0.0)))

    def lengths(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Distances of the rows i (p,) from the rows j (p,), from differences, (p,)."""
        out = np.empty(len(i))
        for pairs in row_blocks(len(i), max(1, _ENTRIES // self.x.shape[1])):
            gap = self.x[i[pairs]] - self.x[j[pairs]]
            out[pairs] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
        return out

    def nearest_outside(self, rows: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest row of another part for each of ``rows`` (r,), and how far it is, (r,) each.

        A product proposes, and all that its rounding leaves in question are measured.
        """
        longest = float(self.size.max())

        def work(block: slice) -> tuple[np.ndarray, np.ndarray]:
            asked = rows[block]
            square = self.middle[asked] @ self.middle.T
            square *= -2
            square += self.size[asked, None] ** 2
            square += self.size**2
            square[part[asked, None] == part] = np.inf
            bound = self.lengths(asked, square.argmin(axis=1))
            reach = self.size[asked] + np.minimum(longest, self.size[asked] + bound)
            i, j = np.nonzero(square <= (bound**2 + self.rounding * reach**2)[:, None])
            apart = self.lengths(asked[i], j)
            first = np.lexsort((j, apart, i))[np.unique(i, return_index=True)[1]]
            return j[first], apart[first]

        blocks = list(row_blocks(len(rows), max(1, _CELLS // len(part))))
        near, apart = zip(*map_on_cores(work, blocks, self.x), strict=True)
        return np.concatenate(near), np.concatenate(apart)
