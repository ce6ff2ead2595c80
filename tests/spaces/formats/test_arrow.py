import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import FormatError

V = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
IDS = [f"d{k}" for k in range(9)]
VECTORS = pa.FixedSizeListArray.from_arrays(pa.array(V.ravel()), 3)
TABLE = pa.table({"id": IDS, "v": VECTORS})
WRITERS = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}


def write(path, table, *, kind="file", rows=4, **options):
    options = pa.ipc.IpcWriteOptions(**options)
    with WRITERS[kind](path, table.schema, options=options) as out:
        out.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.IPC"])
@pytest.mark.parametrize("kind", WRITERS)
def test_the_bytes_say_whether_it_is_a_file_or_a_stream(tmp_path, kind, name):
    space = isthmus.open(write(tmp_path / name, TABLE, kind=kind))
    np.testing.assert_array_equal(space.vectors(), V)
    assert space.ids.tolist() == IDS


def test_a_file_is_known_without_its_suffix(tmp_path):
    assert isthmus.open(write(tmp_path / "t", TABLE)).ids.tolist() == IDS


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_batches(tmp_path, kind, codec):
    space = isthmus.open(write(tmp_path / "t.arrow", TABLE, kind=kind, compression=codec))
    np.testing.assert_array_equal(space.take([8, 0, 4]), V[[8, 0, 4]])


def test_every_batch_of_a_stream_may_bring_its_own_dictionary(tmp_path):
    halves = [pa.array(IDS[a:b]).dictionary_encode() for a, b in ((0, 5), (5, 9))]
    ids = pa.chunked_array(halves)
    path = write(tmp_path / "t.arrow", pa.table({"id": ids, "v": VECTORS}), kind="stream")
    assert isthmus.open(path).ids.tolist() == IDS


def test_an_id_that_is_null_in_its_dictionary_is_none(tmp_path):
    ids = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    path = write(tmp_path / "t.arrow", pa.table({"id": ids, "v": VECTORS[:3]}))
    with pytest.raises(FormatError, match=r"t\.arrow.*1 rows without an id.*rows: 1\).*Drop"):
        isthmus.open(path).ids  # noqa: B018


def wild(what):
    """An array of 4 rows of which one points beyond its values."""
    if what == "index":
        return pa.DictionaryArray.from_arrays(pa.array([0, 1, 9, 0]), pa.array(IDS[:2]), safe=False)
    offsets = [pa.py_buffer(np.array([0, 2, 500, 6, 8], np.int32))]
    if what == "text":
        return pa.Array.from_buffers(pa.string(), 4, [None, *offsets, pa.py_buffer(b"abcdefgh")])
    numbers = [pa.array(np.arange(8, dtype=np.float32))]
    return pa.Array.from_buffers(pa.list_(pa.float32()), 4, [None, *offsets], children=numbers)


@pytest.mark.parametrize("what", ["text", "index", "list"])
def test_what_points_beyond_its_values_is_never_followed(tmp_path, what):
    """Followed, it reads whatever memory is there, or ends the process."""
    other = VECTORS[:4] if what != "list" else pa.array(IDS[:4])
    path = write(tmp_path / "t.arrow", pa.table({"wild": wild(what), "other": other}))
    with pytest.raises(FormatError, match=r"t\.arrow, column 'wild'.*out of bounds.*Copy or write"):
        isthmus.open(path).ids if what != "list" else isthmus.open(path).vectors()


@pytest.mark.parametrize(("rows", "message"), [(2**62, "sane row counts"), (2**40, "too small")])
def test_claimed_row_counts_set_nothing_aside(tmp_path, rows, message):
    table = pa.table({"v": pa.array([[1.0, 2.0]] * 777, pa.list_(pa.float32()))})
    path = write(tmp_path / "t.arrow", pa.concat_tables([table] * 2), rows=777)
    path.write_bytes(path.read_bytes().replace(b"\x09\x03" + bytes(6), rows.to_bytes(8, "little")))
    with pytest.raises(FormatError, match=rf"t\.arrow.*{message}"):
        isthmus.open(path)


def test_names_that_are_no_utf8(tmp_path):
    path = write(tmp_path / "t.arrow", TABLE.rename_columns(["id", "vé"]))
    path.write_bytes(path.read_bytes().replace("vé".encode(), b"v\xff\xfe"))
    with pytest.raises(FormatError, match=r"t\.arrow: got column names that are no UTF-8.*Write"):
        isthmus.open(path)


@pytest.mark.parametrize("content", [b"", b"A", b"ARROW1", b"ARROW1\0\0" * 9, b"FEA1" * 9])
def test_what_is_no_arrow_is_named(tmp_path, content):
    path = tmp_path / "t.arrow"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"open t\.arrow: .*Arrow IPC.* Copy or write it again"):
        isthmus.open(path)


@given(st.sampled_from([*WRITERS]), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_mutations_are_typed_errors(tmp_path_factory, read_mutated, kind, at, noise):
    path = write(tmp_path_factory.mktemp("fuzz") / "t.arrow", TABLE, kind=kind)
    read_mutated("t.arrow", path.read_bytes(), at, noise)
