import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

import isthmus
from isthmus.core.errors import FormatError, IsthmusError

V = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors(tmp_path, dtype):
    path = tmp_path / "v.safetensors"
    ids = np.arange(9)[::-1].copy()
    save_file({"embeddings": V.astype(dtype), "ids": ids}, path, metadata={"a": "b"})
    space = isthmus.open(path)
    np.testing.assert_array_equal(space.vectors(), V.astype(dtype))
    assert space.ids.tolist() == ids.tolist()
    save_file({"a": V, "b": V * 2}, path)
    with pytest.raises(FormatError, match="Name the key"):
        isthmus.open(path)
    np.testing.assert_array_equal(isthmus.open(path, vectors="b").vectors(), V * 2)


def raw(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(**changes):
    return {"vectors": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            (10**12).to_bytes(8, "little") + b"{}",
            "claiming 1,000,000,000,000 bytes in a file of 10",
        ),
        (b"\xff" * 8, "claiming"),
        (b"\0", "claiming"),
        (raw(b"{"), "broken header"),
        (raw(b"[" * 100_000), "broken header"),
        (raw([1]), "broken header"),
        (raw(entry(), b"\0" * 7), "truncated"),
        (raw(entry(shape=[10**9, 10**9]), b"\0" * 8), "do not fit"),
        (raw(entry(shape=[-2, -1]), b"\0" * 8), "broken entry"),
        (raw(entry(shape=[True, 2]), b"\0" * 8), "broken entry"),
        (raw(entry(shape=[2]), b"\0" * 8), "matrix"),
        (raw(entry(data_offsets=[8, 0]), b"\0" * 8), "do not fit"),
        (raw(entry(data_offsets=[0]), b"\0" * 8), "broken entry"),
        (raw(entry(dtype="BF16"), b"\0" * 8), "'BF16'; expected one of"),
        (raw({"vectors": 3}), "broken entry"),
        (raw({}), "tensors"),
    ],
)
def test_hostile_headers(tmp_path, content, message):
    path = tmp_path / "v.safetensors"
    path.write_bytes(content)
    with pytest.raises(IsthmusError, match=message):
        isthmus.open(path).vectors()


@given(st.integers(0, 120), st.binary(min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_mutated_headers_are_typed_errors(read_mutated, at, noise):
    read_mutated("v.safetensors", save({"vectors": V, "ids": np.arange(9)}), at, noise)


def test_metadata_declares_encoder_and_scale(tmp_path):
    x = np.arange(6, dtype=np.int8).reshape(3, 2)
    save_file({"vectors": x}, tmp_path / "x.safetensors", {"encoder": "minilm", "scale": "0.5"})
    space = isthmus.open(tmp_path / "x.safetensors")
    assert (space.encoder, space.scale) == ("minilm", 0.5)
