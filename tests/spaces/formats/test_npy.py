import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import IsthmusError

V = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_and_order(tmp_path, dtype, order):
    expected = V.astype(dtype)
    np.save(tmp_path / "v.npy", np.asarray(expected, order=order))
    space = isthmus.open(tmp_path / "v.npy")
    rows = np.array([39, 0, 17])
    for got, wanted in [
        (space.vectors(), expected),
        (space.take(rows), expected[rows]),
        (np.concatenate([b.vectors for b in space.blocks(rows=7)]), expected),
    ]:
        assert got.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(V)[:-1], "truncated"),
        (npy(V)[:100], "header"),
        (npy(V)[:9], "header"),
        (npy(np.array([["a", None]], object), allow_pickle=True), "never loaded"),
        (npy(np.zeros(3, [("a", "f4")])), "never loaded"),
        (npy(V[0]), "matrix"),
        (npy(V[None]), "matrix"),
        (npy(V[:0]), "empty"),
        (b"\x93NUMPY\x04\x00" + npy(V)[8:], "header"),
        (npy(V).replace(b"(40, 3)", b"(4.,03)"), "header"),
        (npy(V).replace(b"(40, 3)", b"(-4,-3)"), "shape"),
        (
            npy(V).replace(b"(40, 3), }             ", b"(4000000000000, 99999)}"),
            "truncated|header",
        ),
    ],
)
def test_broken_files(tmp_path, content, message):
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(IsthmusError, match=message):
        isthmus.open(tmp_path / "v.npy")


@given(st.integers(0, 127), st.binary(min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_mutated_headers_are_typed_errors(tmp_path_factory, at, noise):
    content = bytearray(npy(V))
    content[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("fuzz") / "v.npy"
    path.write_bytes(content)
    with contextlib.suppress(IsthmusError):
        assert isthmus.open(path).vectors().ndim == 2
