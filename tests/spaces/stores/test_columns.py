"""A store opened as a Space: the same rows, read once, and no secret in anything shown."""

import json
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces import stores
from isthmus.spaces.open import opening
from isthmus.spaces.stores import Address, create
from isthmus.spaces.stores.columns import StoreColumn
from isthmus.spaces.stores.store import Facts, Rows, Store

X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
IDS = np.random.default_rng(1).permutation(300) * 7


@pytest.fixture
def address(tmp_path):
    with create(f"faiss://{tmp_path}/docs", dim=6, metric="inner", id_kind="int") as store:
        store.upsert(Rows(IDS, X))
    return f"faiss://{tmp_path}/docs"


class Counting(Store):
    """A store of a server: text ids, a password, and a count of what is asked."""

    SCHEME = "faiss"
    asked = 0

    @classmethod
    def open(cls, address):
        return cls(address)

    create = None

    def facts(self):
        return Facts(rows=300, dim=6, metric=None, id_kind="string")

    def ids(self):
        type(self).asked += 1
        return np.sort([f"d{i}" for i in IDS])

    def fetch(self, ids, *, payload=False):
        assert len(np.unique(ids)) == len(ids) <= 4096
        where = {f"d{i}": row for row, i in enumerate(IDS)}
        return Rows(ids, X[[where[i] for i in ids.tolist()]])

    def stamp(self):
        return "1"

    upsert = delete = shadow = finish = cutover = rollback = state = drop = None


Counting.__abstractmethods__ = frozenset()


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setattr(stores, "store_class", lambda address: Counting)
    return "pgvector://me:sesame@host:1/base/docs?vector=emb&token=sesame"


def test_a_store_is_a_space_like_any_other(address):
    space = isthmus.open(address)
    assert (len(space), space.dim, space.name, space.metric) == (300, 6, "docs", "inner")
    assert (space.dtype, space.stored, space.id_kind) == (np.float32, np.float32, "int")
    order = np.argsort(IDS)
    assert np.array_equal(space.ids, IDS[order])
    assert np.array_equal(space.vectors(), X[order])
    assert np.array_equal(space.take([7, 3, 7]), X[order][[7, 3, 7]])
    blocks = list(space.blocks(128))
    assert [len(block) for block in blocks] == [128, 128, 44]
    assert np.array_equal(np.concatenate([block.vectors for block in blocks]), X[order])
    assert space.provenance == {"store": address}
    assert isthmus.open(Address.parse(address), name="mine", metric="cosine").metric == "cosine"


def test_it_pairs_fits_and_translates(address, tmp_path):
    target = isthmus.open(X @ np.random.default_rng(2).normal(size=(6, 4)), ids=IDS)
    space = isthmus.open(address, encoder="old")
    bridge = isthmus.fit(isthmus.pair(space, target), method="affine")
    moved = isthmus.translate(space, bridge, tmp_path / "new")
    assert np.array_equal(moved.ids, np.sort(IDS))
    assert np.allclose(moved.vectors(), target.vectors()[np.argsort(IDS)], atol=1e-4)


def test_ids_are_asked_for_once_and_nothing_shown_holds_a_secret(served, tmp_path):
    Counting.asked = 0
    space = isthmus.open(served)
    for _ in range(3):
        assert space.ids[0] == "d0"
        space.take([1, 1, 299])
    assert Counting.asked == 1
    bridge = isthmus.fit(space, isthmus.open(X, ids=[f"d{i}" for i in IDS]), method="affine")
    moved = isthmus.translate(space, bridge, tmp_path / "new")
    bridge.save(tmp_path / "b.isthmus")
    shown = [repr(space), space.name, str(space.provenance), repr(space.opened), str(moved)]
    shown += [str(isthmus.doctor(space)), json.dumps(isthmus.doctor(space).as_dict())]
    shown += [repr(space.vector_column.store)]
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert not any("sesame" in text for text in shown)
    assert b"sesame" not in written
    # To open it again in another process, and only for that, the whole address is kept.
    again = opening(space, operation="test")
    assert hash(again["source"]) is not None
    assert isthmus.open(**again).ids[0] == "d0"
    with pytest.raises(InputError) as refused:
        isthmus.open(served, ids="doc_id")
    assert "?id=doc_id" in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_no_driver_is_imported_before_its_store(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, numpy as np, isthmus; isthmus.open(np.eye(3)); "
        "from isthmus.spaces.stores import STORES; "
        "print([m for t in STORES.values() for m in t.packages if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_rows_that_are_gone_or_of_another_width_are_told(address, tmp_path):
    space = isthmus.open(address)
    store = space.vector_column.store
    stamp = space.vector_column.stamp()
    store.delete(IDS[:1])
    assert space.vector_column.stamp() != stamp
    with pytest.raises(StorageError, match="changed meanwhile"):
        space.vectors()
    store.shadow("j", dim=3, metric=None).upsert(Rows(IDS, X[:, :3]))
    store.cutover("j")
    with pytest.raises(StorageError, match=r"3 dimensions.*replaced meanwhile"):
        space.vectors()


def test_an_empty_collection_and_wrong_arguments_are_refused(tmp_path, address):
    create(f"faiss://{tmp_path}/none", dim=6, metric="inner", id_kind="int")
    with pytest.raises(InputError, match="an empty set"):
        isthmus.open(f"faiss://{tmp_path}/none")
    for wrong in ({"ids": IDS}, {"vectors": "emb"}, {"scale": 0.1}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}=.*Name columns in it"):
            isthmus.open(address, **wrong)
    with pytest.raises(InputError, match=r"nosuch.*faiss://"):
        isthmus.open("nosuch://x/y")
    assert StoreColumn.scattered
    assert not Path("nosuch:").exists()


def test_a_connection_that_tells_nothing_is_closed(served, monkeypatch):
    closed = []

    def refuse(store):
        raise StorageError("ask", "nothing", "an answer")

    monkeypatch.setattr(Counting, "ids", refuse)
    monkeypatch.setattr(Counting, "close", lambda store: closed.append(store))
    with pytest.raises(StorageError, match="an answer"):
        isthmus.open(served)
    assert len(closed) == 1
