import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import FormatError, IsthmusError

V = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float16)
IDS = np.array([f"é{k}" for k in range(40)])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["vectors", "embeddings", "emb", "x", "anything"])
def test_usual_keys(tmp_path, save, key):
    save(tmp_path / "v.npz", **{key: V, "ids": IDS})
    space = isthmus.open(tmp_path / "v.npz")
    np.testing.assert_array_equal(space.vectors(), V)
    assert space.ids.tolist() == IDS.tolist()
    np.testing.assert_array_equal(space.take([5, 2]), V[[5, 2]])


def test_explicit_keys(tmp_path):
    np.savez(tmp_path / "v.npz", a=V, b=V * 2, names=IDS)
    with pytest.raises(FormatError, match=r"isthmus\.open"):
        isthmus.open(tmp_path / "v.npz")
    space = isthmus.open(tmp_path / "v.npz", vectors="b", ids="names")
    np.testing.assert_array_equal(space.vectors(), V * 2)
    assert space.ids[0] == "é0"
    for wrong in ({"vectors": "c"}, {"vectors": "a", "ids": "c"}):
        with pytest.raises(FormatError, match=r"'c'; expected one of \['a', 'b', 'names'\]"):
            isthmus.open(tmp_path / "v.npz", **wrong)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_pickled_ids_are_refused(tmp_path, save):
    save(tmp_path / "v.npz", vectors=V, ids=IDS.astype(object))
    with pytest.raises(FormatError, match="never loaded"):
        isthmus.open(tmp_path / "v.npz")


def test_wrong_number_of_ids(tmp_path):
    np.savez(tmp_path / "v.npz", vectors=V, ids=IDS[:-1])
    with pytest.raises(IsthmusError, match="one id a row"):
        isthmus.open(tmp_path / "v.npz")


def test_a_bomb_is_refused_by_size(tmp_path):
    path = tmp_path / "v.npz"
    np.savez_compressed(path, vectors=V)
    data = bytearray(path.read_bytes())
    central = data.rfind(b"PK\x01\x02")
    data[central + 24 : central + 28] = (4_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FormatError, match="claiming 4,000,000,000 bytes"):
        isthmus.open(path)


def test_truncation(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, vectors=V, ids=IDS)
    whole = path.read_bytes()
    for cut in (10, 100, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match="truncated or broken zip"):
            isthmus.open(path)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_mutations_are_typed_errors(read_mutated, at, noise, compressed):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, vectors=V[:5], ids=IDS[:5])
    read_mutated("v.npz", buffer.getvalue(), at, noise)


def test_encrypted_members_are_refused(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, vectors=V)
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="encrypted"):
        isthmus.open(path)
    assert zipfile.is_zipfile(path)


@pytest.mark.skipif("ISTHMUS_DATA" not in os.environ, reason="debian vectors: set ISTHMUS_DATA")
def test_real_vectors():
    path = Path(os.environ["ISTHMUS_DATA"]) / "debian" / "de-lsa256.npz"
    space = isthmus.open(path)
    with np.load(path) as truth:
        np.testing.assert_array_equal(space.vectors(), truth["vectors"])
        np.testing.assert_array_equal(space.ids, truth["ids"])
    found = space.defects()
    assert (found.non_finite, found.duplicate_ids) == (0, 0)


def test_scalars_declare_encoder_metric_and_scale(tmp_path):
    path = tmp_path / "x.npz"
    x = np.arange(6, dtype=np.int8).reshape(3, 2)
    np.savez(path, vectors=x, encoder="minilm", metric="cosine", scale=0.5)
    space = isthmus.open(path)
    assert (space.encoder, space.metric, space.scale) == ("minilm", "cosine", 0.5)
    np.testing.assert_array_equal(space.vectors(), x * np.float32(0.5))
    assert isthmus.open(path, encoder="mine").encoder == "mine"
    np.savez(path, vectors=x, scale="large")
    with pytest.raises(FormatError, match="scale 'large'"):
        isthmus.open(path)
