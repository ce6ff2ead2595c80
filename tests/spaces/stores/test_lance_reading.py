"""Rows of a Lance table by id: the right ones, in the order asked for, of the newest version."""

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import lance_reading as module
from isthmus.spaces.stores.lance_reading import Reading

lancedb = pytest.importorskip("lancedb", reason="LanceDB's client is not installed")

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
ORDER = np.random.default_rng(1).permutation(40)
SMALL, LARGE = -(1 << 63), (1 << 63) - 1


class Gone(StorageError):
    def __init__(self, ids):
        super().__init__("read", f"{list(ids)}", "rows that exist")


def reading(key="id", vector="vector", filter=""):
    return Reading(key, vector, filter=filter, where="read docs", gone=Gone)


@pytest.fixture
def made(tmp_path):
    """A table with these ids, a vector and a number a row, and text where n is odd."""

    def make(ids, *, key="id", vector="vector", kind=None, without=()):
        n = len(ids)
        rows = [None if i in without else X[i].tolist() for i in range(n)]
        return lancedb.connect(tmp_path).create_table(
            "docs",
            pa.table(
                {
                    key: pa.array(ids, kind),
                    vector: pa.array(rows, pa.list_(pa.float32(), 4)),
                    "n": pa.array(range(n), pa.int64()),
                    "text": pa.array([f"t{i}" if i % 2 else None for i in range(n)], pa.string()),
                }
            ),
            mode="overwrite",
            on_bad_vectors="null" if without else "error",
        )

    return make


def rows_of(found):
    """The numbers of the rows, checked against their vectors."""
    numbers = found.column("n").to_numpy()
    vectors = np.array(found.column("vector").to_pylist(), np.float32)
    assert np.array_equal(vectors, X[numbers])
    return numbers.tolist()


COLUMNS = ["vector", "n", "text"]


@pytest.mark.parametrize("take", [65536, 7, 1])
@pytest.mark.parametrize("kind", ["int", "text"])
def test_rows_come_in_the_order_asked_for_and_as_often(kind, take, made, monkeypatch):
    monkeypatch.setattr(module, "TAKE", take)
    ids = ORDER * 3 if kind == "int" else np.array([f"d{i}" for i in ORDER])
    table, one = made(ids.tolist()), reading()
    asked = np.random.default_rng(2).integers(0, 40, 60)
    found = one.take(table, 1, ids[asked], COLUMNS)
    assert rows_of(found) == asked.tolist()
    assert found.column("text").to_pylist() == [f"t{i}" if i % 2 else None for i in asked]
    assert found.column_names == COLUMNS
    assert one.take(table, 1, ids[:0], COLUMNS).num_rows == 0
    assert one.take(table, 1, ids[:0], COLUMNS).column_names == COLUMNS


def test_rows_are_found_after_others_were_removed_and_the_files_joined(made):
    table, one = made(ORDER.tolist()), reading()
    table.delete("id % 3 = 0")
    table.update(where="id = 4", values={"text": "new"})
    table.optimize()
    left = np.array([i for i in range(40) if i % 3])
    assert one.places(table, table.version)[0].tolist() == left.tolist()
    found = one.take(table, table.version, left[::-1], COLUMNS)
    assert ORDER[rows_of(found)].tolist() == left[::-1].tolist()


def test_ids_at_the_limits_of_64_bits(made):
    ids = np.array([LARGE, 0, SMALL, -1])
    table, one = made(ids.tolist()), reading()
    assert one.places(table, 1)[0].tolist() == sorted(ids.tolist())
    assert rows_of(one.take(table, 1, ids, COLUMNS)) == [0, 1, 2, 3]
    for other in (LARGE - 1, SMALL + 1):
        with pytest.raises(Gone, match=f"{other}"):
            one.take(table, 1, np.array([0, other]), COLUMNS)


def test_ids_beyond_them_are_refused(made):
    table = made([1, 1 << 63], kind=pa.uint64())
    with pytest.raises(InputError, match=f"the id {1 << 63}.*Make them text"):
        reading().places(table, 1)


TEXTS = np.array(["a'b", 'a"b', "a`b", "a\\b", "a\nb", "é", "\u4e2d", "\U0001f600", "", "%", "--"])


@pytest.mark.parametrize("dtype", [np.str_, object])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_any_text_is_an_id_in_arrays_of_either_dtype(kind, dtype, made):
    table, one = made(TEXTS.tolist(), kind=kind), reading()
    asked = TEXTS[::-1].astype(dtype)
    assert rows_of(one.take(table, 1, asked, COLUMNS)) == list(range(len(TEXTS)))[::-1]
    assert one.places(table, 1)[0].tolist() == sorted(TEXTS.tolist())
    with pytest.raises(Gone, match="nosuch"):
        one.take(table, 1, np.array(["é", "nosuch"], dtype), COLUMNS)


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [([1, 2], np.array(["1"])), (["1", "2"], np.array([1])), ([], np.array([1]))],
)
def test_ids_of_the_other_kind_and_of_no_rows_are_gone(ids, wrong, made):
    kind = None if ids else pa.int64()
    with pytest.raises(Gone):
        reading().take(made(ids, kind=kind), 1, wrong, COLUMNS)


@pytest.mark.parametrize("wrong", [np.array([1.0]), np.array([[1]]), np.array([None])])
def test_what_is_no_id_is_refused(wrong, made):
    with pytest.raises(InputError, match="read docs"):
        reading().take(made([1, 2]), 1, wrong, COLUMNS)


@pytest.mark.parametrize("name", ["my id", "a'b", 'a"b', "Ä", "SELECT", "UPPER", "x\\y", "1"])
def test_columns_may_have_any_name(name, made):
    for key, vector in ((name, "vector"), ("id", name)):
        table = made([3, 1, 2], key=key, vector=vector, without=[1])
        one = reading(key, vector)
        assert (one.count(table), one.count(table, missing=True)) == (2, 1)
        assert one.places(table, 1)[0].tolist() == [2, 3]
        assert one.every(table).tolist() == [3, 1, 2]
        assert one.every(table, vector=True).tolist() == [3, 2]
        assert one.take(table, 1, np.array([2, 3]), [vector, "n"]).column("n").to_pylist() == [2, 0]


def test_a_filter_and_a_missing_vector_hide_rows_from_all_but_every(made):
    table = made(list(range(10)), without=[3, 8])
    one = reading(filter="id < 5 OR id = 8")
    assert one.places(table, 1)[0].tolist() == [0, 1, 2, 4]
    assert (one.count(table), one.count(table, missing=True)) == (4, 2)
    assert one.every(table).tolist() == list(range(10))
    assert one.every(table, vector=True).tolist() == [0, 1, 2, 4, 5, 6, 7, 9]
    for hidden in (3, 5):
        with pytest.raises(Gone, match=rf"\[.*{hidden}"):
            one.take(table, 1, np.array([hidden]), COLUMNS)


@pytest.mark.parametrize("filter", ["id <", "id < 5 -- all", "nosuch = 1", "text", "id > 'x'"])
def test_a_filter_that_is_none_is_told_without_the_librarys_sources(filter, made):
    table, one = made([1, 2]), reading(filter=filter)
    for ask in (one.count, lambda table: one.places(table, 1)):
        with pytest.raises(InputError, match="a filter in SQL") as raised:
            ask(table)
        assert ".rs:" not in str(raised.value)


def test_ids_that_repeat_or_are_missing_are_refused_only_where_seen(made):
    table = made([5, 7, 5, None], without=[2, 3])
    assert reading().places(table, 1)[0].tolist() == [5, 7]
    table = made([5, 7, 5, None], without=[3])
    with pytest.raises(InputError, match=r"1 ids twice \(first: 5\)"):
        reading().places(table, 1)
    with pytest.raises(InputError, match="1 rows without an id"):
        reading().every(table)


def test_the_places_are_read_once_for_each_version(made, monkeypatch):
    table, one = made([2, 1]), reading()
    first = one.places(table, table.version)
    with monkeypatch.context() as patch:
        patch.setattr(table, "search", lambda *_: pytest.fail("read again"))
        assert one.places(table, table.version)[0] is first[0]
    table.add(pa.table({"id": [0], "vector": pa.array([[0.0] * 4], pa.list_(pa.float32(), 4))}))
    assert one.places(table, table.version)[0].tolist() == [0, 1, 2]


def test_a_table_whose_data_is_gone_is_a_storage_error(made, tmp_path):
    made([1, 2])
    for path in (tmp_path / "docs.lance" / "data").iterdir():
        path.unlink()
    table, one = lancedb.connect(tmp_path).open_table("docs"), reading()
    for ask in (one.count, one.every, lambda table: one.places(table, 1)):
        with pytest.raises(StorageError, match="read docs: got .*Not found"):
            ask(table)
