import numpy as np
import pytest

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.columns import (
    ArrayColumn,
    ChainColumn,
    FileColumn,
    RangeColumn,
    ScaledColumn,
)

WHOLE = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)


def file_column(tmp_path, array, offset=24):
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    path = tmp_path / "rows.bin"
    path.write_bytes(b"\0" * offset + array.tobytes(order=order))
    return FileColumn(path, offset, array.shape, array.dtype, fortran=order == "F")


LAYOUTS = {
    "C": WHOLE,
    "fortran": np.asfortranarray(WHOLE),
    "strided": np.repeat(np.repeat(WHOLE, 2, axis=0), 2, axis=1)[::2, ::2],
    "big-endian": WHOLE.astype(">f4"),
    "big-endian fortran": np.asfortranarray(WHOLE.astype(">f4")),
    "reversed": WHOLE[::-1].copy()[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["array", "file", "chain"])
def test_every_layout_reads_alike(tmp_path, layout, kind):
    array = LAYOUTS[layout]
    if kind == "file":
        column = file_column(tmp_path, array)
    elif kind == "array":
        column = ArrayColumn(array)
    else:
        column = ChainColumn(
            [ArrayColumn(array[:7]), ArrayColumn(array[7:8]), ArrayColumn(array[8:])]
        )
    assert column.shape == (50, 3)
    rows = np.array([49, 0, 7, 7, 8, 6])
    for got, expected in [
        (column.read(0, 50), WHOLE),
        (column.read(5, 9), WHOLE[5:9]),
        (column.read(9, 9), WHOLE[9:9]),
        (column.take(rows), WHOLE[rows]),
        (column.take(rows[:0]), WHOLE[:0]),
    ]:
        assert got.dtype == np.float32
        assert got.dtype.isnative
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, expected)


def test_a_file_that_shrinks_is_an_error_and_no_crash(tmp_path):
    column = file_column(tmp_path, WHOLE)
    column.path.write_bytes(column.path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"truncated file of 524 bytes"):
        column.read(0, 50)
    with pytest.raises(FormatError, match="truncated"):
        column.take(np.array([49]))
    column.path.unlink()
    with pytest.raises(StorageError, match=r"rows\.bin"):
        column.read(0, 1)


def test_sparse_takes_equal_dense_ones(tmp_path):
    column = file_column(tmp_path, WHOLE)
    np.testing.assert_array_equal(column.take(np.array([0, 49])), WHOLE[[0, 49]])


def test_virtual_ids_cost_nothing():
    column = RangeColumn(10**15)
    assert column.read(10**14, 10**14 + 2).tolist() == [10**14, 10**14 + 1]
    assert column.take(np.array([5, 3])).tolist() == [5, 3]


def test_scaled_int8():
    raw = np.array([[-128, 127], [1, 0]], dtype=np.int8)
    column = ScaledColumn(ArrayColumn(raw), 0.5)
    assert column.dtype == np.float32
    assert column.read(0, 2).tolist() == [[-64, 63.5], [0.5, 0]]
    assert column.take(np.array([1])).dtype == np.float32
