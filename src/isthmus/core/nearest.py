"""The search behind ``neighbors``: propose by a float32 product, prove, refine in float64.

A float32 matrix product proposes a few more candidates than asked for; the distances of those that
rounding leaves in question are computed anew from differences in float64 and sorted, ties by lower
row. A bound on the rounding of the product proves for each row that no other row can belong among
its neighbours; where it does not, the row is searched again in float64. Rows searched among
themselves need half of the products, as each serves both of its rows. Blocks run in as many threads
as a product may take, so that selection and refinement keep up with the products.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, is_numpy, like, namespace, row_blocks, to_numpy
from isthmus.core.engine import map_on_cores

#: Cells of one block of scores, which stays in cache until it is searched, and its base rows.
_CELLS = 1 << 22
_PANEL = 1 << 14
#: Columns of one group: the nearest rows lie in the groups with the largest maxima.
_GROUP = 16
#: Entries of differences computed at once, in cache.
_ENTRIES = 1 << 16
#: Candidates beyond k, so that float32 rounding rarely leaves a neighbour in question.
_SPARE = 8
#: Rows that tie up to float64 rounding: beyond so many, the lower ones are taken.
_TIED = 128


def search(
    q: np.ndarray, b: np.ndarray, k: int, *, kind: Array, metric: str, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n, k) and costs (n, k) as ``neighbors`` gives them, for checked finite arrays.

    Squares of the entries must stay within float64. Products run in the namespace and on the device
    of ``kind``.
    """
    side_q, side_b = _sides(q, b, metric)
    n, m = len(q), len(b)
    # A row may be found as its own neighbour, and is then dropped.
    wanted = min(k + exclude_self + _SPARE, m)
    base = side_b.coarse()
    if side_q is not side_b:
        propose = _proposer(kind, side_q.coarse(), base, wanted)
    elif is_numpy(kind):
        propose = _among(base, wanted)
    else:
        propose = _proposer(kind, base, base, wanted)

    def work(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Neighbours and costs of these queries, and the numbers of those not proved."""
        found, scores = propose(rows)
        order = np.argsort(found, axis=1)
        found = np.take_along_axis(found, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1).astype(np.float64)
        numbers = np.arange(rows.start, rows.stop)
        last = scores.min(axis=1)
        if exclude_self:
            scores[found == numbers[:, None]] = -np.inf
        least = np.partition(scores, wanted - k, axis=1)[:, wanted - k]
        least -= 2 * _rounding(side_q, side_b, numbers, least, np.float32, metric)
        near = _refine(side_q, side_b, numbers, found, scores >= least[:, None], k, metric)
        return *near, numbers[last >= least] if wanted < m else numbers[:0]

    indices, distances = np.empty((n, k), np.int64), np.empty((n, k))
    open_rows, blocks = [], list(row_blocks(n, max(1, _CELLS // min(m, _PANEL))))
    done = map_on_cores(work, blocks, kind)
    for rows, (columns, costs, unproved) in zip(blocks, done, strict=True):
        indices[rows], distances[rows] = columns, costs
        open_rows.append(unproved)
    rest = np.concatenate(open_rows) if open_rows else np.empty(0, np.int64)

    def settle(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours and costs of these queries from scores in float64."""
        found, kept = _band(side_q, side_b, numbers, k, exclude_self, metric)
        return _refine(side_q, side_b, numbers, found, kept, k, metric)

    parts = [rest[part] for part in row_blocks(len(rest), max(1, _CELLS // m))]
    for numbers, near in zip(parts, map_on_cores(settle, parts, kind), strict=True):
        indices[numbers], distances[numbers] = near
    return indices, distances


@dataclass(frozen=True, slots=True)
class _Side:
    """Rows of one side as a search sees them: x_i * factor_i, whose order by

        <q - o_q, b - o_b> / (scales) - half_b

    is that of nearness, largest first. ``lengths`` (n,) of those shifted and scaled rows, ``half``
    (n,) what is taken off, zero for inner products.
    """

    x: np.ndarray
    factor: np.ndarray | None
    offset: np.ndarray | float
    scale: float
    lengths: np.ndarray
    half: np.ndarray

    def raw(self, rows: Any) -> np.ndarray:
        """Rows before shifting, (r, d) float64, a copy."""
        x = self.x[rows].astype(np.float64)
        if self.factor is not None:
            x *= self.factor[rows, None]
        return x

    def cut(self, rows: Any) -> np.ndarray:
        """Rows shifted and scaled, (r, d) float64."""
        x = self.raw(rows)
        x -= self.offset
        x *= self.scale
        return x

    def coarse(self) -> np.ndarray:
        """All rows in float32, with -half as one more column, (n, d + 1)."""
        n, d = self.x.shape
        out = np.empty((n, d + 1), np.float32)
        out[:, d] = -self.half
        for rows in _strips(n, d):
            out[rows, :d] = self.cut(rows)
        return out


def _strips(n: int, d: int) -> Iterator[slice]:
    return row_blocks(n, max(1, _ENTRIES // d))


def _sides(q: np.ndarray, b: np.ndarray, metric: str) -> tuple[_Side, _Side]:
    factors: list[np.ndarray | None] = [None, None]
    if metric == "cosine":
        # 1 - cos is half the squared distance of unit rows, and centring those keeps the digits of
        # spaces whose rows all point the same way.
        factors = [_inverse_lengths(q), None]
        factors[1] = factors[0] if b is q else _inverse_lengths(b)
    base_offset = _mean(b, factors[1])
    offsets = [np.zeros_like(base_offset) if metric == "inner" else base_offset, base_offset]
    if metric == "cosine":
        scales = [1.0, 1.0]
    else:
        scales = [1 / (_peak(x, o) or 1.0) for x, o in zip((q, b), offsets, strict=True)]
        if metric == "euclidean":
            scales = [min(scales)] * 2
    sides: list[_Side] = []
    for x, factor, offset, scale in zip((q, b), factors, offsets, scales, strict=True):
        if sides and x is q and metric != "inner":
            sides.append(sides[0])
            break
        bare = _Side(x, factor, offset, scale, np.empty(0), np.empty(0))
        squares = np.empty(len(x))
        for rows in _strips(*x.shape):
            part = bare.cut(rows)
            squares[rows] = np.einsum("ij,ij->i", part, part)
        half = squares / 2
        if metric == "inner":
            half = np.zeros_like(half)
        elif factor is not None:
            # A zero vector lies at cost 1 from all unit rows, not at the 1/2 of its distance.
            half += np.where(factor == 0, 0.5, 0.0)
        sides.append(_Side(x, factor, offset, scale, np.sqrt(squares), half))
    return sides[0], sides[1]


def _inverse_lengths(x: np.ndarray) -> np.ndarray:
    out = np.empty(len(x))
    for rows in _strips(*x.shape):
        part = x[rows].astype(np.float64)
        out[rows] = np.sqrt(np.einsum("ij,ij->i", part, part))
    return np.divide(1.0, out, out=np.zeros_like(out), where=out > 0)


def _mean(x: np.ndarray, factor: np.ndarray | None) -> np.ndarray:
    total = np.zeros(x.shape[1])
    for rows in _strips(*x.shape):
        part = x[rows].astype(np.float64)
        total += part.sum(axis=0) if factor is None else factor[rows] @ part
    return total / len(x)


def _peak(x: np.ndarray, offset: np.ndarray) -> float:
    """The largest |entry - offset|."""
    high, low = x.max(axis=0).astype(np.float64), x.min(axis=0).astype(np.float64)
    return float(max((high - offset).max(), (offset - low).max()))


def _rounding(
    q: _Side, b: _Side, rows: np.ndarray, least: np.ndarray, dtype: type, metric: str
) -> np.ndarray:
    """A bound (r,) on the error of any score in ``dtype`` that could matter beside ``least``.

    A score <q, b> - |b|²/2 of d terms is off by at most (d + 8) u (|q| |b| + |b|²/2). No row longer
    than |q| + sqrt(|q|² - 2 least) can reach ``least``, so that a few far rows do not count.
    """
    own, longest = q.lengths[rows], float(b.lengths.max())
    limit: np.ndarray | float = longest
    if metric != "inner":
        reach = own + np.sqrt(own * own + 2 * np.maximum(-least, 0.0))
        limit = np.minimum(longest, 1.05 * reach)
    size = own * limit
    if metric != "inner":
        size += limit * limit / 2
    if metric == "cosine":
        size += 0.5  # what zero vectors are put further off by
    return (q.x.shape[1] + 8) * np.finfo(dtype).eps / 2 * size + 1e8 * np.finfo(dtype).tiny


def _proposer(
    kind: Array, q: np.ndarray, b: np.ndarray, wanted: int
) -> Callable[[slice], tuple[np.ndarray, np.ndarray]]:
    """The function that gives, for a slice of queries, ``wanted`` base rows and their scores."""

    def asked(rows: slice) -> np.ndarray:
        out = q[rows].copy()
        out[:, -1] = 1  # what the halves of the base are taken times
        return out

    if not is_numpy(kind):
        xp, there = namespace(kind), like(b, kind)

        def by_namespace(rows: slice) -> tuple[np.ndarray, np.ndarray]:
            found, scores = _top(xp, like(asked(rows), kind) @ there.T, wanted)
            return to_numpy(found).astype(np.int64), to_numpy(scores)

        return by_namespace
    width = -(-min(_PANEL, len(b)) // _GROUP) * _GROUP

    def by_numpy(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        own, found, scores = asked(rows), [], []
        block = np.empty((len(own), width), np.float32)
        for panel in row_blocks(len(b), _PANEL):
            size = panel.stop - panel.start
            np.matmul(own, b[panel].T, out=block[:, :size])
            block[:, size:] = -np.inf
            columns, values = _largest(block, min(wanted, size))
            found.append(columns + panel.start)
            scores.append(values)
        if len(found) == 1:
            return found[0], scores[0]
        columns, values = _pick(np.concatenate(scores, axis=1), wanted)
        return np.take_along_axis(np.concatenate(found, axis=1), columns, axis=1), values

    return by_numpy


def _among(base: np.ndarray, wanted: int) -> Callable[[slice], tuple[np.ndarray, np.ndarray]]:
    """``_proposer`` of rows among themselves, by half of the products: each serves both its sides.

    Blocks on the diagonal come first: then few of the other scores are better.
    """
    x, less, n = base[:, :-1], base[:, -1], len(base)
    found, scores = np.zeros((n, wanted), np.int64), np.full((n, wanted), -np.inf, np.float32)
    #: What a score must exceed to matter. Other threads read it while it rises, entry by entry.
    floor = np.full(n, -np.inf, np.float32)
    parts = list(row_blocks(n, isqrt(_CELLS)))

    def first(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        size = rows.stop - rows.start
        block = np.full((size, -(-size // _GROUP) * _GROUP), -np.inf, np.float32)
        np.matmul(x[rows], x[rows].T, out=block[:, :size])
        block[:, :size] += less[rows]
        columns, values = _largest(block, min(wanted, size))
        return columns + rows.start, values

    def better(pair: tuple[slice, slice]) -> list[tuple[np.ndarray, np.ndarray]]:
        products = x[pair[0]] @ x[pair[1]].T
        out = []
        for axis, (mine, theirs) in enumerate((pair, pair[::-1])):
            block = products + np.expand_dims(less[theirs], axis)
            places = np.flatnonzero(block > np.expand_dims(floor[mine], 1 - axis))
            both = np.divmod(places, block.shape[1])
            values = block.ravel()[places]
            out.append(_table(both[axis], both[1 - axis] + theirs.start, values, len(floor[mine])))
        return out

    def keep(rows: slice, columns: np.ndarray, values: np.ndarray) -> None:
        columns = np.concatenate([found[rows], columns], axis=1)
        best, scores[rows] = _pick(np.concatenate([scores[rows], values], axis=1), wanted)
        found[rows] = np.take_along_axis(columns, best, axis=1)
        floor[rows] = scores[rows].min(axis=1)

    for rows, near in zip(parts, map_on_cores(first, parts, base), strict=True):
        keep(rows, *near)
    pairs = list(combinations(parts, 2))
    for pair, sides in zip(pairs, map_on_cores(better, pairs, base), strict=True):
        for rows, near in zip(pair, sides, strict=True):
            keep(rows, *near)
    return lambda rows: (found[rows], scores[rows])


def _table(
    rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and scores of each of n rows side by side, filled up with scores of -inf."""
    order = np.argsort(rows, kind="stable")
    rows, counts = rows[order], np.bincount(rows, minlength=n)
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    near = np.zeros((n, int(counts.max(initial=0))), np.int64)
    values = np.full(near.shape, -np.inf, np.float32)
    near[rows, place], values[rows, place] = columns[order], scores[order]
    return near, values


def _largest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the k largest of each row, in no order.

    They lie in the k groups of columns with the largest maxima, and maxima are cheap.
    """
    rows, width = scores.shape
    groups = width // _GROUP
    if groups <= 2 * k:
        return _pick(scores, k)
    # Group g holds the columns g, g + groups, ...: the maximum runs along contiguous memory.
    best, _ = _pick(scores.reshape(rows, _GROUP, groups).max(axis=1), k)
    members = (best[:, :, None] + groups * np.arange(_GROUP)).reshape(rows, -1)
    columns, values = _pick(np.take_along_axis(scores, members, axis=1), k)
    return np.take_along_axis(members, columns, axis=1), values


def _pick(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    width = scores.shape[1]
    columns = np.argpartition(scores, width - k, axis=1)[:, width - k :]
    return columns, np.take_along_axis(scores, columns, axis=1)


def _top(xp: Any, scores: Array, k: int) -> tuple[Array, Array]:
    if hasattr(scores, "topk"):  # torch: a selection, where the standard only has a full sort
        values, columns = scores.topk(k, dim=1)
        return columns, values
    columns = xp.argsort(scores, axis=1, descending=True)[:, :k]
    return columns, xp.take_along_axis(scores, columns, axis=1)


def _band(
    q: _Side, b: _Side, rows: np.ndarray, k: int, exclude_self: bool, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates (r, w) of ``rows`` by scores in float64, and which of them count, (r, w)."""
    asked, m = q.cut(rows), len(b.x)
    scores = np.empty((len(rows), m))
    for panel in row_blocks(m, _PANEL):
        scores[:, panel] = asked @ b.cut(panel).T
        scores[:, panel] -= b.half[panel]
    if exclude_self:
        scores[np.arange(len(rows)), rows] = -np.inf
    kth = np.partition(scores, m - k, axis=1)[:, m - k]
    slack = 2 * _rounding(q, b, rows, kth, np.float64, metric)
    near, sure = scores >= (kth - slack)[:, None], scores > (kth + slack)[:, None]
    found = []
    for close, closer in zip(near, sure, strict=True):
        first = np.flatnonzero(closer)
        tied = np.flatnonzero(close & ~closer)[: k + _TIED]
        found.append(np.sort(np.concatenate([first, tied])))
    widest = max(len(one) for one in found)
    table, kept = np.zeros((len(rows), widest), np.int64), np.zeros((len(rows), widest), bool)
    for i, one in enumerate(found):
        table[i, : len(one)], kept[i, : len(one)] = one, True
    return table, kept


def _refine(
    q: _Side,
    b: _Side,
    rows: np.ndarray,
    found: np.ndarray,
    kept: np.ndarray,
    k: int,
    metric: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of the candidates ``kept``, ascending per row, by float64 cost, ties by row."""
    cost = np.full(found.shape, np.inf)
    cost[kept] = _costs(q, b, np.repeat(rows, kept.sum(axis=1)), found[kept], metric)
    order = np.argsort(cost, axis=1, kind="stable")[:, :k]
    cost = np.take_along_axis(cost, order, axis=1)
    return np.take_along_axis(found, order, axis=1), -cost if metric == "inner" else cost


def _costs(q: _Side, b: _Side, rows: np.ndarray, columns: np.ndarray, metric: str) -> np.ndarray:
    """What row ``rows[p]`` of q pays for ``columns[p]`` of b, (p,) float64, from differences."""
    cost = np.empty(len(rows))
    for part in _strips(len(rows), q.x.shape[1]):
        asked, near = q.raw(rows[part]), b.raw(columns[part])
        if metric != "inner":
            asked -= near
            near = asked
        cost[part] = np.einsum("ij,ij->i", asked, near)
    if metric == "inner":
        return -cost
    if metric == "euclidean":
        return np.sqrt(cost)
    cost /= 2
    for side, numbers in ((q, rows), (b, columns)):
        if side.factor is not None:
            cost[side.factor[numbers] == 0] = 1.0
    return cost
