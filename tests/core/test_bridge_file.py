"""Bridge files read: what a writer of its own wrote comes back, and every lie is told as one."""

import json
import struct
import zlib

import numpy as np
import pytest

from isthmus.core.bridge_file import FORMAT, header_crc, read
from isthmus.core.errors import FormatError, StorageError

ARRAYS = {
    "a": np.arange(6.0).reshape(2, 3), "b": np.array([1.5, -0.0], "f4"),
    "none": np.zeros((0, 4)), "one": np.array(7, "i8"), "c": np.arange(8.0).reshape(2, 2, 2),
}  # fmt: skip
CODES = {"float64": "F64", "float32": "F32", "int64": "I64"}


def described(arrays):
    """The safetensors header and body of arrays, by its specification."""
    tensors, body = {}, b""
    for name, array in arrays.items():
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        tensors[name] = {
            "dtype": CODES[array.dtype.name], "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }  # fmt: skip
        body += data
    return tensors, body


def framed(head, body):
    return struct.pack("<Q", len(head)) + head + body


def file_of(tensors, body, **said):
    """The bytes of a file whose checksums fit whatever it says."""
    said = {"format": FORMAT, "method": "it", "crc32": zlib.crc32(body), **said}
    said = {key: value for key, value in said.items() if value is not ...}
    said.setdefault("header_crc32", header_crc(said, tensors))
    text = json.dumps(said, sort_keys=True)
    return framed(json.dumps({"__metadata__": {"isthmus": text}, **tensors}).encode(), body)


@pytest.fixture
def reading(tmp_path):
    def of(data, **options):
        path = tmp_path / "b.isthmus"
        path.write_bytes(data)
        return read(path, **options)

    return of


def test_what_was_written_is_read(reading):
    tensors, body = described(ARRAYS)
    said, arrays = reading(file_of(tensors, body, params={"k": [1, 2.5, None, "é\n"]}))
    assert said["params"] == {"k": [1, 2.5, None, "é\n"]}
    assert "header_crc32" not in said
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].shape == array.shape
        assert arrays[name].flags.writeable


def test_a_file_without_tensors_is_one(reading):
    assert reading(file_of({}, b""))[1] == {}


def test_the_order_in_the_header_need_not_be_that_in_the_body(reading):
    tensors, body = described(ARRAYS)
    turned = dict(reversed(tensors.items()))
    assert np.array_equal(reading(file_of(turned, body))[1]["c"], ARRAYS["c"])


def test_only_wanted_tensors_are_made_but_all_bytes_are_checked(reading):
    tensors, body = described(ARRAYS)
    data = file_of(tensors, body)
    assert list(reading(data, wanted=lambda name: name in "ac")[1]) == ["a", "c"]
    with pytest.raises(FormatError, match="do not match their checksum"):
        reading(data[:-1] + b"\x01", wanted=lambda name: name == "a")


def test_every_cut_and_every_flipped_bit_is_noticed(reading):
    data = file_of(*described({"a": np.ones((1, 2))}))
    for end in range(len(data)):
        with pytest.raises(FormatError, match="^load bridge: got "):
            reading(data[:end])
    for at in range(len(data)):
        for bit in (1, 32):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(FormatError, match="^load bridge: got "):
                reading(bytes(changed))
    for more in (b"\0", data):
        with pytest.raises(FormatError):
            reading(data + more)


@pytest.mark.parametrize("length", [0, 1, 2**24 + 1, 2**63 - 1, 2**64 - 1])
def test_a_lying_header_length_is_refused_before_anything_is_read(reading, length):
    with pytest.raises(FormatError, match="no sensible header length"):
        reading(struct.pack("<Q", length) + file_of(*described(ARRAYS))[8:])


@pytest.mark.parametrize(
    "head",
    [
        b"[]", b"3", b"null", b'"a"', b"{", b"{}x", b"\xff\xfe", b'{"a": 1}',
        b'{"__metadata__": null}', b'{"__metadata__": []}', b'{"__metadata__": {"isthmus": {}}}',
        b'{"__metadata__": {"isthmus": "[]"}}', b'{"__metadata__": {"isthmus": "\\ud800"}}',
        b'{"__metadata__": {"isthmus": "{"}}', b'{"__metadata__": {"isthmus": ""}}',
        b"{" + b'"a":[' * 100_000, b"9" * 5000,
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_foreign(reading, head):
    with pytest.raises(FormatError, match="Fit the bridge anew") as error:
        reading(framed(head, b""))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("version", [1, 3, "2", None, [2], ..., "x" * 10**5])
def test_another_format_is_told_by_its_number(reading, version):
    with pytest.raises(FormatError, match="of format .*Use the Isthmus version that") as error:
        reading(file_of(*described(ARRAYS), format=version))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("wrong", [0, None, "1", ..., [1], True])
def test_checksums_must_be_those_of_the_bytes(reading, wrong):
    for name in ("crc32", "header_crc32"):
        said = {"header_crc32": wrong} if name == "header_crc32" else {"crc32": wrong}
        if wrong is ... and name == "header_crc32":
            continue
        with pytest.raises(FormatError, match="not match (their|its) checksum"):
            reading(file_of(*described(ARRAYS), **said))


def test_a_key_given_twice_is_noticed_though_the_checksums_fit(reading):
    tensors, body = described({"a": np.ones((1, 2))})
    data = file_of(tensors, body)
    head = data[8 : len(data) - len(body)]
    twice = head[:-1] + b', "a": ' + json.dumps(tensors["a"]).encode() + b"}"
    assert json.loads(twice) == json.loads(head)
    with pytest.raises(FormatError, match="a description that does not match its checksum"):
        reading(framed(twice, body))
    with pytest.raises(FormatError, match="a description that does not match"):
        reading(framed(head.replace(b'\\"method\\"', b'\\"method\\": 1, \\"method\\"'), body))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F16"}, {"dtype": "BOOL"}, {"dtype": ["F64"]}, {"dtype": None}, {"shape": "12"},
        {"shape": [3]}, {"shape": [-1, -2]}, {"shape": [1.0, 2]}, {"shape": [True, 2]},
        {"shape": [1, 1, 1, 2]}, {"shape": [2**62, 2**3]}, {"shape": {"1": 2}}, {"shape": None},
        {"data_offsets": [0, 8]}, {"data_offsets": [8, 24]}, {"data_offsets": [16, 0]},
        {"data_offsets": [-16, 0]}, {"data_offsets": [0.0, 16.0]}, {"data_offsets": [0]},
        {"data_offsets": [0, 16, 16]}, {"data_offsets": 16}, {"data_offsets": ["0", "16"]},
        {"data_offsets": [False, 16]},
    ],
)  # fmt: skip
def test_tensors_that_cannot_be_are_refused_by_name(reading, change):
    tensors, body = described({"a": np.ones((1, 2))})
    with pytest.raises(FormatError, match="tensor 'a' has an impossible description"):
        reading(file_of({"a": {**tensors["a"], **change}}, body))
    for spec in (None, [], "F64", 3, {}):
        with pytest.raises(FormatError, match="tensor 'a' has an impossible"):
            reading(file_of({"a": spec}, body))


def spec(begin, end):
    return {"dtype": "F64", "shape": [(end - begin) // 8], "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"a": spec(0, 16), "b": spec(0, 16)}, "overlaps"),
        ({"a": spec(0, 16), "b": spec(8, 24)}, "overlaps"),
        ({"a": spec(0, 8), "b": spec(16, 24)}, "overlaps"),
        ({"a": spec(8, 24)}, "overlaps"),
        ({"a": spec(0, 16)}, "8 bytes belong to no tensor"),
        ({}, "24 bytes belong to no tensor"),
    ],
)
def test_every_byte_belongs_to_one_tensor(reading, tensors, told):
    with pytest.raises(FormatError, match=told):
        reading(file_of(tensors, np.ones(3).tobytes()))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_numbers_are_finite_where_they_are_asked_for(reading, value, dtype):
    data = file_of(*described({"a": np.ones(2), "bad": np.array([1, value], dtype)}))
    with pytest.raises(FormatError, match="tensor 'bad' holds NaN or infinity"):
        reading(data)
    assert list(reading(data, wanted=lambda name: name == "a")[1]) == ["a"]


def test_names_are_shown_within_a_line(reading):
    name = "\x1b[2J\n" + "x" * 10**5
    with pytest.raises(FormatError) as error:
        reading(file_of({name: None}, b""))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_the_checksum_of_a_header_is_of_all_else_it_says():
    tensors, _ = described(ARRAYS)
    said = {"method": "it", "k": 1}
    crc = header_crc(said, tensors)
    assert crc == header_crc({"k": 1, "method": "it", "header_crc32": 5}, tensors)
    assert crc == zlib.crc32(json.dumps([said, tensors], sort_keys=True).encode())
    assert crc != header_crc({**said, "k": 2}, tensors)
    assert crc != header_crc(said, {})


@pytest.mark.parametrize("name", ["none", ".", "a\0b", "a" * 5000])
def test_a_file_that_cannot_be_read_is_a_matter_of_storage(tmp_path, name):
    with pytest.raises(StorageError, match="(?s)^load bridge: got .*a readable file"):
        read(tmp_path / name)
