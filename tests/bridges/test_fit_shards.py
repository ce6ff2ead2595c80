"""A fit by map and tree-reduce equals the one-pass fit, wherever the parts are summed."""

import pickle

import numpy as np
import pytest

import isthmus
from isthmus.bridges import fit_shards
from isthmus.bridges.fit_shards import shard_moments, tree_sum
from isthmus.core.engine import Threads
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments

N = 1000


class Elsewhere:
    separate = True

    def map(self, function, tasks):
        for task in tasks:
            yield pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(task)))))


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.setattr(fit_shards, "_PART", 130)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 6)) * np.linspace(2, 0.5, 6) + 40  # far from zero: origins matter
    y = x @ rng.normal(size=(6, 4)) + 0.1 * rng.normal(size=(N, 4)) - 7
    order = rng.permutation(N)
    np.savez(tmp_path / "x.npz", vectors=x, ids=np.arange(N))
    np.savez(tmp_path / "y.npz", vectors=y[order], ids=order)
    return isthmus.pair(tmp_path / "x.npz", tmp_path / "y.npz")


def close(found, pairs, keeps="all"):
    """Whether moments are those of the rows, by a naive float64 sum."""
    x, y = pairs.x, pairs.y
    a, b = x - x.mean(0), y - y.mean(0)
    wanted = {"scatter_xx": a.T @ a, "scatter_xy": a.T @ b, "scatter_yy": b.T @ b}
    if keeps == "source":
        del wanted["scatter_yy"]
    return found.n == len(x) and all(
        np.allclose(getattr(found, name), value, rtol=1e-9, atol=1e-9 * np.abs(value).max())
        for name, value in wanted.items()
    )


@pytest.mark.parametrize("keeps", ["all", "source"])
@pytest.mark.parametrize("engine", [None, Threads(2), Elsewhere()])
def test_moments_equal_the_naive_sums(pairs, engine, keeps):
    assert close(shard_moments(pairs, keeps=keeps, engine=engine), pairs, keeps)


@pytest.mark.parametrize("wrong", ["last part lost", "a part twice", "origins ignored"])
def test_a_wrong_reduction_would_be_seen(pairs, monkeypatch, wrong):
    class Wrong(Elsewhere):
        def map(self, function, tasks):
            tasks = list(tasks)
            tasks = {"last part lost": tasks[:-1], "a part twice": [*tasks, tasks[0]]}.get(
                wrong, tasks
            )
            yield from Elsewhere.map(self, function, tasks)

    if wrong == "origins ignored":
        monkeypatch.setattr("isthmus.core.sums.Sums.moved", lambda self, delta: self)
    assert not close(shard_moments(pairs, keeps="all", engine=Wrong()), pairs)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9])
def test_the_tree_is_balanced_and_complete(count):
    """Sums of 1.0 are exact, so only what is merged with what can differ."""
    depth = {}

    class Counted(Moments):
        def merge(self, other):
            merged = Counted()
            merged.n = self.n + other.n
            depth[id(merged)] = 1 + max(depth.get(id(self), 0), depth.get(id(other), 0))
            kept.append(merged)
            return merged

    kept, parts = [], []
    for _ in range(count):
        part = Counted()
        part.n = 1
        parts.append(part)
    total = tree_sum(parts)
    assert total.n == count
    assert depth.get(id(total), 0) == int(np.ceil(np.log2(count)))


def test_every_engine_gives_the_same_bytes(pairs):
    here, there = (
        shard_moments(pairs, keeps="all", engine=engine) for engine in (Threads(3), Elsewhere())
    )
    for name in ("scatter_xx", "scatter_xy", "scatter_yy", "mean_x", "mean_y"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    np.testing.assert_array_equal(here.norm_sums(), there.norm_sums())


def test_fit_on_an_engine(pairs, tmp_path):
    ends = tmp_path / "x.npz", tmp_path / "y.npz"
    plain = isthmus.fit(*ends, method="affine")
    for engine in (Threads(2), Elsewhere()):
        bridge = isthmus.fit(*ends, method="affine", engine=engine)
        np.testing.assert_allclose(bridge.map.coef_, plain.map.coef_, rtol=1e-7, atol=1e-9)
        assert bridge.pairs == plain.pairs


def test_a_side_in_memory_is_refused_where_workers_are_others(pairs):
    x = pairs.x
    here = isthmus.fit(x, x[:, ::-1], method="affine", engine=Threads(2))
    np.testing.assert_allclose(here.transform(x[:5]), x[:5, ::-1], atol=1e-6)
    with pytest.raises(InputError, match="work on threads"):
        isthmus.fit(x, x[:, ::-1], method="affine", engine=Elsewhere())


def test_parquet_in_another_order_is_read_once(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(fit_shards, "_PART", 10)
    x = np.random.default_rng(0).normal(size=(60, 3))
    np.savez(tmp_path / "x.npz", vectors=x, ids=np.arange(60))
    table = pa.table({"id": np.arange(60)[::-1], "vector": pa.array(list(x[::-1]))})
    pq.write_table(table, tmp_path / "y.parquet")

    class Never:
        separate = True

    pairs = isthmus.pair(tmp_path / "x.npz", tmp_path / "y.parquet")
    found = shard_moments(pairs, keeps="all", engine=Never())
    np.testing.assert_allclose(found.scatter_xy, found.scatter_xx, rtol=1e-12)
