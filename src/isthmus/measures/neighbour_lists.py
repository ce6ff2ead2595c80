r"""Neighbour lists of two spaces side by side: their overlap, its null, and what a row adds to it.

With A_d(i), B_d(i) the first d neighbours of row i in the two spaces, most statistics of this room
are functions of the counts |A_d(i) ∩ B_d(i)|, d = 1..k. Infrastructure; holds no method of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import Array, paired, take, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import Metric, neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.score import Score
from isthmus.measures.mantel import Sums

#: Entries of one block of list-against-list comparisons.
_ENTRIES = 2**20

#: Rows from which an interval by Student is read.
_FEWEST = 30

#: Gives one number per row, (r,), from its counts at depths 1..k, (r, k).
Row = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Lists:
    """Neighbours of both sides, (n, k + 1) each: one beyond k steps in when a row is left out.

    ``rows`` is how many there are to be neighbours; more than n where only some were asked.
    ``tied``: ties, which the lower row number settles on both sides alike, make lists agree that
    have nothing to do with each other; no shuffle of the rows does that, so there is no test.
    """

    x: np.ndarray
    y: np.ndarray
    k: int
    tied: bool
    warnings: tuple[str, ...]
    rows: int

    @property
    def n(self) -> int:
        """Rows whose neighbours these are."""
        return len(self.x)


def neighbour_lists(
    x: Array,
    y: Array | None,
    k: int,
    metric: Metric,
    *,
    operation: str,
    ordered: bool = False,
    approximate: int | None = None,
    rng: Seed = 0,
) -> tuple[Lists, Array, Array]:
    """The lists of x (n, dx) and y (n, dy), and both spaces checked.

    Where places within a list count (``ordered``), so do ties within it. With ``approximate`` only
    those of so many rows, drawn without replacement.
    Raises InputError on unpaired or non-finite rows, and unless 1 <= k <= n - 2 and n >= 4, and
    ``approximate`` is from 30 to n.
    """
    x, y = paired(x, y, operation=operation)
    every = x.shape[0]
    if not 1 <= k <= every - 2 or every < 4:
        raise InputError(
            operation, f"k={k} with {every} rows: x {tuple(x.shape)}, y {tuple(y.shape)}",
            "1 <= k <= rows - 2 and 4 rows", "Lower k, or bring more rows.",
        )  # fmt: skip
    drawn = None
    if approximate is not None:
        if not _FEWEST <= approximate <= every:
            raise InputError(
                operation, f"approximate={approximate} of {every} rows", f"{_FEWEST} to all rows"
            )
        drawn = np.sort(generator(rng).choice(every, approximate, replace=False))
    n = every if drawn is None else len(drawn)
    near, ties, said = [], [], []
    where = "among their nearest" if ordered else "at the k-th neighbour"
    for name, side in (("x", x), ("y", y)):
        found, distances = _nearest(side, drawn, k + 1, metric)
        near.append(found)
        equal = distances[:, :k] == distances[:, 1:]
        ties.append(equal.any(axis=1) if ordered else equal[:, -1])
        tied = int(ties[-1].sum())
        if tied > 0.01 * n:
            said.append(
                f"{name}: {tied} of {n} rows have ties {where}, broken by the lower row; "
                "duplicate rows make such overlap arbitrary: no test"
            )
        zeros = int((~to_numpy(side).any(axis=1)).sum()) if metric == "cosine" else 0
        if zeros:
            said.append(f"{name}: {zeros} zero vectors have no direction; their cosine counts as 0")
    both = int((ties[0] & ties[1]).sum())
    untested = both > 0 or max(int(one.sum()) for one in ties) > 0.01 * n
    if both:
        said.append(f"{both} of {n} rows have ties {where} on both sides: no test")
    return Lists(near[0], near[1], k, untested, tuple(said), every), x, y


def _nearest(
    side: Array, drawn: np.ndarray | None, k: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours and distances of all rows or of those ``drawn``, none its own, (r, k) each."""
    if drawn is None:
        found, distances = neighbors(side, side, k, metric=metric, exclude_self=True)
        return to_numpy(found), to_numpy(distances)
    found, distances = neighbors(take(side, drawn), side, k + 1, metric=metric)
    found, distances = to_numpy(found), to_numpy(distances)
    kept = found != drawn[:, None]
    kept[kept.all(axis=1), -1] = False  # of very many copies of a row it may not be among the first
    return found[kept].reshape(-1, k), distances[kept].reshape(-1, k)


def mean_of_drawn(method: str, own: np.ndarray, lists: Lists, chance: float) -> Score:
    r"""The score of rows drawn from all: their mean, with an interval for the mean over all rows.

    .. math:: \bar s \pm t_{m-1} \sqrt{(1 - m / n) \, s^2 / m}

    for m of n rows drawn without replacement, each of whose own values (m,) is exact. No test.
    """
    from scipy.stats import t

    m, value = len(own), float(own.mean())
    half = float(t.ppf(0.975, m - 1) * np.sqrt((1 - m / lists.rows) * own.var(ddof=1) / m))
    said = f"approximated by {m} of {lists.rows} rows, for the value of which the interval is"
    return Score(
        value=value,
        method=method,
        n=lists.rows,
        ci=(max(value - half, 0.0), min(value + half, 1.0)),
        chance=chance,
        length=max(1.0 - value, 0.0),
        warnings=(*lists.warnings, said),
        parts={"per_row": own},
    )


def counts(lists: Lists) -> np.ndarray:
    """|A_d(i) ∩ B_d(i)| for d = 1..k, (n, k) int64."""
    k = lists.k
    out = np.empty((lists.n, k), np.int64)
    for rows in _blocks(lists):
        same = lists.x[rows, :k, None] == lists.y[rows, None, :k]
        for d in range(k):
            # What position d adds: its match with anything before it on either side.
            out[rows, d] = same[:, d, : d + 1].sum(axis=1) + same[:, :d, d].sum(axis=1)
    return np.cumsum(out, axis=1)


def gains(lists: Lists, row: Row) -> np.ndarray:
    """What all other rows' values gain together when row m is left out of both graphs, (n,).

    Exact: whoever stood behind m in a list moves up by one place.
    """
    n, k = lists.n, lists.k
    gain = np.zeros(n)
    depth = np.arange(1, k + 1)
    for rows in _blocks(lists):
        a, b = lists.x[rows], lists.y[rows]
        same = a[:, :, None] == b[:, None, :]
        # table[i, p, q] = |A_p ∩ B_q|, p and q from 0 to k + 1.
        table = np.zeros((len(a), k + 2, k + 2), np.int32)
        np.cumsum(same, axis=1, out=table[:, 1:, 1:])
        np.cumsum(table[:, 1:, 1:], axis=2, out=table[:, 1:, 1:])
        even, longer = table[:, depth, depth], table[:, depth + 1, depth + 1]
        ahead, behind = table[:, depth + 1, depth], table[:, depth, depth + 1]
        before = row(even)
        in_x, in_y = same.any(axis=1), same.any(axis=2)
        for p in range(k + 1):
            # The p-th of x goes, and stands at q in y (beyond all depths where it does not).
            q = np.where(in_y[:, p], same[:, p, :].argmax(axis=1), k + 1)[:, None]
            gone, also = p < depth, q < depth
            left = np.where(also, np.where(gone, longer - 1, behind), np.where(gone, ahead, even))
            gain += np.bincount(a[:, p], weights=row(left) - before, minlength=n)
            left = np.where(~in_x[:, p, None] & (p < depth), behind, even)
            gain += np.bincount(b[:, p], weights=row(left) - before, minlength=n)
    return gain


def null_covariance(lists: Lists) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean (k,) and covariance (k, k) of O_d = Σ_i |A_d(i) ∩ B_d(i)| over all n! row permutations.

    O_d = Σ_ij A^d_ij B^d_ij is of Mantel's form, and so is the product of two depths.
    """
    n, depth = lists.n, np.arange(1, lists.k + 1.0)
    mean = n * depth**2 / (n - 1)
    patterns = [_patterns(near[:, : lists.k], depth) for near in (lists.x, lists.y)]
    two, three = n * (n - 1.0), n * (n - 1.0) * (n - 2.0)
    pairs = [two, two, three, three, 2 * three, three * (n - 3.0)]
    second = sum(a * b / size for a, b, size in zip(*patterns, pairs, strict=True))
    return mean, second - np.outer(mean, mean)


def _patterns(near: np.ndarray, depth: np.ndarray) -> list[np.ndarray]:
    """Sums of A^d_ij A^e_kl over index pairs equal, reversed, sharing a row, sharing a column,
    forming a chain, or disjoint, (k, k) each.
    """  # noqa: D205
    n, k = near.shape
    equal = n * np.minimum.outer(depth, depth)
    at = np.zeros((k, k))
    forward = (np.repeat(np.arange(n), k) * n + near.ravel()).astype(np.int64)
    backward = (near.ravel().astype(np.int64) * n) + np.repeat(np.arange(n), k)
    order = np.argsort(forward)
    where = np.searchsorted(forward, backward, sorter=order)
    where = order[np.minimum(where, n * k - 1)]
    mutual = forward[where] == backward
    np.add.at(at, (np.arange(n * k)[mutual] % k, where[mutual] % k), 1.0)
    reverse = at.cumsum(axis=0).cumsum(axis=1)
    row = n * np.outer(depth, depth) - equal
    into = np.stack([np.bincount(near[:, d], minlength=n) for d in range(k)], axis=1)
    into = into.cumsum(axis=1).astype(np.float64)
    column = into.T @ into - equal
    chain = 2 * (n * np.outer(depth, depth) - reverse)
    rest = n * n * np.outer(depth, depth) - equal - reverse - row - column - chain
    return [equal, reverse, row, column, chain, rest]


def overlap_law(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Values 0..k of one row's overlap and their chances where spaces are unrelated.

    Hypergeometric: k drawn of n - 1, k of which are wanted.
    """
    from scipy.stats import hypergeom

    values = np.arange(k + 1)
    return values, hypergeom.pmf(values, n - 1, k, k)


def weighted_sums(near: np.ndarray, weights: np.ndarray) -> Sums:
    """``Sums`` of the graph in which row i points at ``near[i]`` with ``weights[i]``, (n, k)."""
    n, k = near.shape
    out = weights.sum(axis=1)
    into = np.bincount(near.ravel(), weights=weights.ravel(), minlength=n)
    forward = np.repeat(np.arange(n, dtype=np.int64), k) * n + near.ravel()
    backward = near.ravel().astype(np.int64) * n + np.repeat(np.arange(n), k)
    order = np.argsort(forward)
    where = order[np.minimum(np.searchsorted(forward, backward, sorter=order), n * k - 1)]
    found = forward[where] == backward
    flat = weights.ravel()
    return Sums(
        n=n, total=float(out.sum()), squares=float((flat * flat).sum()),
        mutual=float(flat[found] @ flat[where[found]]), rows=float(out @ out),
        columns=float(into @ into), through=float(out @ into),
    )  # fmt: skip


def _blocks(lists: Lists) -> list[slice]:
    step = max(1, _ENTRIES // (lists.k + 2) ** 2)
    return [slice(start, start + step) for start in range(0, lists.n, step)]
