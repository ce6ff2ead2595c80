"""Bridge files: atomic, checked, and nothing foreign gets in."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save_file

import isthmus
from isthmus.bridges import file
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.files import check_folder

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(4)}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "x.isthmus"
    file.write(path, {"hello": "world"}, ARRAYS)
    return path


def test_round_trip_and_plain_safetensors(written):
    description, arrays = file.read(written)
    assert description["hello"] == "world"
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert set(load(written.read_bytes())) == {"a", "b"}


def test_arrays_out_of_order_in_memory_are_written_right(tmp_path):
    """safetensors alone writes the bytes of a transposed array as if it were not."""
    path = tmp_path / "x.isthmus"
    file.write(path, {}, {"t": ARRAYS["a"].T, "s": np.arange(10.0)[::2]})
    _, arrays = file.read(path)
    np.testing.assert_array_equal(arrays["t"], ARRAYS["a"].T)
    np.testing.assert_array_equal(arrays["s"], np.arange(10.0)[::2])


def test_every_flipped_bit_of_the_tensors_is_noticed(written):
    good = bytearray(written.read_bytes())
    for position in (-1, -30, -79):
        bad = bytearray(good)
        bad[position] ^= 1
        written.write_bytes(bad)
        with pytest.raises(FormatError, match="checksum|impossible|finite|header"):
            file.read(written)


def header(text, size=None):
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(data) if size is None else size) + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + bytes(100),
        header(b"{}", size=2**40),
        header(b"{}", size=2**63),
        header(b"not json"),
        header(b"[" * 100_000),
        header([1, 2]),
        header({"__metadata__": {"other": "x"}}),
        header({"__metadata__": {"isthmus": "[]"}}),
        header({"__metadata__": {"isthmus": json.dumps({"format": 99})}}),
        header({"__metadata__": {"isthmus": json.dumps({"format": 1, "crc32": 5})}}),
    ],
)
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "x.isthmus"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="load bridge"):
        file.read(path)


@pytest.mark.parametrize(
    "spec",
    [
        {"dtype": "F64", "shape": [10**12], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [1], "data_offsets": [0, 16]},
        {"dtype": "F64", "shape": [True], "data_offsets": [0, 8]},
        {"dtype": "O", "shape": [1], "data_offsets": [0, 8]},
        {"shape": [1]},
        "text",
    ],
)
def test_impossible_tensors_are_refused(tmp_path, spec):
    path = tmp_path / "x.isthmus"
    meta = {"isthmus": json.dumps({"format": 1, "crc32": 0x6522DF69})}  # crc32 of 8 zero bytes
    path.write_bytes(header({"__metadata__": meta, "t": spec}) + bytes(8))
    with pytest.raises(FormatError, match="impossible"):
        file.read(path)


def test_a_plain_safetensors_file_is_no_bridge(tmp_path):
    save_file(ARRAYS, tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match="no isthmus description"):
        file.read(tmp_path / "x.safetensors")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "x.isthmus"
    with pytest.raises(InputError, match=r"a \(1,\) with NaN"):
        file.write(path, {}, {"a": np.array([np.nan])})


def test_missing_and_unwritable_places(tmp_path):
    with pytest.raises(StorageError):
        file.read(tmp_path / "missing.isthmus")
    with pytest.raises(StorageError, match="nothing was changed"):
        file.write(tmp_path / "no" / "folder.isthmus", {}, ARRAYS)


@pytest.mark.parametrize("ask", [isthmus.load, lambda a: check_folder(Path(a), operation="fit")])
def test_an_address_in_place_of_a_path_is_not_repeated(ask):
    with pytest.raises(InputError, match="begins like an address") as raised:
        ask("pgvector://me:open-sesame@host/base/table")
    assert "sesame" not in str(raised.value)
