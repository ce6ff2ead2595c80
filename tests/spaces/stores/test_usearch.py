"""usearch indexes hold the contract; halves are read as stored, and nothing is rounded."""

import numpy as np
import pytest

from isthmus.core.errors import InputError, MissingExtra
from isthmus.spaces.stores import Address, connect
from isthmus.spaces.stores.store import Rows
from isthmus.spaces.stores.usearch import Usearch
from isthmus.testing import stores as suite

index = pytest.importorskip("usearch.index", reason="usearch is not installed")

X = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
IDS = np.random.default_rng(1).permutation(500) * 3 + 2


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, tmp_path):
    check(suite.Bench(Usearch, lambda name: Address.parse(f"usearch://{tmp_path}/{name}")))


def made(path, **options):
    found = index.Index(ndim=8, **{"metric": "cos", "dtype": "f32"} | options)
    found.add(IDS.astype(np.uint64), X)
    found.save(str(path))
    return found


@pytest.mark.parametrize("metric", ["cos", "l2sq", "ip"])
def test_keys_vectors_and_search_are_those_of_usearch(metric, tmp_path):
    theirs = made(tmp_path / "a", metric=metric, connectivity=7)
    for key in IDS[:40].tolist():
        theirs.remove(key)
    theirs.save(str(tmp_path / "a"))
    with connect(f"usearch://{tmp_path}/a") as store:
        assert np.array_equal(store.ids(), np.sort(IDS[40:]))
        assert np.array_equal(store.fetch(IDS[40:]).vectors, X[40:])
        words = {"cos": "cosine", "l2sq": "euclidean", "ip": "inner"}
        assert store.facts().metric == words[metric]
        assert store.facts().index == "HNSW (connectivity=7)"
        met = theirs.search(X[:30], 5).keys
        assert np.array_equal(store.search(X[:30], 5), met.astype(np.int64))
        assert np.array_equal(store.search(X[:1], 5), store.search(X[:2], 5)[:1])
        for k in (0, 461):
            with pytest.raises(InputError, match="k from 1 to 460"):
                store.search(X[:2], k)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_halves_are_read_as_stored_and_never_written(dtype, tmp_path):
    theirs = made(tmp_path / "a", dtype=dtype, connectivity=9)
    store = connect(f"usearch://{tmp_path}/a")
    stored = np.vstack([theirs.get(int(key)) for key in IDS])
    assert np.array_equal(store.fetch(IDS).vectors, stored)
    assert np.abs(stored - X).max() > 0
    assert store.facts().index == f"HNSW (connectivity=9, {dtype})"
    with pytest.raises(InputError, match=rf"rounds vectors to {dtype}.*the shadow keeps float32"):
        store.upsert(Rows(IDS[:1], X[:1]))
    with pytest.raises(InputError, match="rounds"):
        store.delete(IDS[:1])
    original = (tmp_path / "a").read_bytes()
    store.shadow("j", dim=8, metric=None).upsert(Rows(IDS, X))
    store.cutover("j")
    assert np.array_equal(store.fetch(IDS).vectors, X)
    assert store.facts().index == "HNSW (connectivity=9)"
    store.rollback("j")
    assert (tmp_path / "a").read_bytes() == original


@pytest.mark.parametrize("dtype", ["i8", "f64", "e5m2"])
def test_other_numbers_are_refused_with_the_cure(dtype, tmp_path):
    made(tmp_path / "a", dtype=dtype)
    with pytest.raises(InputError, match=r"f32, f16 or bf16.*Start from the vectors"):
        connect(f"usearch://{tmp_path}/a")


def test_bits_other_metrics_and_several_vectors_a_key_are_refused(tmp_path):
    address = f"usearch://{tmp_path}/a"
    index.Index(ndim=8, metric="hamming", dtype="b1").save(str(tmp_path / "a"))
    with pytest.raises(InputError, match="single bits"):
        connect(address)
    index.Index(ndim=2, metric="haversine", dtype="f32").save(str(tmp_path / "a"))
    with pytest.raises(InputError, match="the metric 'h'"):
        connect(address)
    index.Index(ndim=8, metric="cos", dtype="f32", multi=True).save(str(tmp_path / "a"))
    with pytest.raises(InputError, match="several vectors a key"):
        connect(address)


def test_keys_beyond_int64_are_refused(tmp_path):
    found = index.Index(ndim=8, metric="cos", dtype="f32")
    found.add(np.array([1, 1 << 63], dtype=np.uint64), X[:2])
    found.save(str(tmp_path / "a"))
    with pytest.raises(InputError, match=r"below 2\^63"):
        connect(f"usearch://{tmp_path}/a")


def test_without_usearch_files_are_read_and_not_built(tmp_path, monkeypatch):
    made(tmp_path / "a")
    monkeypatch.setitem(__import__("sys").modules, "usearch.index", None)
    store = connect(f"usearch://{tmp_path}/a")
    assert np.array_equal(store.fetch(IDS[:5]).vectors, X[:5])
    with pytest.raises(MissingExtra, match=r"isthmus\[usearch\]"):
        store.search(X[:1], 1)
    with pytest.raises(MissingExtra, match=r"isthmus\[usearch\]"):
        store.shadow("j", dim=8, metric=None)


def test_no_row_is_lost_to_search_and_the_same_rows_give_the_same_file(tmp_path):
    drawn = np.random.default_rng(0).normal(size=(5, 300, 8)).astype(np.float32)
    files = []
    for number, x in enumerate([*drawn, drawn[-1]]):
        address = Address.parse(f"usearch://{tmp_path}/{number}")
        with Usearch.create(address, dim=8, metric="cosine", id_kind="int") as store:
            store.upsert(Rows(np.arange(300), x))
        with connect(address) as store:
            assert np.array_equal(store.search(x, 1)[:, 0], np.arange(300))
        files.append((tmp_path / str(number)).read_bytes())
    assert files[4] == files[5]
