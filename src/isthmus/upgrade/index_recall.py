"""Index recall: what the search of a store finds of what exact search finds."""

import numpy as np

from isthmus.core.errors import IsthmusError
from isthmus.core.neighbors import METRICS, neighbors
from isthmus.core.random import Seed
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import interval
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.space import Space
from isthmus.spaces.stores.store import Store

#: Nearest rows that count.
K = 10


def index_recall(space: Space, store: Store, *, queries: int = 200, rng: Seed = 0) -> Score | None:
    """Recall@10 of the search of ``store``, with its own settings, over all rows of ``space``.

    For ``queries`` stored vectors, evenly spread, the share of their 10 nearest other rows that it
    finds: |found, no further than the 10th| / 10, so that any of several rows equally far counts.
    The nearest are found exactly, in one pass over all rows. The interval is of the bootstrap over
    queries. None where the store has no search of its own or declares no metric.
    """
    k, metric = min(K, len(space) - 1), store.facts().metric
    if metric not in METRICS or k < 1:
        return None
    picked = spread_rows(len(space), queries)
    asked, own = np.asarray(space.take(picked)), space.take_ids(picked)
    usable = np.isfinite(asked).all(axis=1) & (asked != 0).any(axis=1)
    asked, own = asked[usable], own[usable]
    if not len(asked):
        return None
    try:
        found = store.search(asked, k + 1)
    except IsthmusError:
        return None
    farthest = _farthest(space, asked, own, k, metric)
    shares = np.empty(len(asked))
    for number, ids in enumerate(found):
        ids = ids[(ids != own[number]) & (ids != -1 if ids.dtype.kind == "i" else ids != "")]
        first = list(dict.fromkeys(ids.tolist()))[:k]
        met = store.fetch(np.array(first, dtype=ids.dtype)).vectors
        cost = _costs(asked[number], met, metric)
        limit = farthest[number]
        shares[number] = (cost <= limit + 1e-5 * abs(limit) + 1e-9).sum() / k
    return Score(
        value=float(shares.mean()), ci=interval(shares, rng=rng), n=len(shares),
        method=f"recall@{k}",
    )  # fmt: skip


def _farthest(space: Space, asked: np.ndarray, own: np.ndarray, k: int, metric: str) -> np.ndarray:
    """How far (q,) the k-th nearest other row of all is from each query, in one pass."""
    best = np.full((len(asked), k), np.inf)
    for block in space.blocks():
        good = np.isfinite(block.vectors).all(axis=1)
        ids, vectors = block.ids[good], block.vectors[good]
        if not len(vectors):
            continue
        rows, costs = neighbors(asked, vectors, min(k + 1, len(vectors)), metric=metric)  # type: ignore[arg-type]
        costs = np.where(ids[rows] == own[:, None], np.inf, -costs if metric == "inner" else costs)
        best = np.sort(np.concatenate([best, costs], axis=1), axis=1)[:, :k]
    farthest: np.ndarray = best[:, -1]
    return farthest


def _costs(query: np.ndarray, met: np.ndarray, metric: str) -> np.ndarray:
    one, many = query.astype(np.float64), met.astype(np.float64)
    if metric == "euclidean":
        found: np.ndarray = np.linalg.norm(many - one, axis=1)
        return found
    if metric == "cosine":
        lengths = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
        return 1 - many @ one / np.where(lengths > 0, lengths, 1)
    return -(many @ one)
