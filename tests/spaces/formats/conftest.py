"""What every format's reader is held to: damaged bytes are a typed error or a whole space."""

import pytest

import isthmus
from isthmus.core.errors import IsthmusError


@pytest.fixture(scope="session")
def read_mutated(tmp_path_factory):
    """Write ``data`` with ``noise`` over the bytes from ``at`` on, and read it as a space."""

    def read(name, data, at, noise):
        data = bytearray(data)
        at %= len(data)
        data[at : at + len(noise)] = noise
        path = tmp_path_factory.mktemp("fuzz") / name
        path.write_bytes(data)
        try:
            space = isthmus.open(path)
            assert len(space.vectors()) == len(space.ids)
        except IsthmusError:
            pass

    return read
