"""Lance tables as arrays: what goes into Arrow comes back, what cannot is refused in words."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import lance_tables as module

X = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
LIMITS = [-(1 << 63), (1 << 63) - 1]


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ValueError, TypeError, RuntimeError, OSError, NotImplementedError, pa.ArrowInvalid]
)
def test_an_error_of_the_client_is_a_storage_error_without_its_sources(error):
    with pytest.raises(StorageError) as raised, module.lance("read docs", "a table"):
        raise error("no room" + " x" * 500 + ", /src/lib.rs:7")
    assert str(raised.value).startswith("read docs: got no room x")
    assert str(raised.value).endswith("; expected a table.")
    assert len(str(raised.value)) < 260
    with pytest.raises(StorageError, match="got short; "), module.lance("read docs"):
        raise error("short, /src/lib.rs:7")


def test_errors_of_isthmus_and_of_the_program_pass():
    for error in (InputError("a", "b", "c"), StorageError("a", "b", "c"), KeyError("bug")):
        with pytest.raises(type(error)) as raised, module.lance("read docs"):
            raise error
        assert raised.value is error


# -- ids ---------------------------------------------------------------------------------------


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()]


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_integers_of_any_width_are_ids_of_64_bits(kind):
    column = pa.chunked_array([pa.array([3, 1], kind), pa.array([], kind), pa.array([2], kind)])
    found = module.id_array(column, "read")
    assert (found.tolist(), found.dtype) == ([3, 1, 2], np.int64)
    back = module.ids_to_arrow(found, kind, "write")
    assert (back.to_pylist(), back.type) == ([3, 1, 2], kind)
    assert module.id_array(pa.chunked_array([], kind), "read").dtype == np.int64


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("dtype", [np.str_, object])
def test_texts_are_ids(kind, dtype):
    texts = ["b", "", "é", "\U0001f600", "a" * 5000]
    ids = np.array(texts, dtype)
    back = module.ids_to_arrow(ids, kind, "write")
    assert (back.to_pylist(), back.type) == (texts, kind)
    found = module.id_array(pa.chunked_array([back]), "read")
    assert (found.tolist(), found.dtype.kind) == (texts, "U")
    assert module.id_array(pa.chunked_array([], kind), "read").dtype.kind == "U"


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (np.array([300]), pa.int8()), (np.array([-1]), pa.uint64()), (np.array([1]), pa.string()),
        (np.array([1 << 63], np.uint64), pa.int64()), (np.array(["1"]), pa.int64()),
        (np.array([1.0]), pa.int64()), (np.array([1.0]), pa.string()),
        (np.array([True]), pa.string()), (np.array([None]), pa.int64()),
        (np.array([b"\xff"]), pa.string()), (np.array(["\ud800"]), pa.string()),
    ],
    ids=str,
)  # fmt: skip
def test_ids_that_a_column_cannot_hold_are_refused(ids, kind):
    with pytest.raises(InputError, match=f"^write: got .*expected ids of {kind}"):
        module.ids_to_arrow(ids, kind, "write")


def test_a_row_without_an_id_and_one_beyond_64_bits_are_refused():
    with pytest.raises(InputError, match="read: got 2 rows without an id"):
        module.id_array(pa.chunked_array([[1, None], [None]]), "read")
    with pytest.raises(InputError, match=f"the id {1 << 63}"):
        module.id_array(pa.chunked_array([pa.array([1 << 63], pa.uint64())]), "read")


def test_ids_in_a_filter_are_literals_of_their_kind():
    assert module.literals(np.array(LIMITS)) == "-9223372036854775808, 9223372036854775807"
    assert module.literals(np.array([7, 8], np.uint32)) == "7, 8"
    assert module.literals(np.array(["a'b", "''", "c"], object)) == "'a''b', '''''', 'c'"
    assert module.literals(np.array([], np.int64)) == ""
    for wrong in (np.array([1.5]), np.array([1, "a"], object), np.array([True])):
        with pytest.raises(InputError, match="integers"):
            module.literals(wrong)


def test_filters_of_literals_remove_the_rows_they_name(tmp_path):
    lancedb = pytest.importorskip("lancedb", reason="LanceDB's client is not installed")
    for ids in (
        np.array(["a'b", "a\\b", "a\nb", "é", "", "--", '"', "`", "%_", "' OR 1=1 --", "x"]),
        np.array([LIMITS[0] + 1, *range(-1, 2), LIMITS[1] - 1, LIMITS[1]]),
    ):
        table = lancedb.connect(tmp_path).create_table(
            "t", pa.table({"my id": ids.tolist()}), mode="overwrite"
        )
        for number, one in enumerate(ids):
            table.delete(
                f"{module.quoted('my id')} IN ({module.literals(ids[number : number + 1])})"
            )
            left = table.to_arrow().column("my id").to_pylist()
            assert one not in left
            assert len(left) == len(ids) - number - 1


def test_the_last_id_and_ids_that_repeat():
    assert module.highest(np.array([3, 9, -1])) == 9
    assert module.highest(np.array(["b", "a"])) == "b"
    assert module.highest(np.array([], np.int64)) is None
    for ids in (np.array([], np.int64), np.array([1]), np.array(["a", "b"])):
        module.once(ids, "read")
    with pytest.raises(InputError, match=r"read: got 3 ids twice \(first: 'a', 'a', 'c'\)"):
        module.once(np.array(["a", "a", "a", "b", "c", "c"]), "read")


# -- vectors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_vectors_of_any_precision_are_read_as_float32(kind):
    values = np.arange(24).reshape(6, 4) / 8
    flat = pa.array(values.reshape(-1).astype(kind.to_pandas_dtype()))
    whole = pa.FixedSizeListArray.from_arrays(flat, 4)
    column = pa.chunked_array([whole[1:3], whole[:0], whole[4:]])
    found = module.vector_array(column)
    assert found.dtype == np.float32
    assert np.array_equal(found, values[[1, 2, 4, 5]])
    assert module.vector_array(pa.chunked_array([], whole.type)).shape == (0, 4)


@pytest.mark.parametrize(
    "vectors", [X, X[::2, ::-1], X.T, X[:0], X.astype(">f4"), X.astype(np.float64)]
)
def test_vectors_go_to_arrow_whatever_their_strides_and_order(vectors):
    column = module.vectors_to_arrow(vectors)
    assert column.type == pa.list_(pa.float32(), vectors.shape[1])
    assert np.array_equal(module.vector_array(pa.chunked_array([column])), vectors)


@pytest.mark.parametrize("metric", [*module.DISTANCE, None])
def test_a_field_notes_its_metric(metric):
    field = module.vector_field("v", 3, metric)
    assert field.type == pa.list_(pa.float32(), 3)
    assert module.noted_metric(field) == metric
    assert module.noted_metric(field.with_metadata({"other": "x"})) is None


@pytest.mark.parametrize("note", [b"", b"manhattan", b"l2", b"\xff\xfe", b"cosine "])
def test_a_note_of_no_metric_is_none(note):
    assert module.noted_metric(pa.field("v", pa.null(), metadata={"isthmus.metric": note})) is None


def test_columns_are_what_they_are_to_be_or_refused():
    schema = pa.schema(
        {
            "i": pa.uint16(), "s": pa.large_string(), "f": pa.float64(), "b": pa.bool_(),
            "d": pa.dictionary(pa.int8(), pa.string()), "v": pa.list_(pa.float16(), 3),
            "w": pa.list_(pa.float32()), "q": pa.list_(pa.int8(), 3),
        }
    )  # fmt: skip
    for key in "is":
        module.check_columns(schema, key, "v", "open")
    for key in "fbdvq":
        with pytest.raises(InputError, match=f"a column '{key}' of .*integers or text as ids"):
            module.check_columns(schema, key, "v", "open")
    for vector in "wqis":
        with pytest.raises(InputError, match=f"a column '{vector}' of .*a fixed-size list"):
            module.check_columns(schema, "i", vector, "open")
    for key, vector in (("I", "v"), ("i", "")):
        with pytest.raises(InputError, match=r"no column .*one of i, s, f, b.*\?vector= and \?id="):
            module.check_columns(schema, key, vector, "open")


# -- payload -----------------------------------------------------------------------------------


WHEN = datetime.datetime(2024, 2, 29, 12, 30, 1, 5)
PAYLOAD = {
    "text": (pa.array(["a", None]), ["a", None]),
    "number": (pa.array([LIMITS[0], LIMITS[1]]), LIMITS),
    "half": (pa.array(np.array([1.5, 2], np.float16)), [1.5, 2.0]),
    "code": (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
    "day": (pa.array([WHEN.date(), None]), ["2024-02-29", None]),
    "nanoseconds": (pa.array([1, None], pa.timestamp("ns")),
                    ["1970-01-01 00:00:00.000000001", None]),
    "zoned": (pa.array([1, None], pa.timestamp("s", "UTC")), ["1970-01-01 00:00:01Z", None]),
    "time": (pa.array([5, None], pa.time32("s")), ["00:00:05", None]),
    "span": (pa.array([5, None], pa.duration("s")), ["5", None]),
    "price": (pa.array([Decimal("1.50"), None]), ["1.50", None]),
    "tags": (pa.array([["a", None], []]), [["a", None], []]),
    "times": (pa.array([[WHEN], None]), [["2024-02-29 12:30:01.000005"], None]),
    "prices": (pa.array([[Decimal("1.50")] * 2, None], pa.list_(pa.decimal128(3, 2), 2)),
               [["1.50", "1.50"], None]),
    "about": (pa.array([{"at": WHEN, "raw": b"x", "n": 1}, None]),
              [{"at": "2024-02-29 12:30:01.000005", "n": 1}, None]),
    "deep": (pa.array([[{"at": WHEN, "raw": [b"x"]}], None]),
             [[{"at": "2024-02-29 12:30:01.000005"}], None]),
}  # fmt: skip
BYTES = {
    "blob": pa.array([b"x", None]), "large": pa.array([b"x", None], pa.large_binary()),
    "fixed": pa.array([b"xy", None], pa.binary(2)), "blobs": pa.array([[b"x"], None]),
    "lists of them": pa.array([[[b"x"]], None], pa.large_list(pa.list_(pa.binary()))),
}  # fmt: skip


@pytest.mark.parametrize("name", PAYLOAD)
def test_rows_are_json_values(name):
    column, wanted = PAYLOAD[name]
    found = module.plain(pa.table({name: column}))
    assert found == [{name: value} for value in wanted]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_bytes_are_left_out_wherever_they_lie_and_the_order_stays():
    table = pa.table({"a": [1, 2], **BYTES, "z": [3, 4]})
    assert [list(row.items()) for row in module.plain(table)] == [
        [("a", 1), ("z", 3)], [("a", 2), ("z", 4)],
    ]  # fmt: skip
    assert module.plain(table.select(list(BYTES))) == [{}, {}]
    assert module.plain(table.select([])) in ([], [{}, {}])
    assert module.plain(table.slice(0, 0)) == []


def test_payload_becomes_columns_of_the_tables_types():
    schema = pa.schema({"n": pa.int32(), "at": pa.timestamp("us"), "none": pa.string()})
    rows = [
        {"n": 1, "id": 9, "new": [1.5]},
        {"at": "2024-02-29 12:30:01", "none": None, "no": None},
    ]
    found = module.payload_columns(rows, schema, ("id", "vector"), "write")
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "n": [1, None], "new": [[1.5], None], "at": [None, WHEN.replace(microsecond=0)],
        "none": [None, None],
    }  # fmt: skip
    assert found["n"].type == pa.int32()
    assert module.payload_columns([], schema, (), "write") == {}
    assert module.payload_columns([{}, {}], schema, (), "write") == {}


@pytest.mark.parametrize(
    "values",
    [
        [1, "a"], ["many"], [1.5], [1 << 31], [1 << 63], [1 << 70], [{"a": 1 << 70}], ["\ud800"],
        [object], [{"a": 1}], [[1]], [1 + 2j], [{1: 2}],
    ],
    ids=str,
)  # fmt: skip
def test_values_that_a_column_cannot_hold_are_refused_by_its_name(values):
    schema = pa.schema({"n o": pa.int32()})
    with pytest.raises(InputError, match="^write: got the column 'n o' with .*of one type"):
        module.payload_columns([{"n o": value} for value in values], schema, (), "write")


# -- indexes -----------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    """Two tables of the same rows, the second to get the first one's indexes."""
    lancedb = pytest.importorskip("lancedb", reason="LanceDB's client is not installed")

    def make(rows=600, dim=8):
        def table(width):
            return pa.table(
                {
                    "vector": module.vectors_to_arrow(np.resize(X, (rows, width))),
                    "other": module.vectors_to_arrow(X[:rows]),
                    "text": [f"word {i}" for i in range(rows)],
                    "tags": [["a", "b"]] * rows,
                    "n": [i % 4 for i in range(rows)],
                }
            )

        db = lancedb.connect(tmp_path)
        return db.create_table("a", table(8)), db.create_table("b", table(dim))

    return make


def details(table):
    return {index.name: index.index_details for index in table.list_indices()}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("HnswPq", {"m": 9, "ef_construction": 50, "num_sub_vectors": 4}),
        ("HnswSq", {"m": 7, "ef_construction": 60}), ("IvfSq", {}),
        ("IvfPq", {"num_sub_vectors": 4, "num_bits": 4}),
    ],
)  # fmt: skip
def test_an_index_of_vectors_keeps_its_kind_and_parameters(kind, settings, two):
    from lancedb import index

    source, target = two()
    for column in ("vector", "other"):
        source.create_index(column, config=getattr(index, kind)(distance_type="dot", **settings))
    module.build_indexes(source, target, "vector", "cosine")
    before, after = details(source), details(target)
    assert before.keys() == after.keys() == {"vector_idx", "other_idx"}
    for name in before:
        for what in ("hnsw", "compression"):
            assert after[name].get(what) == before[name].get(what)
    # The new vectors' metric is that of the job, another column's is its own.
    assert target.index_stats("vector_idx").distance_type == "cosine"
    assert target.index_stats("other_idx").distance_type == "dot"
    module.build_indexes(source, target, "vector", "cosine")  # what is there is left alone
    assert details(target) == after


def test_a_metric_of_none_keeps_the_indexs_own(two):
    from lancedb.index import IvfFlat

    source, target = two()
    source.create_index("vector", config=IvfFlat(distance_type="cosine"))
    module.build_indexes(source, target, "vector", None)
    assert target.index_stats("vector_idx").distance_type == "cosine"


def test_parts_of_vectors_are_not_carried_to_another_width(two):
    from lancedb.index import IvfPq

    source, target = two(dim=12)
    source.create_index("vector", config=IvfPq(num_sub_vectors=8, num_bits=4))
    module.build_indexes(source, target, "vector", None)
    assert details(target)["vector_idx"]["compression"]["num_bits"] == 4


@pytest.mark.parametrize(("rows", "built"), [(255, False), (256, True)])
def test_too_few_rows_get_the_indexes_that_need_no_codebook(rows, built, two):
    from lancedb.index import Bitmap, IvfFlat

    source, target = two()
    source.create_index("vector", config=IvfFlat(num_partitions=1))
    source.create_index("n", config=Bitmap())
    target.delete("true")
    target.add(source.to_arrow().slice(0, rows))
    module.build_indexes(source, target, "vector", None)
    assert details(target).keys() == {"n_idx", *(["vector_idx"] if built else [])}


def test_indexes_of_other_columns_are_built_as_they_were(two):
    from lancedb.index import FTS, Bitmap, BTree, LabelList

    source, target = two()
    source.create_index("text", config=FTS(with_position=True, stem=False, language="German"))
    source.create_index("tags", config=LabelList())
    source.create_index("n", config=Bitmap(), name="by n")
    source.create_index("n", config=BTree(), name="by n again")
    module.build_indexes(source, target, "vector", "inner")
    assert details(target) == details(source)
    assert [i.index_type for i in target.list_indices()] == [
        i.index_type for i in source.list_indices()
    ]


def test_a_kind_that_this_client_cannot_make_is_named(two, monkeypatch):
    from lancedb import index

    source, target = two()
    source.create_index("n", config=index.Bitmap())
    monkeypatch.delattr(index, "Bitmap")
    with pytest.raises(
        StorageError, match="build the index n_idx: got one of kind Bitmap.*Drop it"
    ):
        module.build_indexes(source, target, "vector", None)
