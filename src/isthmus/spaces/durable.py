"""Durable files: written once, checksummed on the way, and there either whole or not at all."""

import contextlib
import errno
import mmap
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError, StorageError
from isthmus.core.json_text import loads
from isthmus.spaces.manifest import BLOCK_BYTES, StoredFile

try:
    import fcntl
except ImportError:  # no advisory locks on this system: leftovers of dead writers stay
    fcntl = None  # type: ignore[assignment]


class DurableFile:
    """A new file being appended to; keeps a crc32 per block of 4 MiB.

    Blocks go to the disk past the page cache where the file system allows it: a collection that is
    written once would only push other things out of that cache, at twice the processor time.
    While open it holds an advisory lock, by which others tell a live writer from a dead one.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.bytes = path, 0
        self._checksums: list[int] = []
        # Anonymous maps start on a page boundary, as direct writes ask for.
        self._block = memoryview(mmap.mmap(-1, BLOCK_BYTES))
        self._filled = 0
        self._fd = _create(path)
        _lock(self._fd)

    def write(self, data: Any) -> None:
        """Append the bytes of ``data`` (C-contiguous)."""
        view = memoryview(data).cast("B")
        while len(view):
            piece = view[: BLOCK_BYTES - self._filled]
            self._block[self._filled : self._filled + len(piece)] = piece
            self._filled, view = self._filled + len(piece), view[len(piece) :]
            if self._filled == BLOCK_BYTES:
                self._put()

    def finish(self) -> StoredFile:
        """Flush to the disk; the lock stays until ``close``."""
        if self._filled:
            _through_cache(self._fd)  # direct writes come in whole pages only
            self._put()
        os.fsync(self._fd)
        return StoredFile(self.path.name, self.bytes, tuple(self._checksums))

    def _put(self) -> None:
        piece = self._block[: self._filled]
        self._checksums.append(zlib.crc32(piece))
        while len(piece):
            try:
                done = os.write(self._fd, piece)
            except OSError as error:
                # Some file systems accept the flag and then no direct write.
                if error.errno != errno.EINVAL or not _through_cache(self._fd):
                    raise
                continue
            if done % mmap.PAGESIZE:
                _through_cache(self._fd)
            piece, self.bytes = piece[done:], self.bytes + done
        self._filled = 0

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)

    def discard(self) -> None:
        """Remove the file: it was not finished, or someone else's stands."""
        self.path.unlink(missing_ok=True)
        self.close()


def link_new(path: Path, data: bytes, *, drafts: Path) -> bool:
    """Create ``path`` holding ``data``, durable and at once; False when it exists already.

    It is written in the folder ``drafts`` first, where a dead writer's leavings are looked for.
    """
    draft = drafts / f"{path.name}.{secrets.token_hex(4)}.tmp"
    file = DurableFile(draft)
    try:
        file.write(data)
        file.finish()
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        file.discard()
    sync_folder(path.parent)
    return True


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> Any:
    """The JSON value of a small file of our own; FormatError when it is no JSON."""
    try:
        return loads(path.read_bytes())
    except ValueError as error:
        raise FormatError(
            f"read {path.name}", f"{error!s:.120}", "the JSON that was written there"
        ) from None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the folder's advisory lock; it goes with the process, however that dies."""
    fd = os.open(path, os.O_RDONLY)
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def keep_alive(path: Path) -> int:
    """Mark a folder as in use by this process; gives a descriptor to close in the end."""
    fd = os.open(path, os.O_RDONLY)
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def abandoned(path: Path) -> bool:
    """Whether no living writer holds this file or folder."""
    if fcntl is None:
        return False
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


@contextlib.contextmanager
def storing(operation: str) -> Iterator[None]:
    """Turn what the operating system refuses into a StorageError that says so."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        where = f" ({Path(error.filename).name})" if isinstance(error.filename, str) else ""
        raise StorageError(
            operation,
            f"{error.strerror}{where}",
            "a writable folder with room on its disk",
            "What was committed before is intact; finished shards are kept for the next run.",
        ) from error


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags | getattr(os, "O_DIRECT", 0), 0o666)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A file system without direct writes may have made the file before it refused.
        path.unlink(missing_ok=True)
        return os.open(path, flags, 0o666)


def _through_cache(fd: int) -> bool:
    """Let writes to ``fd`` go through the page cache; False when they already did."""
    if fcntl is None or not hasattr(os, "O_DIRECT"):
        return False
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    if not flags & os.O_DIRECT:
        return False
    fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)
    return True


def _lock(fd: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(fd, fcntl.LOCK_EX)
