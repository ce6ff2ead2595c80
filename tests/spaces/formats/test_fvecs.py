import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError

V = np.random.default_rng(0).standard_normal((9, 4)).astype("<f4")


def fvecs(vectors):
    dims = np.full((len(vectors), 1), vectors.shape[1], "<i4").view("<f4")
    return np.hstack([dims, vectors]).tobytes()


def test_rows(tmp_path):
    path = tmp_path / "v.fvecs"
    path.write_bytes(fvecs(V))
    space = isthmus.open(path)
    assert space.vectors().flags.c_contiguous
    np.testing.assert_array_equal(space.vectors(), V)
    np.testing.assert_array_equal(space.take([8, 1]), V[[8, 1]])


def test_broken_files(tmp_path):
    path = tmp_path / "v.fvecs"
    for content, message in [
        (fvecs(V)[:-3], "truncated"),
        ((-4).to_bytes(4, "little", signed=True) + b"\0" * 16, "dimension of -4"),
        ((1 << 30).to_bytes(4, "little") + b"\0" * 16, "dimension of 1073741824"),
    ]:
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            isthmus.open(path)
    content = bytearray(fvecs(V))
    content[20] = 3
    path.write_bytes(content)
    with pytest.raises(FormatError, match="different dimensions"):
        isthmus.open(path).vectors()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        isthmus.open(path)
