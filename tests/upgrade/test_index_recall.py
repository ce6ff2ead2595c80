"""Recall of a store's index is what a naive count says, ties and all."""

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError
from isthmus.spaces.stores import create
from isthmus.spaces.stores.columns import StoreColumn
from isthmus.spaces.stores.store import Facts, Rows
from isthmus.upgrade.index_recall import index_recall

RNG = np.random.default_rng(0)


def naive(x, ids, found, rows, metric, k=10):
    """Share of the k nearest others, counting as found whatever is as near as the k-th."""
    shares = []
    for row, got in zip(rows, found, strict=True):
        if metric == "euclidean":
            cost = ((x - x[row]) ** 2).sum(axis=1)
        elif metric == "inner":
            cost = -(x @ x[row])
        else:
            cost = -(x @ x[row]) / np.linalg.norm(x, axis=1)
        limit = np.sort(np.delete(cost, row))[k - 1]
        kept = [i for i in got if i not in (ids[row], -1)][:k]
        shares.append(sum(cost[np.flatnonzero(ids == i)[0]] <= limit + 1e-6 for i in kept) / k)
    return np.mean(shares)


class Deaf:
    """A store whose search finds only what ``heard`` lets through."""

    def __init__(self, store, heard):
        self.store, self.heard = store, heard

    def facts(self):
        return self.store.facts()

    def fetch(self, ids):
        return self.store.fetch(ids)

    def search(self, queries, k):
        return self.heard(self.store.search(queries, k))


def filled(folder, metric, x):
    ids = np.random.default_rng(1).permutation(len(x)) * 3
    address = f"faiss://{folder}/{len(x)}-{metric}"
    with create(address, dim=x.shape[1], metric=metric, id_kind="int") as s:
        s.upsert(Rows(ids, x))
    space = isthmus.open(address)
    return space, space.vector_column.store


@pytest.mark.parametrize("metric", ["euclidean", "inner"])
def test_exact_search_has_all_and_less_is_counted(metric, tmp_path):
    x = RNG.normal(size=(900, 5)).astype(np.float32)
    space, store = filled(tmp_path, metric, x)
    assert index_recall(space, store).value == 1.0
    rows = np.unique(np.linspace(0, 899, 60).astype(int))
    for heard in (
        lambda found: found[:, ::2],  # every other one
        lambda found: np.where(found % 2, found, -1),  # rows of one half of the ids
        lambda found: np.repeat(found[:, :4], 3, axis=1),  # few, over and over
        lambda found: np.roll(found, 1, axis=0),  # someone else's
    ):
        score = index_recall(space, Deaf(store, heard), queries=60)
        x_sorted, ids = space.vectors().astype(np.float64), space.ids
        found = [list(dict.fromkeys(r)) for r in heard(store.search(space.take(rows), 11)).tolist()]
        assert score.n == 60
        assert score.value == pytest.approx(naive(x_sorted, ids, found, rows, metric))
        assert score.value < 0.9
        assert score.ci[0] <= score.value <= score.ci[1]


def test_any_of_rows_equally_near_counts(tmp_path):
    x = np.repeat(RNG.normal(size=(20, 4)), 30, axis=0).astype(np.float32)
    space, store = filled(tmp_path, "euclidean", x)
    # Thirty rows lie on one another: which ten of them are found says nothing of the index.
    assert index_recall(space, Deaf(store, lambda found: found)).value == 1.0


def test_it_is_none_where_nothing_can_be_measured(tmp_path):
    space, store = filled(tmp_path, "inner", RNG.normal(size=(30, 4)).astype(np.float32))

    class Silent(Deaf):
        def search(self, queries, k):
            raise InputError("search", "this", "another")

    class Unsaid(Deaf):
        def facts(self):
            return Facts(rows=30, dim=4, metric=None, id_kind="int")

    assert index_recall(space, Silent(store, None)) is None
    assert index_recall(space, Unsaid(store, lambda found: found)) is None
    one, alone = filled(tmp_path, "euclidean", np.ones((1, 3), np.float32))
    assert index_recall(one, alone) is None
    assert isinstance(one.vector_column, StoreColumn)
    two, both = filled(tmp_path, "inner", np.eye(2, dtype=np.float32))
    assert index_recall(two, both).method == "recall@1"
