"""Matching rows of two spaces brought into one: nearest neighbours free of hubs, by CSLS.

``best_matches`` is the fast search, for rounds among thousands of rows; ``mutual_partners`` the
exact one, which also says how sure each pair is.
"""

from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import row_blocks
from isthmus.core.neighbors import neighbors

#: Rows of one block of similarities.
_BLOCK = 512
#: Groups whose maxima stand for the rows when the nearest ones are averaged.
_GROUPS = 256
#: Neighbours that a row's crowding is the mean of (Lample et al. 2018).
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Partners:
    """Mutual nearest neighbours: rows i and j (p,), and the confidence in each pair (p,)."""

    i: np.ndarray
    j: np.ndarray
    confidence: np.ndarray


def mutual_matches(
    a: np.ndarray, b: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows i, j that are each other's ``best_matches``, and how good these are, (p,) each."""
    best_b, best_a, score = best_matches(a, b, neighbours=neighbours)
    i = np.flatnonzero(best_a[best_b] == np.arange(len(a)))
    return i, best_b[i], score[i]


def best_matches(
    a: np.ndarray, b: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Every row's best of the other side by similarity less crowding.

    CSLS(x, y) = 2 cos(x, y) - r(x) - r(y) with r the mean cosine to the nearest rows of the other
    side, so a hub that lies near everything is nobody's best. The nearest rows are sought among the
    maxima of at most 256 interleaved groups of rows, which costs no sort and misses only rows that
    share a group with a nearer one.

    Parameters
    ----------
    a, b : (n, d), (m, d) float32 of unit rows
    neighbours : how many rows crowding is averaged over

    Returns
    -------
    of_a : (n,) row of b for every row of a
    of_b : (m,) row of a for every row of b
    score : (n,) CSLS of every row of a with its best

    References
    ----------
    Lample et al. 2018, Word translation without parallel data.
    """
    n, m = len(a), len(b)
    blocks = list(row_blocks(n, _BLOCK))
    room = np.empty((min(n, _BLOCK), m), np.float32)
    crowd_a = np.empty(n, np.float32)
    tops = []
    for rows in blocks:
        s = np.matmul(a[rows], b.T, out=room[: rows.stop - rows.start])
        crowd_a[rows] = _mean_of_largest(_group_maxima(s), neighbours)
        tops.append(_group_maxima_down(s, max(1, -(-len(s) * _GROUPS // n))))
    crowd_b = _mean_of_largest(np.concatenate(tops).T, neighbours)
    # Two more columns make CSLS an inner product: a second product costs no more than fetching
    # the similarities of the first from memory and taking the crowding off would.
    left = np.c_[2 * a, -crowd_a, np.ones(n, np.float32)]
    right = np.c_[b, np.ones(m, np.float32), -crowd_b]
    of_a, score = np.empty(n, np.int64), np.empty(n, np.float32)
    of_b, score_b = np.zeros(m, np.int64), np.full(m, -np.inf, np.float32)
    for rows in blocks:
        s = np.matmul(left[rows], right.T, out=room[: rows.stop - rows.start])
        of_a[rows] = s.argmax(axis=1)
        score[rows] = s[np.arange(len(s)), of_a[rows]]
        high = s.max(axis=0)
        better = np.flatnonzero(high > score_b)
        of_b[better] = rows.start + s[:, better].argmax(axis=0)
        score_b[better] = high[better]
    return of_a, of_b, score


def mutual_partners(a: np.ndarray, b: np.ndarray, *, neighbours: int = 10) -> Partners:
    r"""Rows of a (n, e) and b (m, e) that are each other's nearest by CSLS, with confidences.

    The CSLS of ``best_matches``, with inner products for cosines, by an exact search that also
    gives the k best of every row. The confidence is P(j | i) P(i | j), softmaxes of CSLS over the k
    best on either side; their temperature is the median lead of a best over a second.
    """
    k = min(neighbours, len(a), len(b))
    near_b = neighbors(a, b, k, metric="inner")[1].mean(axis=1)
    near_a = neighbors(b, a, k, metric="inner")[1].mean(axis=1)
    # One more column makes CSLS, but for what is the same for all of a row's candidates, an inner
    # product: the exact search does the rest.
    to_b, score_b = neighbors(
        np.c_[2 * a, np.ones(len(a))], np.c_[b, -near_a], k, metric="inner"
    )  # fmt: skip
    to_a, score_a = neighbors(
        np.c_[2 * b, np.ones(len(b))], np.c_[a, -near_b], k, metric="inner"
    )  # fmt: skip
    i = np.flatnonzero(to_a[to_b[:, 0], 0] == np.arange(len(a)))
    j = to_b[i, 0]
    return Partners(i, j, _certainty(score_b)[i] * _certainty(score_a)[j])


def _group_maxima(s: np.ndarray) -> np.ndarray:
    """Maxima of every row of s (r, m) over groups of columns, (r, groups)."""
    r, m = s.shape
    groups = min(m, _GROUPS)
    whole = m // groups * groups
    best: np.ndarray = s[:, :whole].reshape(r, -1, groups).max(axis=1)
    np.maximum(best[:, : m - whole], s[:, whole:], out=best[:, : m - whole])
    return best


def _group_maxima_down(s: np.ndarray, groups: int) -> np.ndarray:
    """Maxima of every column of s (r, m) over groups of rows, (groups, m)."""
    return np.stack([s[g::groups].max(axis=0) for g in range(min(groups, len(s)))])


def _mean_of_largest(values: np.ndarray, k: int) -> np.ndarray:
    k = min(k, values.shape[1])
    top: np.ndarray = np.partition(values, values.shape[1] - k, axis=1)[:, -k:].mean(axis=1)
    return top


def neighbour_means(a: np.ndarray, b: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """Mean of ``values`` (m, v) over the k rows of b nearest by inner product to each row of a."""
    from scipy.sparse import csr_array

    k = min(k, len(b))
    out = np.empty((len(a), values.shape[1]), values.dtype)
    for rows in row_blocks(len(a), _BLOCK):
        near = _largest(a[rows] @ b.T, k)
        # A sparse product sums the rows where they lie; fetching k of them first takes ten times
        # as long.
        share, ends = np.full(near.size, 1 / k, values.dtype), np.arange(0, near.size + 1, k)
        out[rows] = csr_array((share, near.ravel(), ends), shape=(len(near), len(b))) @ values
    return out


def _largest(s: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest of every row of s (r, m), in no order: exact, but for ties.

    They lie in the k groups of columns with the largest maxima, and maxima are cheap.
    """
    r, m = s.shape
    groups = m // 16
    if groups <= 2 * k:
        return np.argpartition(s, m - k, axis=1)[:, m - k :]
    whole = 16 * groups
    high = s[:, :whole].reshape(r, 16, groups).max(axis=1)
    best = np.argpartition(high, groups - k, axis=1)[:, groups - k :]
    members = (best[:, :, None] + groups * np.arange(16)).reshape(r, -1)
    if whole < m:
        members = np.concatenate([members, np.tile(np.arange(whole, m), (r, 1))], axis=1)
    values = np.take_along_axis(s, members, axis=1)
    top = np.argpartition(values, values.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(members, top, axis=1)


def _certainty(scores: np.ndarray) -> np.ndarray:
    """Softmax share (n,) of the best among the k best scores (n, k), best first."""
    if scores.shape[1] == 1:
        return np.ones(len(scores))
    lead = float(np.median(scores[:, 0] - scores[:, 1]))
    scaled = np.exp((scores - scores[:, :1]) / max(lead, 1e-12))
    shares: np.ndarray = 1 / scaled.sum(axis=1)
    return shares
