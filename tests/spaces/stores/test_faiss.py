"""FAISS indexes hold the contract, keep their kind and parameters, and refuse what is inexact."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address, connect, create
from isthmus.spaces.stores.faiss import Faiss
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
IDS = np.random.default_rng(1).permutation(200) * 3 + 2


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, tmp_path):
    check(suite.Bench(Faiss, lambda name: Address.parse(f"faiss://{tmp_path}/{name}")))


def ivf(metric, quantizer=None, lists=8):
    index = faiss.IndexIVFFlat(quantizer or faiss.IndexFlat(6, metric), 6, lists, metric)
    index.cp.min_points_per_centroid = 1
    index.train(X)
    index.nprobe = 3
    return index


def hnsw(metric):
    index = faiss.IndexHNSWFlat(6, 5, metric)
    index.hnsw.efConstruction, index.hnsw.efSearch = 33, 44
    return index


L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
KINDS = {
    "flat": lambda: faiss.IndexFlatL2(6),
    "flat-ip": lambda: faiss.IndexFlatIP(6),
    "map": lambda: faiss.IndexIDMap(faiss.IndexFlat(6, L2)),
    "map2": lambda: faiss.IndexIDMap2(faiss.IndexFlatIP(6)),
    "hnsw": lambda: hnsw(L2),
    "hnsw-map2": lambda: faiss.IndexIDMap2(hnsw(IP)),
    "ivf": lambda: ivf(L2),
    "ivf-direct": lambda: ivf(IP),
    "ivf-sparse": lambda: ivf(L2, lists=150),
    "ivf-map": lambda: faiss.IndexIDMap(ivf(L2)),
    "ivf-hnsw": lambda: ivf(L2, hnsw(L2)),
}


def made(kind, path, rows=200):
    """An index of the kind in a file, and the ids that FAISS itself gives its vectors."""
    index = KINDS[kind]()
    mapped = "map" in kind or kind in ("ivf", "ivf-sparse")
    if mapped:
        index.add_with_ids(X[:rows], IDS[:rows])
    else:
        index.add(X[:rows])
    if kind == "ivf-direct":
        index.make_direct_map()
    faiss.write_index(index, str(path))
    return index, IDS[:rows] if mapped else np.arange(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_vectors_and_search_are_those_of_faiss(kind, tmp_path):
    index, ids = made(kind, tmp_path / "a.faiss")
    with connect(f"faiss://{tmp_path}/a.faiss") as store:
        assert np.array_equal(store.ids(), np.sort(ids))
        assert np.array_equal(store.fetch(ids).vectors, X)
        assert store.facts().metric == ("inner" if index.metric_type == IP else "euclidean")
        assert (store.facts().index is None) == ("flat" in kind or kind in ("map", "map2"))
        # An IVF that looks into few lists finds fewer than asked for: the last stands in.
        for k in (5, 200):
            both = store.search(X[:20], k), index.search(X[:20], k)[1]
            for mine, theirs in zip(*both, strict=True):
                kept = theirs[theirs >= 0]
                assert np.array_equal(mine, np.append(kept, np.repeat(kept[-1:], k - len(kept))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_shadow_is_of_the_same_kind_and_parameters(kind, tmp_path):
    _, ids = made(kind, tmp_path / "a.faiss")
    new = np.random.default_rng(2).normal(size=(200, 9)).astype(np.float32)
    store = connect(f"faiss://{tmp_path}/a.faiss")
    before = store._file.layout()
    shadow = store.shadow("j", dim=9, metric=None)
    for start in (100, 0):  # in any order
        shadow.upsert(Rows(ids[start : start + 100], new[start : start + 100]))
    store.finish("j")
    store.cutover("j")
    found = faiss.read_index(str(tmp_path / "a.faiss"))
    after = store._file.layout()
    assert (after.recipe, after.metric) == (before.recipe, before.metric)
    assert (found.d, found.ntotal, found.metric_type) == (9, 200, int(after.metric != "inner"))
    assert np.array_equal(store.fetch(ids).vectors, new)
    again = connect(f"faiss://{tmp_path}/a.faiss")
    assert np.array_equal(again.search(new[:9], 2), found.search(new[:9], 2)[1])
    # Searched as widely as before: what an unchanged parameter finds of exact search.
    exact = np.argsort(((new[:50, None] - new) ** 2).sum(axis=2), axis=1)[:, 0]
    if before.metric == "euclidean":
        assert (store.search(new[:50], 1)[:, 0] == ids[exact]).all()


def test_an_index_with_positions_for_ids_takes_no_others(tmp_path):
    made("hnsw", tmp_path / "a.faiss")
    store = connect(f"faiss://{tmp_path}/a.faiss")
    with pytest.raises(InputError, match="IndexIDMap2"):
        store.upsert(Rows(np.array([201]), X[:1]))
    with pytest.raises(InputError, match="IndexIDMap2"):
        store.delete(np.array([5]))
    store.upsert(Rows(np.array([200, 3]), X[:2]))
    store.delete(np.array([200]))
    store.close()
    index = faiss.read_index(str(tmp_path / "a.faiss"))
    assert index.ntotal == 200
    assert np.array_equal(index.reconstruct(3), X[1])
    shadow = store.shadow("j", dim=6, metric=None)
    shadow.upsert(Rows(np.array([0, 2]), X[:2]))
    with pytest.raises(InputError, match="IndexIDMap2"):
        store.finish("j")
    assert store.state("j") == "shadow"


@pytest.mark.parametrize(
    "factory", ["SQ8", "PQ2x4", "IVF4,PQ2x4np", "IVF4,SQ8", "HNSW8_SQ8", "PCA3,Flat", "Flat,RFlat"]
)
def test_an_index_without_exact_vectors_is_refused_with_the_cure(factory, tmp_path):
    index = faiss.index_factory(6, factory)
    index.train(np.tile(X, (3, 1)))
    index.add(X)
    faiss.write_index(index, str(tmp_path / "a.faiss"))
    with pytest.raises(InputError, match=r"as they are.*Start from the file"):
        connect(f"faiss://{tmp_path}/a.faiss")


def test_binary_codes_other_metrics_and_repeated_ids_are_refused(tmp_path):
    address = f"faiss://{tmp_path}/a.faiss"
    faiss.write_index_binary(faiss.IndexBinaryFlat(8), str(tmp_path / "a.faiss"))
    with pytest.raises(InputError, match="binary codes"):
        connect(address)
    faiss.write_index(faiss.IndexFlat(6, faiss.METRIC_L1), str(tmp_path / "a.faiss"))
    with pytest.raises(InputError, match="metric 2"):
        connect(address)
    index = faiss.IndexIDMap(faiss.IndexFlatL2(6))
    index.add_with_ids(X[:3], np.array([4, 7, 4]))
    faiss.write_index(index, str(tmp_path / "a.faiss"))
    with pytest.raises(InputError, match=r"1 ids of two vectors \(first: 4\)"):
        connect(address)


def test_cosine_is_refused_with_the_cure(tmp_path):
    with pytest.raises(InputError, match="'inner', with vectors scaled to unit length"):
        create(f"faiss://{tmp_path}/a.faiss", dim=3, metric="cosine", id_kind="int")
    with pytest.raises(InputError, match="string"):
        create(f"faiss://{tmp_path}/a.faiss", dim=3, metric="inner", id_kind="string")
    assert not list(tmp_path.iterdir())


def test_an_ivf_needs_a_row_a_list(tmp_path):
    _, ids = made("ivf", tmp_path / "a.faiss")
    store = connect(f"faiss://{tmp_path}/a.faiss")
    store.shadow("j", dim=6, metric=None).upsert(Rows(ids[:7], X[:7]))
    with pytest.raises(InputError, match="7 rows for an IVF of 8 lists"):
        store.finish("j")


def test_what_faiss_cannot_write_is_an_error_and_loses_nothing(tmp_path, monkeypatch):
    made("map2", tmp_path / "a.faiss")
    store = connect(f"faiss://{tmp_path}/a.faiss")
    store.upsert(Rows(np.array([1000]), X[:1]))

    def full(index, name):
        Path(name).write_bytes(b"half")
        raise RuntimeError("write error: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(faiss, "write_index", full)
        with pytest.raises(StorageError, match="No space left"):
            store.close()
    assert not list(tmp_path.glob(".*"))
    with connect(store.address) as again:
        assert np.array_equal(again.fetch(np.array([1000])).vectors, X[:1])
