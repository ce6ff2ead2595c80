import errno
import fcntl
import os
import zlib

import numpy as np
import pytest

from isthmus.core.errors import StorageError
from isthmus.spaces import durable
from isthmus.spaces.durable import BLOCK_BYTES, DurableFile, abandoned, link_new, storing


@pytest.mark.parametrize("cuts", [[], [1], [16], [15, 17], [32], list(range(1, 50))])
@pytest.mark.parametrize("size", [0, 1, 16, 32, 50])
def test_a_checksum_for_every_block(tmp_path, monkeypatch, cuts, size):
    monkeypatch.setattr(durable, "BLOCK_BYTES", 16)
    data = np.random.default_rng(0).bytes(size)
    file = DurableFile(tmp_path / "f")
    for low, high in zip([0, *cuts], [*cuts, size], strict=True):
        file.write(data[low:high])
    stored = file.finish()
    file.close()
    assert (tmp_path / "f").read_bytes() == data
    assert stored.bytes == size
    assert list(stored.checksums) == [zlib.crc32(data[k : k + 16]) for k in range(0, size, 16)]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = durable.os.write
    monkeypatch.setattr(durable.os, "write", lambda fd, data: real(fd, data[:7]))
    file = DurableFile(tmp_path / "f")
    file.write(b"0123456789" * 5)
    assert file.finish().checksums == (zlib.crc32(b"0123456789" * 5),)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"0123456789" * 5


def test_only_one_link_wins(tmp_path):
    assert link_new(tmp_path / "a", b"one", drafts=tmp_path)
    assert not link_new(tmp_path / "a", b"two", drafts=tmp_path)
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_open_file_is_not_abandoned(tmp_path):
    file = DurableFile(tmp_path / "f")
    assert not abandoned(tmp_path / "f")
    file.close()
    assert abandoned(tmp_path / "f")
    assert not abandoned(tmp_path / "nothing")


def test_errors_of_the_system_are_named(tmp_path):
    expected = r"write it: got No such file or directory \(f\)"
    with pytest.raises(StorageError, match=expected), storing("write it"):
        DurableFile(tmp_path / "no" / "f")
    with pytest.raises(ValueError, match="other"), storing("write it"):
        raise ValueError("other")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_any_size_arrives_whole_in_any_pieces(tmp_path, size):
    data = np.random.default_rng(0).bytes(size)
    file = DurableFile(tmp_path / "x")
    for start in range(0, size, 1_000_003):
        file.write(data[start : start + 1_000_003])
    stored = file.finish()
    file.close()
    assert (tmp_path / "x").read_bytes() == data
    blocks = range(0, size, BLOCK_BYTES)
    assert stored.checksums == tuple(zlib.crc32(data[b : b + BLOCK_BYTES]) for b in blocks)


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="this system has no direct writes")
def test_file_systems_without_direct_writes(tmp_path, monkeypatch):
    """One refuses the flag on opening, another accepts it and refuses the write."""
    data = np.random.default_rng(0).bytes(BLOCK_BYTES + 10)
    opened, written = os.open, os.write

    def no_flag(path, flags, *rest):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(path, flags, *rest)

    def no_write(fd, piece):
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return written(fd, piece)

    for name, stand_in in (("open", no_flag), ("write", no_write)):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, stand_in)
            file = DurableFile(tmp_path / name)
            file.write(data)
            file.finish()
            file.close()
        assert (tmp_path / name).read_bytes() == data
