"""Exact search of queries over a base, by cosine, inner product or Euclidean distance."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import Metric, neighbors


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What a search found: base row numbers and scores, both (q, k), best first.

    ``scores`` are larger for closer rows whatever the metric: cosine, inner product, or minus the
    Euclidean distance.
    """

    rows: Array
    scores: Array


def search(
    queries: Array,
    base: Array,
    k: int = 10,
    *,
    metric: Metric = "cosine",
    exclude: Any = None,
) -> Hits:
    """The k rows of ``base`` closest to each query, exactly, ties by lower row.

    Parameters
    ----------
    queries : (q, d) array
        What is searched for.
    base : (n, d) array of the same kind
        What is searched.
    k : int
        Rows wanted; all rows when there are fewer.
    metric : {"cosine", "inner", "euclidean"}
        A zero vector has cosine 0 to everything.
    exclude : (q,) integers, optional
        For each query one base row that must not be found (itself, say); -1 for none.

    Returns
    -------
    Hits
        ``rows`` (q, min(k, n)) int64 and ``scores`` of the same shape, n counted without the
        excluded row when ``exclude`` is given.

    Raises
    ------
    InputError
        On k < 1, unequal dims, non-finite values, or ``exclude`` of wrong length or range.

    Examples
    --------
    >>> base = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> search(base[:1], base, 2).rows.tolist()
    [[0, 2]]
    >>> search(base[:1], base, 2, exclude=[0]).rows.tolist()
    [[2, 1]]

    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("search", f"k={k!r}", "an integer of at least 1")
    queries = matrix("queries", queries, operation="search")
    base = queries if base is queries else matrix("base", base, operation="search")
    n = base.shape[0]
    if exclude is None:
        rows, costs = neighbors(queries, base, min(int(k), n), metric=metric)
    else:
        rows, costs = _without(queries, base, int(k), metric, _checked(exclude, queries, n))
    scores = {"cosine": 1.0 - costs, "inner": costs, "euclidean": -costs}[metric]
    return Hits(rows, scores)


def _checked(exclude: Any, queries: Array, n: int) -> np.ndarray:
    banned = to_numpy(exclude)
    if banned.shape != (queries.shape[0],) or banned.dtype.kind not in "iu":
        raise InputError(
            "search",
            f"exclude of shape {banned.shape} and dtype {banned.dtype}",
            f"{queries.shape[0]} integers, one base row per query",
        )
    if banned.size and (banned.min() < -1 or banned.max() >= n):
        raise InputError("search", "exclude out of range", f"rows from 0 to {n - 1}, or -1")
    if n < 2:
        raise InputError("search", "a base of 1 row with a row excluded", "at least 2 rows")
    return banned.astype(np.int64)


def _without(
    queries: Array, base: Array, k: int, metric: Metric, banned: np.ndarray
) -> tuple[Array, Array]:
    """One row more than wanted; the banned one goes, or the last where it was not found."""
    n = base.shape[0]
    rows, costs = neighbors(queries, base, min(k + 1, n), metric=metric)
    host = to_numpy(rows)
    drop = host == banned[:, None]
    drop[~drop.any(axis=1), -1] = True
    keep = np.argsort(drop, axis=1, kind="stable")[:, : min(k, n - 1)]
    rows = np.take_along_axis(host, keep, axis=1)
    costs_kept = np.take_along_axis(to_numpy(costs), keep, axis=1)
    xp = namespace(queries)
    if xp is namespace(rows):
        return rows, costs_kept
    place = getattr(queries, "device", None)
    return xp.asarray(rows, device=place), xp.asarray(costs_kept, device=place)
