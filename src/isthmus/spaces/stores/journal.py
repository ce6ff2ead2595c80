"""Journal: rows written and removed since an index was built, appended durably, one record a batch.

A record is a head (what follows, how much, checksums of it and of itself), ids as int64, and of
rows written their vectors as float32. A record is on the disk when ``append`` returns. What a
writer that died left half written is at the end, is known by its checksum, and is written over.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.durable import sync_folder
from isthmus.spaces.stores.layout import Cursor, ScatteredColumn

_HEAD = np.dtype(
    [("mark", "S4"), ("rows", "<u4"), ("dim", "<u4"), ("gone", "<u4"), ("body", "<u4"),
     ("head", "<u4")]
)  # fmt: skip
_MARK = b"isth"
_PIECE = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What a journal says: the last word on each id.

    ``ids`` (m,) ascending; ``rows`` (m,) into ``vectors``, -1 for an id that was removed; ``end``
    the byte behind the last whole record.
    """

    ids: np.ndarray
    rows: np.ndarray
    vectors: ScatteredColumn
    end: int


class Journal:
    """The records beside one index."""

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim
        self._known = -1

    def append(self, ids: np.ndarray, vectors: np.ndarray | None) -> None:
        """Write rows, or (``vectors`` None) that ids are gone; durable when it returns.

        The caller holds the folder's lock.
        """
        new = not self.path.exists()
        end = 0 if new else self._end()
        self._known = -1
        body = np.ascontiguousarray(ids, "<i8").tobytes()
        if vectors is not None:
            body += np.ascontiguousarray(vectors, "<f4").tobytes()
        data = memoryview(_head(len(ids), self.dim, vectors is None, body) + body)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.ftruncate(fd, end)
            done = 0
            while done < len(data):
                done += os.pwrite(fd, data[done:], end + done)
            os.fsync(fd)
            self._known = end + len(data)
        except BaseException:
            os.ftruncate(fd, end)
            raise
        finally:
            os.close(fd)
        if new:
            sync_folder(self.path.parent)

    def entries(self, *, verify: bool = False) -> Entries:
        """The last word on each id; ``verify`` reads every record to its last bit.

        Raises FormatError on a record that is damaged and not the last.
        """
        ids, places, end = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for start, rows, removed in self._records(verify):
            body = start + _HEAD.itemsize
            with Cursor(self.path) as cursor:
                cursor.at = body
                ids.append(cursor.values("<i8", rows).astype(np.int64))
            first, width = body + 8 * rows, 4 * self.dim
            places.append(np.full(rows, -1) if removed else first + width * np.arange(rows))
            end = first + (0 if removed else width * rows)
        every, where = np.concatenate(ids), np.concatenate(places)
        # Of several records on one id the last counts.
        last, back = np.unique(every[::-1], return_index=True)
        where = where[::-1][back]
        written = where >= 0
        numbers = np.where(written, np.cumsum(written) - 1, -1)
        return Entries(last, numbers, ScatteredColumn(self.path, where[written], self.dim), end)

    def _end(self) -> int:
        """Where the last whole record ends."""
        if self._known == self.path.stat().st_size:
            return self._known
        end = 0
        for start, rows, removed in self._records(verify=False):
            end = start + _HEAD.itemsize + 8 * rows + (0 if removed else 4 * self.dim * rows)
        return end

    def _records(self, verify: bool) -> Iterator[tuple[int, int, bool]]:
        if not self.path.exists():
            return
        with Cursor(self.path) as cursor:
            while cursor.size - cursor.at >= _HEAD.itemsize:
                start = cursor.at
                head = np.frombuffer(cursor.bytes(_HEAD.itemsize), _HEAD)[0]
                rows, removed = int(head["rows"]), bool(head["gone"])
                size = 8 * rows + (0 if removed else 4 * self.dim * rows)
                whole = head["mark"] == _MARK and head["head"] == _head_sum(head)
                if whole and head["dim"] != self.dim:
                    raise self._damaged(start, f"vectors of {head['dim']} dimensions")
                left = cursor.size - cursor.at
                last = not whole or size >= left
                if whole and size <= left and (not (last or verify) or _sound(cursor, size, head)):
                    cursor.at = start + _HEAD.itemsize + size
                    yield start, rows, removed
                elif last and (whole or not _more(cursor)):
                    return  # a writer died here
                else:
                    raise self._damaged(start, "a damaged record")

    def _damaged(self, start: int, what: str) -> FormatError:
        return FormatError(
            f"read {self.path.name}", f"{what} at byte {start:,}", "what was written there",
            "Remove what was gathered, and run the job again.",
        )  # fmt: skip


def _head(rows: int, dim: int, removed: bool, body: bytes) -> bytes:
    head = np.array([(_MARK, rows, dim, int(removed), zlib.crc32(body), 0)], _HEAD)
    head["head"] = _head_sum(head[0])
    return head.tobytes()


def _head_sum(head: np.void) -> int:
    return zlib.crc32(head.tobytes()[:-4])


def _sound(cursor: Cursor, size: int, head: np.void) -> bool:
    crc = 0
    while size:
        piece = cursor.bytes(min(size, _PIECE))
        crc, size = zlib.crc32(piece, crc), size - len(piece)
    return crc == int(head["body"])


def _more(cursor: Cursor) -> bool:
    """Whether a whole head follows anywhere: then the bad one is no writer's last."""
    rest = cursor.bytes(cursor.size - cursor.at)
    found = rest.find(_MARK)
    while found >= 0:
        piece = rest[found : found + _HEAD.itemsize]
        if len(piece) == _HEAD.itemsize:
            head = np.frombuffer(piece, _HEAD)[0]
            if head["head"] == _head_sum(head):
                return True
        found = rest.find(_MARK, found + 1)
    return False
