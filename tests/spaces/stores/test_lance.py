"""LanceDB keeps the contract of stores, and what is special to it."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.stores import Address, exchange, settle
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite

lancedb = pytest.importorskip("lancedb", reason="LanceDB's client is not installed")

from lancedb.index import BTree, IvfFlat  # noqa: E402

from isthmus.spaces.stores.lance import Lance  # noqa: E402


@pytest.fixture
def bench(tmp_path):
    return suite.Bench(
        Lance,
        lambda name: Address.parse(f"lancedb://{tmp_path}/{name}"),
        lambda address: address.elsewhere(filter="even = 1"),
    )


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, bench):
    check(bench)


def fixed(vectors):
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


@pytest.fixture
def docs(tmp_path):
    """A table as a user has it: ids shuffled, columns of many types, one row without a vector."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 4)).astype(np.float32)
    ids = rng.permutation(300)
    table = lancedb.connect(tmp_path).create_table(
        "docs",
        pa.table(
            {
                "id": ids,
                "vector": fixed(vectors),
                "when": pa.array(ids * 10**6, pa.timestamp("us")),
                "blob": pa.array([bytes([i % 7]) for i in ids]),
                "other": fixed(vectors[:, :2].copy()),
            }
        ).replace_schema_metadata({"embedding_functions": "[]", "kept": "yes"}),
    )
    table.update(where="id = 7", values_sql={"vector": "NULL"})
    return table, vectors[np.argsort(ids)]


def connect(tmp_path, **options):
    return Lance.open(Address.parse(f"lancedb://{tmp_path}/docs").elsewhere(**options))


def moved(store, *, job="j1", dim=4, metric=None):
    shadow = store.shadow(job, dim=dim, metric=metric)
    for rows in store.scan(100):
        shadow.upsert(Rows(rows.ids, np.resize(rows.vectors * 2, (len(rows), dim))))
    store.finish(job)
    return shadow


def test_a_users_table_is_carried_whole(docs, tmp_path):
    table, vectors = docs
    before = table.search().to_arrow().sort_by("id")
    with connect(tmp_path) as store:
        assert store.facts().rows == 299
        assert store.facts().missing == 1
        moved(store)
        # Beside a shadow column of this width, LanceDB would refuse a query that names none.
        assert table.search(vectors[3]).limit(1).to_list()[0]["id"] == 3
        store.cutover("j1")
    table.checkout_latest()
    after = table.search().to_arrow().sort_by("id")
    assert after.schema.names == before.schema.names
    for name in ("id", "when", "blob", "other"):
        assert after.column(name).equals(before.column(name)), name
    assert after.column("vector").null_count == 1
    assert after.schema.metadata[b"kept"] == b"yes"
    # It would embed queries with the old encoder.
    assert b"embedding_functions" not in after.schema.metadata
    with connect(tmp_path) as store:
        assert np.array_equal(store.fetch(np.array([3])).vectors[0], vectors[3] * 2)
        payload = store.fetch(np.array([3]), payload=True).payload[0]
        assert payload["when"].startswith("1970-01-01 00:00:03")
        assert "blob" not in payload


def test_indexes_are_built_for_the_shadow(docs, tmp_path):
    table, _ = docs
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=2))
    table.create_index("id", config=BTree())
    with connect(tmp_path) as store:
        assert store.facts().metric == "cosine"
        moved(store, dim=6, metric="inner")
        store.finish("j1")
        store.cutover("j1")
        facts = store.facts()
        assert (facts.metric, facts.index, facts.dim) == ("inner", "IVF_FLAT", 6)
    table.checkout_latest()
    assert {index.name for index in table.list_indices()} == {"vector_idx", "id_idx"}


def test_an_index_that_cannot_be_trained_is_left_out(docs, tmp_path):
    table, _ = docs
    table.create_index("vector", config=IvfFlat(num_partitions=2))
    table.delete("id >= 100")
    with connect(tmp_path) as store:
        moved(store)
        store.cutover("j1")
        assert store.facts().index is None


def test_no_row_is_lost_and_no_removed_row_returns(docs, tmp_path):
    table, vectors = docs
    with connect(tmp_path) as store:
        shadow = moved(store)
        table.add(pa.table({"id": [900], "vector": fixed(vectors[:1])}))
        table.delete("id = 5")
        with pytest.raises(StorageError, match="900"):
            store.cutover("j1")
        assert store.state("j1") == "shadow"
        shadow.upsert(store.fetch(np.array([900])))
        store.cutover("j1")
        assert 5 not in store.ids()
        assert len(store.ids()) == 299


def test_a_filter_cannot_lose_the_rest(docs, tmp_path):
    with connect(tmp_path, filter="id < 50") as store:
        moved(store)
        with pytest.raises(StorageError, match="without a filter"):
            store.cutover("j1")


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("back", [False, True])
def test_a_swap_in_three_steps_may_be_cut_anywhere(docs, tmp_path, monkeypatch, step, back):
    monkeypatch.setattr(exchange, "_in_one_step", lambda *_: False)
    with connect(tmp_path) as store:
        moved(store)
        if back:
            store.cutover("j1")
        act = store.rollback if back else store.cutover
        left, rename = [step], Path.rename

        def cut(path, to):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return rename(path, to)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", cut)
            with pytest.raises(Killed):
                act("j1")
    with connect(tmp_path) as store:
        assert store.facts().dim == 4
        assert store.jobs() == ("j1",)
        assert store.state("j1") in ("shadow", "live")
        (store.rollback if back else store.cutover)("j1")
        assert store.state("j1") == ("shadow" if back else "live")
        sign = 1 if back else 2
        assert np.array_equal(store.fetch(np.array([3])).vectors[0], docs[1][3] * sign)
        store.rollback("j1")
        assert np.array_equal(store.fetch(np.array([3])).vectors[0], docs[1][3])


class Killed(BaseException):
    """As sudden as a kill: nothing catches it."""


def test_an_open_handle_notices_a_swap(docs, tmp_path):
    table, vectors = docs
    for _ in range(5):  # the new table has fewer versions than the old
        table.update(where="id = 1", values={"other": [1.0, 2.0]})
    with connect(tmp_path) as other, connect(tmp_path) as store:
        before = other.stamp()
        moved(store, dim=6)
        assert other.stamp() == before
        store.cutover("j1")
        assert other.stamp() != before
        assert other.fetch(np.array([3])).vectors.shape == (1, 6)
        store.rollback("j1")
        assert other.stamp() == before
        assert np.array_equal(other.fetch(np.array([3])).vectors[0], vectors[3])


def test_an_upgrade_after_an_upgrade(docs, tmp_path):
    with connect(tmp_path) as store:
        moved(store)
        store.cutover("j1")
        moved(store, job="j2")
        store.cutover("j2")
        assert (store.state("j1"), store.state("j2")) == ("absent", "live")
        with pytest.raises(StorageError, match="no old vectors"):
            store.rollback("j1")
        store.rollback("j2")
        assert store.state("j1") == "live"


def test_a_shadow_whose_making_was_cut_is_made_again(docs, tmp_path):
    (tmp_path / "docs_isthmus_j1.lance" / "data").mkdir(parents=True)
    with connect(tmp_path) as store:
        assert store.state("j1") == "shadow"
        assert len(store.shadow("j1", dim=4, metric=None).ids()) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filter": "nosuch = 1"}, "nosuch"),
        ({"filter": "id ==="}, "filter"),
        ({"vector": "when"}, "fixed-size list"),
        ({"vector": "nosuch"}, "nosuch"),
        ({"id": "blob"}, "integers or text"),
    ],
)
def test_refuses_what_cannot_be_read(docs, tmp_path, options, said):
    with pytest.raises(InputError, match=said), connect(tmp_path, **options) as store:
        store.ids()


def test_refuses_ids_that_name_no_row(docs, tmp_path):
    table, vectors = docs
    table.add(pa.table({"id": [5], "vector": fixed(vectors[:1])}))
    with connect(tmp_path) as store, pytest.raises(InputError, match="twice"):
        store.ids()
    table.update(where="id = 5", values_sql={"id": "NULL"})
    with connect(tmp_path) as store, pytest.raises(InputError, match="without an id"):
        store.ids()


def test_payload_makes_columns_and_refuses_other_types(tmp_path):
    address = Address.parse(f"lancedb://{tmp_path}/new")
    with Lance.create(address, dim=2, metric=None, id_kind="int") as store:
        vectors = np.eye(2, dtype=np.float32)
        store.upsert(Rows(np.array([1, 2]), vectors, [{"n": 1}, {"tags": ["a"]}]))
        got = store.fetch(np.array([2, 1]), payload=True).payload
        assert got == [{"n": None, "tags": ["a"]}, {"n": 1, "tags": None}]
        with pytest.raises(InputError, match="'n'"):
            store.upsert(Rows(np.array([3]), vectors[:1], [{"n": "many"}]))
        assert len(store.ids()) == 2


def test_half_precision_is_read_and_not_written(tmp_path):
    half = np.eye(3, dtype=np.float16)
    lancedb.connect(tmp_path).create_table(
        "docs", pa.table({"id": [0, 1, 2], "vector": fixed(half)})
    )
    with connect(tmp_path) as store:
        rows = store.fetch(np.array([2, 0]))
        assert np.array_equal(rows.vectors, np.eye(3, dtype=np.float32)[[2, 0]])
        with pytest.raises(InputError, match="float32"):
            store.upsert(rows)


def test_every_file_is_synced_once(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(settle, "sync_folder", lambda path: synced.append(path.name))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("1")
    known = {}
    settle.settle(tmp_path, known)
    assert synced[:2] == ["a", "data"]
    synced.clear()
    (tmp_path / "b").write_text("1")
    settle.settle(tmp_path, known)
    assert synced[:2] == ["b", tmp_path.name]
    assert "a" not in synced


def test_what_returns_has_reached_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(settle, "sync_folder", lambda path: synced.append(str(path)))
    address = Address.parse(f"lancedb://{tmp_path}/new")
    with Lance.create(address, dim=2, metric=None, id_kind="int") as store:
        store.upsert(Rows(np.array([1, 2]), np.eye(2, dtype=np.float32)))
    files = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files <= set(synced)


def test_a_name_too_long_for_a_folder_is_refused_before_anything_is_made(tmp_path):
    def at(name):
        return Address.parse(f"lancedb://{tmp_path}/{name}")

    for act in (
        Lance.open,
        lambda address: Lance.create(address, dim=2, metric=None, id_kind="int"),
    ):
        with pytest.raises(InputError, match=r"nnn\.\.\., which takes 256 bytes.*a shorter name"):
            act(at("n" * 250))
        with pytest.raises(StorageError, match="open|create"):
            act(at("n" * 300 + "/docs"))
    assert not list(tmp_path.iterdir())
    with Lance.create(at("n" * 249), dim=2, metric=None, id_kind="int") as store:
        assert store.facts().rows == 0
        with pytest.raises(InputError, match="Give the collection, or its job, a shorter name"):
            store.shadow("j", dim=2, metric=None)
    assert len(list(tmp_path.iterdir())) == 1


def test_says_which_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[lancedb\]"):
        connect(tmp_path)
