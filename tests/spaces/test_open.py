import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import save_file

import isthmus
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.directory import write_space

V = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "layout",
    [np.ascontiguousarray, np.asfortranarray, lambda a: a.astype(a.dtype.newbyteorder(">"))],
)
def test_arrays_of_every_layout(dtype, layout):
    space = isthmus.open(layout(V.astype(dtype)))
    assert space.dtype == np.dtype(dtype)
    assert space.id_kind == "range"
    assert space.ids.tolist() == list(range(6))
    np.testing.assert_array_equal(space.vectors(), V.astype(dtype))
    assert space.vectors().flags.c_contiguous
    assert space.vectors().dtype.isnative


def save_all(folder, vectors, ids):
    table = pa.table(
        {
            "id": ids.astype(object) if ids.dtype.kind == "U" else ids,
            "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
    )
    np.savez(folder / "v.npz", vectors=vectors, ids=ids)
    np.savez_compressed(folder / "c.npz", vectors=np.asfortranarray(vectors), ids=ids)
    pq.write_table(table, folder / "v.parquet", row_group_size=3)
    with pa.ipc.new_file(folder / "v.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=4)
    write_space(folder / "space", vectors, ids, rows_per_shard=5)
    if ids.dtype.kind == "i":
        save_file({"vectors": np.ascontiguousarray(vectors), "ids": ids}, folder / "v.safetensors")


@given(
    vectors=npst.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        st.tuples(st.integers(1, 12), st.integers(1, 5)),
        elements=st.floats(-100, 100, width=16),
    ),
    text=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_every_format_gives_the_same_answer(tmp_path_factory, vectors, text):
    folder = tmp_path_factory.mktemp("formats")
    ids = np.arange(len(vectors)) * 3 - 5
    ids = np.array([f"ü{i}" for i in ids]) if text else ids
    save_all(folder, vectors, ids)
    rows = np.arange(len(vectors))[::-2]
    for path in folder.iterdir():
        space = isthmus.open(path)
        assert space.dtype == vectors.dtype, path.name
        np.testing.assert_array_equal(space.vectors(), vectors, err_msg=path.name)
        np.testing.assert_array_equal(space.take(rows), vectors[rows], err_msg=path.name)
        assert space.ids.tolist() == ids.tolist(), path.name
        pairs = isthmus.pair(space, isthmus.open(vectors, ids=ids))
        np.testing.assert_array_equal(pairs.x, pairs.y)


def test_torch_and_lists():
    np.testing.assert_array_equal(isthmus.open(torch.from_numpy(V)).vectors(), V)
    assert isthmus.open([[1.0, 2.0]]).dim == 2


def test_int8_needs_its_scale():
    raw = np.array([[-4, 2]], np.int8)
    space = isthmus.open(raw, scale=0.25)
    assert space.vectors().tolist() == [[-1, 0.5]]
    assert (space.dtype, space.stored, space.scale) == (np.float32, np.int8, 0.25)
    for scale in (None, 0, -1, float("nan")):
        with pytest.raises(InputError, match="int8 vectors and scale"):
            isthmus.open(raw, scale=scale)
    with pytest.raises(InputError, match="int8 vectors only"):
        isthmus.open(V, scale=0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.zeros(3),
        np.zeros((2, 2, 2)),
        np.zeros((2, 2), dtype=np.int32),
        np.zeros((2, 2), dtype=complex),
        np.zeros((2, 2), dtype=object),
        np.zeros((2, 2), dtype=np.longdouble),
        "a",
    ],
)
def test_refused_arrays(wrong):
    with pytest.raises((InputError, StorageError)):
        isthmus.open(wrong)


@pytest.mark.parametrize(
    "ids", [[1, 2], list("abcdefg"), [1, 2, 3, 4, 5, "a"], [0.5] * 6, [None] * 6]
)
def test_refused_ids(ids):
    with pytest.raises(InputError, match=r"ids|id "):
        isthmus.open(V, ids=ids)


def test_what_lies_under_a_mask_is_never_read(tmp_path):
    masked = np.ma.array(V, mask=V > 0)
    for vectors, ids, what in ((masked, None, "vectors"), (V, np.ma.arange(len(V)), "ids")):
        with pytest.raises(InputError, match=f"open: got {what} as a masked array.*Fill or drop"):
            isthmus.open(vectors, ids=ids)
    for blocks in ([masked], [(np.arange(len(V)), masked)], [(np.ma.arange(len(V)), V)]):
        with pytest.raises(InputError, match="as a masked array; expected a plain array"):
            write_space(tmp_path / "s", iter(blocks))
    assert not (tmp_path / "s").exists()


def test_mixed_ids_are_not_turned_into_text():
    with pytest.raises(InputError, match="id 1 in row 0"):
        isthmus.open(V, ids=[1, "b", "c", "d", "e", "f"])


def test_missing_and_unknown_paths(tmp_path):
    with pytest.raises(StorageError, match="no such file"):
        isthmus.open(tmp_path / "no.npy")
    other = tmp_path / "notes.txt"
    other.write_text("hello, this is text")
    with pytest.raises(FormatError, match=r"one of: space directory.*Parquet.*fvecs"):
        isthmus.open(other)
    other.write_bytes(b"")
    with pytest.raises(FormatError):
        isthmus.open(other)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="folder without vectors"):
        isthmus.open(tmp_path / "empty")


def test_magic_goes_before_the_suffix(tmp_path):
    path = tmp_path / "vectors.parquet"
    with path.open("wb") as file:
        np.save(file, V)
    np.testing.assert_array_equal(isthmus.open(path).vectors(), V)


@pytest.mark.parametrize(
    "suffix", ["npy", "npz", "parquet", "arrow", "feather", "safetensors", "fvecs"]
)
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"garbage that is longer than any magic", b"\xff" * 64]
)
def test_garbage_of_every_suffix_is_a_typed_error(tmp_path, suffix, content):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    with pytest.raises((FormatError, InputError)):
        isthmus.open(path).vectors()


def test_declared_facts(tmp_path):
    np.save(tmp_path / "v.npy", V)
    space = isthmus.open(
        tmp_path / "v.npy", name="old", metric="cosine", encoder="m1", ids=range(6, 12)
    )
    assert (space.name, space.metric, space.encoder) == ("old", "cosine", "m1")
    assert space.ids.tolist() == [6, 7, 8, 9, 10, 11]
    assert space.id_kind == "int"
    assert "m1" in repr(space)
    assert isthmus.open(str(tmp_path / "v.npy")).name == "v.npy"
