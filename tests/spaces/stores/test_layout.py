"""Layouts: a cursor believes no length beyond the file, columns copy the rows asked for exactly."""

import io
import tracemalloc

import numpy as np
import pytest

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.stores.layout import Cursor, HalfColumn, ScatteredColumn

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def written(folder, data):
    path = folder / "a"
    path.write_bytes(data)
    return path


# -- the cursor --------------------------------------------------------------------------------


def test_numbers_values_and_bytes_come_in_the_order_of_the_file(tmp_path):
    ids = np.array([-(1 << 63), (1 << 63) - 1], "<i8")
    data = b"\xff\xff\xff\xff" + b"\x02" + bytes(7) + ids.tobytes() + b"tail"
    with Cursor(written(tmp_path, data)) as cursor:
        assert cursor.number("<i4") == -1
        assert cursor.number("<u8") == 2
        assert cursor.values("<i8", 2).tolist() == ids.tolist()
        assert cursor.skip(1) == 28
        assert bytes(cursor.bytes(3)) == b"ail"
        assert cursor.at == cursor.size == len(data)


def test_nothing_is_a_length_too(tmp_path):
    with Cursor(written(tmp_path, b"")) as cursor:
        assert cursor.bytes(0) == b""
        assert cursor.values("<i8", 0).tolist() == []
        assert cursor.skip(0) == cursor.size == 0
        with pytest.raises(FormatError, match=r"truncated file of 0 bytes.*at least 1 bytes"):
            cursor.number("u1")


@pytest.mark.parametrize("count", [11, 1 << 31, 1 << 62, (1 << 64) - 1, 1 << 70, -1])
@pytest.mark.parametrize("ask", ["bytes", "skip", "values"])
def test_a_length_beyond_the_file_allocates_nothing_and_moves_nothing(ask, count, tmp_path):
    with Cursor(written(tmp_path, bytes(10))) as cursor:
        tracemalloc.start()
        try:
            with pytest.raises(FormatError, match="truncated"):
                getattr(cursor, ask)(*(["<f4"] if ask == "values" else []), count)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
        assert cursor.at == 0
        assert len(cursor.bytes(10)) == 10


def test_a_file_that_shrinks_while_it_is_read_is_truncated(tmp_path):
    path = written(tmp_path, bytes(100))
    with Cursor(path) as cursor:
        path.write_bytes(bytes(30))
        with pytest.raises(FormatError, match="truncated file of 30 bytes"):
            cursor.bytes(80)


def test_a_short_read_is_no_end(tmp_path):
    class Slow(io.BytesIO):
        def readinto(self, view):
            return super().readinto(view[:3])

    with Cursor(written(tmp_path, b"0123456789")) as cursor:
        cursor._file.close()
        cursor._file = Slow(b"0123456789")
        assert bytes(cursor.bytes(10)) == b"0123456789"


def test_what_cannot_be_opened_is_told_and_the_file_is_closed_at_the_end(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageError, match=f"read {path.name}"):
            Cursor(path)
    with Cursor(written(tmp_path, b"x")) as cursor:
        assert not cursor._file.closed
    assert cursor._file.closed
    error = cursor.bad("this", "that", "Do so.")
    assert str(error) == "read a: got this; expected that. Do so."


# -- scattered rows ----------------------------------------------------------------------------


def scattered(folder, gaps):
    """X in a file with so many bytes before each row, and where the rows begin."""
    data, offsets = b"", []
    for row, gap in zip(X, gaps, strict=True):
        data += b"\xee" * gap
        offsets.append(len(data))
        data += row.astype("<f4").tobytes()
    return ScatteredColumn(written(folder, data), np.array(offsets), 3), data


@pytest.mark.parametrize("seed", range(3))
def test_rows_at_any_bytes_are_read_exactly(seed, tmp_path):
    rng = np.random.default_rng(seed)
    column, _ = scattered(tmp_path, rng.integers(0, 7, len(X)))
    assert (column.offsets % 4 != 0).any()
    assert column.shape == (20, 3)
    assert np.array_equal(column.read(0, 20), X)
    assert np.array_equal(column.read(4, 9), X[4:9])
    rows = rng.integers(0, 20, 50)  # out of order, and some of them twice
    found = column.take(rows)
    assert np.array_equal(found, X[rows])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_no_rows_are_read_without_the_file(tmp_path):
    column = ScatteredColumn(tmp_path / "none", np.zeros(0, np.int64), 3)
    for found in (column.read(0, 0), column.take(np.zeros(0, np.int64))):
        assert (found.shape, found.dtype) == ((0, 3), np.float32)
    assert scattered(tmp_path, [0] * 20)[0].read(5, 5).shape == (0, 3)


def test_rows_beyond_a_file_that_shrank_are_told_and_the_others_still_read(tmp_path):
    column, data = scattered(tmp_path, [1] * 20)
    column.path.write_bytes(data[:-1])
    assert np.array_equal(column.read(0, 19), X[:19])
    with pytest.raises(FormatError, match=f"{len(data) - 1} bytes; expected at least {len(data)}"):
        column.take(np.array([19, 0]))
    column.path.unlink()
    with pytest.raises(StorageError, match="No such file"):
        column.read(0, 1)


def test_what_was_read_outlives_the_file_and_may_be_written_to(tmp_path):
    column, _ = scattered(tmp_path, [3] * 20)
    found = column.read(0, 20)
    column.path.write_bytes(b"")
    found += 0
    assert np.array_equal(found, X)


# -- half precision ----------------------------------------------------------------------------


def test_every_float16_becomes_the_float32_it_equals():
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(-1, 4)
    half = bits.view(np.float16)
    column = HalfColumn(ArrayColumn(half))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(column.read(0, len(bits)), half.astype(np.float64))


def test_every_bfloat16_becomes_the_float32_whose_upper_bits_it_is():
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(-1, 4)
    found = HalfColumn(ArrayColumn(bits)).read(0, len(bits))
    assert found.dtype == np.float32
    assert np.array_equal(found.view(np.uint32), bits.astype(np.uint32) * 65536)
    # By the definition of the format: a sign, 8 bits of exponent, 7 of fraction.
    for code, value in ((0x3F80, 1.0), (0xC040, -3.0), (0x0001, 2.0**-133), (0x7F7F, 3.3895314e38)):
        assert found.reshape(-1)[code] == np.float32(value)


@pytest.mark.parametrize("dtype", [np.float16, np.uint16])
def test_half_rows_are_taken_in_the_order_asked_for(dtype):
    stored = np.arange(12, dtype=dtype).reshape(4, 3)
    column = HalfColumn(ArrayColumn(stored))
    assert (column.shape, column.dtype, column.scattered) == ((4, 3), np.float32, True)
    rows = np.array([3, 0, 3])
    assert np.array_equal(column.take(rows), column.read(0, 4)[rows])
    assert column.take(rows[:0]).shape == (0, 3)
