"""Journal: what a job has done, one line a step, appended and flushed before the next begins.

A line is a JSON object that ends with the CRC-32 of the rest of it. A process that dies while it
writes leaves a torn last line, which readers leave out and the next writer cuts off. Whoever
writes holds the file's advisory lock, which goes with the process however that dies.
"""

import json
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from isthmus.core.errors import FormatError, StorageError
from isthmus.core.json_text import loads
from isthmus.spaces.durable import storing, sync_folder

try:
    import fcntl
except ImportError:  # no advisory locks on this system: two writers are not told apart
    fcntl = None  # type: ignore[assignment]

NAME = "journal.jsonl"
_SIZE_LIMIT = 4 << 30


def read(folder: Path) -> list[dict[str, Any]]:
    """The steps of the job in ``folder``, oldest first; none when it has no journal.

    Raises
    ------
    FormatError
        When a line other than the last is damaged; it says which, and the cure.
    """
    return _parsed(folder / NAME)[0]


def busy(folder: Path) -> bool:
    """Whether a living process writes the journal in ``folder`` now."""
    if fcntl is None:
        return False
    try:
        fd = os.open(folder / NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class Journal:
    """The journal of a job, open for writing by this process alone.

    ``steps`` is what it holds, kept up to date.

    Raises
    ------
    StorageError
        When another process works on the job, or the folder cannot be written.
    FormatError
        As ``read``.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with Journal(folder) as journal:
    ...     journal.add("pass", number=1)
    >>> read(folder)
    [{'step': 'pass', 'at': '...', 'number': 1}]
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        with storing(f"open {path.parent.name}/{NAME}"):
            created = not path.exists()
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                if not _lock(self._fd):
                    raise StorageError(
                        f"work on the job {folder.name}", "another process that is at it",
                        "one at a time", f"Wait for it, or pause it: isthmus jobs --pause {folder}",
                    )  # fmt: skip
                if created:
                    sync_folder(folder)
                self.steps, whole = _parsed(path)
                os.ftruncate(self._fd, whole)
            except BaseException:
                os.close(self._fd)
                raise

    def add(self, step: str, **facts: Any) -> None:
        """Append a step; it is on the disk when this returns."""
        line = {"step": step, "at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
        text = json.dumps(line, separators=(",", ":"), allow_nan=False)
        data = f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()
        with storing(f"write {NAME}"):
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)
        self.steps.append(json.loads(text))

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def _lock(fd: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # some network file systems have no locks
            return True
    return True


def _parsed(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The steps, and the length in bytes of the whole lines."""
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise _damaged(path, "more bytes than any journal has")
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise StorageError(
            f"read {path.parent.name}/{NAME}", f"{error.strerror}", "a readable journal",
            "Mend its permissions, or remove it and run the job again.",
        ) from error  # fmt: skip
    steps, whole = [], 0
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        step = _step(line)
        if step is None:
            if number == len(lines):  # torn by a crash: that step was not done
                break
            raise _damaged(path, f"a damaged line {number} of {len(lines)}")
        steps.append(step)
        whole += len(line)
    return steps, whole


def _step(line: bytes) -> dict[str, Any] | None:
    text, mark, check = line.rpartition(b',"crc":"')
    if not mark or not line.endswith(b'"}\n') or len(check) != 11:
        return None
    body = text + b"}"
    if check[:8] != f"{zlib.crc32(body):08x}".encode():
        return None
    try:
        step = loads(body)
    except ValueError:
        return None
    return step if isinstance(step, dict) and isinstance(step.get("step"), str) else None


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(
        f"read {path.parent.name}/{NAME}", what, "lines as isthmus wrote them",
        f"Remove {path} and run the job again: what serves is asked from the store itself, and "
        "the vectors are carried across once more.",
    )  # fmt: skip
