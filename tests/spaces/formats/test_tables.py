import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError, IsthmusError

N, D = 50, 3
V = np.random.default_rng(0).standard_normal((N, D))
IDS = [f"d{k}" for k in range(N)]


def lists(values, *, fixed, dtype):
    flat = pa.array(values.astype(dtype).ravel())
    if fixed:
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pa.ListArray.from_arrays(np.arange(0, flat.__len__() + 1, values.shape[1]), flat)


def write(path, table, group=7):
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=group)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as out:
            out.write_table(table, max_chunksize=group)
    else:
        with pa.ipc.new_stream(path, table.schema) as out:
            out.write_table(table, max_chunksize=group)


SUFFIXES = pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".ipc"])


@SUFFIXES
@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_lists_of_every_kind(tmp_path, suffix, fixed, dtype):
    path = tmp_path / f"t{suffix}"
    table = pa.table({"text": IDS, "id": IDS, "emb": lists(V, fixed=fixed, dtype=dtype)})
    write(path, table)
    space = isthmus.open(path)
    expected = V.astype(dtype)
    rows = np.array([49, 0, 13, 14, 6])
    assert (space.dim, space.dtype, space.id_kind) == (D, np.dtype(dtype), "string")
    np.testing.assert_array_equal(space.vectors(), expected)
    np.testing.assert_array_equal(space.take(rows), expected[rows])
    assert space.take_ids(rows).tolist() == [IDS[r] for r in rows]
    np.testing.assert_array_equal(
        np.concatenate([b.vectors for b in space.blocks(rows=9)]), expected
    )


@SUFFIXES
def test_int8_and_integer_ids(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    raw = np.arange(12, dtype=np.int8).reshape(4, 3)
    ids = pa.array([4, 3, 2, 1], pa.uint32())
    write(path, pa.table({"v": lists(raw, fixed=True, dtype="int8"), "row": ids}))
    space = isthmus.open(path, scale=0.5)
    np.testing.assert_array_equal(space.vectors(), raw / 2)
    assert space.ids.tolist() == [4, 3, 2, 1]
    assert space.ids.dtype == np.int64


@SUFFIXES
@pytest.mark.parametrize("fixed", [True, False])
def test_null_vectors_are_named_by_id(tmp_path, suffix, fixed):
    kind = pa.list_(pa.float32(), D) if fixed else pa.list_(pa.float32())
    column = pa.array([None if k in (8, 20) else V[k].tolist() for k in range(N)], kind)
    path = tmp_path / f"t{suffix}"
    write(path, pa.table({"id": IDS, "v": column}), group=30)
    with pytest.raises(FormatError, match=r"2 vectors null \(first ids 'd8', 'd20'\)"):
        isthmus.open(path).vectors()


@SUFFIXES
def test_null_numbers_and_ragged_vectors(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    rows = [V[k].tolist() for k in range(N)]
    rows[9] = [1.0, None, 2.0]
    write(path, pa.table({"id": IDS, "v": pa.array(rows, pa.list_(pa.float32()))}))
    with pytest.raises(FormatError, match=r"with null numbers \(first ids 'd9'\)"):
        isthmus.open(path).vectors()
    rows[9], rows[30] = [1.0], [1.0] * 5
    write(path, pa.table({"id": IDS, "v": pa.array(rows, pa.list_(pa.float32()))}), group=50)
    with pytest.raises(FormatError, match=r"2 vectors of 1, 5 numbers .* 'd9', 'd30'"):
        isthmus.open(path).vectors()
    write(path, pa.table({"v": pa.array(rows, pa.list_(pa.float32()))}))
    with pytest.raises(FormatError, match=r"first rows 9"):
        isthmus.open(path).vectors()


@SUFFIXES
def test_choosing_columns(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    v = lists(V, fixed=True, dtype="float32")
    write(path, pa.table({"a": IDS, "b": range(N), "v": v}))
    with pytest.raises(FormatError, match=r"'a', 'b'\], any of which.*ids='column'"):
        isthmus.open(path)
    assert isthmus.open(path, ids="b").ids.tolist() == list(range(N))
    write(path, pa.table({"id": IDS, "v": v, "w": v}))
    with pytest.raises(FormatError, match=r"2 columns of vectors.*vectors='column'"):
        isthmus.open(path)
    assert isthmus.open(path, vectors="w").dim == D
    write(path, pa.table({"id": IDS}))
    with pytest.raises(FormatError, match="0 columns of vectors"):
        isthmus.open(path)
    write(path, pa.table({"v": v}))
    assert isthmus.open(path).id_kind == "range"
    write(path, pa.table({"id": [None, *IDS[1:]], "v": v}))
    with pytest.raises(FormatError, match="without an id"):
        isthmus.open(path).ids  # noqa: B018
    write(path, pa.table({"id": pa.array(IDS).dictionary_encode(), "v": v}))
    assert isthmus.open(path).ids.tolist() == IDS


@SUFFIXES
def test_empty_tables(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write(path, pa.table({"id": IDS, "v": lists(V, fixed=True, dtype="float32")}).slice(0, 0))
    with pytest.raises(InputError, match="empty"):
        isthmus.open(path)
    write(path, pa.table({"id": [], "v": pa.array([], pa.list_(pa.float32()))}))
    with pytest.raises(InputError, match="empty"):
        isthmus.open(path)


@SUFFIXES
def test_slices_keep_vectors_with_their_ids(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    for fixed in (True, False):
        table = pa.table({"id": IDS, "v": lists(V, fixed=fixed, dtype="float64")})
        write(path, table.slice(11, 20), group=6)
        np.testing.assert_array_equal(isthmus.open(path).vectors(), V[11:31])


@SUFFIXES
def test_truncation(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write(path, pa.table({"id": IDS, "v": lists(V, fixed=True, dtype="float32")}))
    whole = path.read_bytes()
    for cut in (8, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:cut])
        try:
            short = len(isthmus.open(path).vectors())
        except IsthmusError:
            continue
        # An Arrow stream has no length of its own; cut between messages it only ends early.
        assert suffix == ".ipc"
        assert cut == len(whole) - 9
        assert short == N


def test_schema_metadata_declares_encoder_and_scale(tmp_path):
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    lists = pa.array([[1, 2], [3, 4]], type=pa.list_(pa.int8(), 2))
    table = pa.table({"vectors": lists}).replace_schema_metadata(
        {"encoder": "minilm", "scale": "0.5", "metric": "cosine"}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    feather.write_feather(table, tmp_path / "x.arrow", compression="uncompressed")
    for name in ("x.parquet", "x.arrow"):
        space = isthmus.open(tmp_path / name)
        assert (space.encoder, space.metric, space.scale) == ("minilm", "cosine", 0.5)
