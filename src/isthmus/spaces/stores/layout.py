"""Layout: where ids and vectors lie in the file of an index, read without the index's library.

A library loads a whole index into memory, and a hostile or truncated file can take the process
down with it. Reading the file here costs the ids alone, and proves before the library ever sees
the file that every length in it fits.
"""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import Column, open_binary, truncated


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the file of an index holds.

    ``ids`` (n,) int64 in the file's order; ``vectors`` (n, dim) float32; ``metric`` in the words of
    isthmus; ``index`` the ANN index in words, None where search is exact; ``recipe`` what its
    library builds one like it from; ``positions`` whether ids are positions 0 .. n-1 that cannot be
    others; ``refuses`` why nothing may be written to it, or "".
    """

    dim: int
    metric: str
    ids: np.ndarray
    vectors: Column
    recipe: Any
    index: str | None = None
    positions: bool = False
    refuses: str = ""


class Cursor:
    """A binary file read from front to back; nothing beyond its end is believed or allocated."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        self._file = open_binary(path)
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def bytes(self, count: int) -> bytearray:
        """The next ``count`` bytes; FormatError where the file ends before them."""
        start = self.skip(count)
        data = bytearray(count)
        view, done = memoryview(data), 0
        self._file.seek(start)
        while done < count and (got := self._file.readinto(view[done:])):
            done += got
        if done < count:
            raise truncated(self.path, start + count, start + done)
        return data

    def values(self, dtype: str, count: int) -> np.ndarray:
        """The next ``count`` values of ``dtype``, little-endian."""
        return np.frombuffer(self.bytes(count * np.dtype(dtype).itemsize), dtype)

    def number(self, dtype: str) -> Any:
        """The next single value."""
        return self.values(dtype, 1)[0].item()

    def skip(self, count: int) -> int:
        """Where the next ``count`` bytes begin, which are passed over."""
        start = self.at
        if count < 0 or count > self.size - start:
            raise truncated(self.path, start + count, self.size)
        self.at += count
        return start

    def bad(self, given: str, expected: str, cure: str = "") -> FormatError:
        """The error for what no such file holds."""
        return FormatError(f"read {self.path.name}", given, expected, cure)


class ScatteredColumn:
    """float32 rows that lie at any bytes ``offsets`` (n,) of a file."""

    dtype = np.dtype(np.float32)
    scattered = True

    def __init__(self, path: Path, offsets: np.ndarray, dim: int) -> None:
        self.path, self.offsets = path, offsets
        self.shape: tuple[int, ...] = (len(offsets), dim)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1."""
        return self._at(self.offsets[start:stop])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, in that order."""
        return self._at(self.offsets[rows])

    def _at(self, offsets: np.ndarray) -> np.ndarray:
        width = 4 * self.shape[1]
        if not len(offsets):
            return np.empty((0, self.shape[1]), np.float32)
        end = int(offsets.max()) + width
        with open_binary(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            if size < end:
                raise truncated(self.path, end, size)
            whole = np.frombuffer(mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ), np.uint8)
        # Every stretch of one row's bytes, wherever it begins; only those asked for are copied.
        rows = np.lib.stride_tricks.sliding_window_view(whole, width)[offsets]
        return np.ascontiguousarray(rows).view("<f4").astype(np.float32, copy=False)


class HalfColumn:
    """float16 or bfloat16 rows as the float32 they equal exactly."""

    dtype = np.dtype(np.float32)

    def __init__(self, column: Column) -> None:
        self._column = column
        self.shape, self.scattered = column.shape, column.scattered

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1."""
        return _widened(self._column.read(start, stop))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, in that order."""
        return _widened(self._column.take(rows))


def _widened(block: np.ndarray) -> np.ndarray:
    if block.dtype == np.uint16:  # the upper half of a float32's bits
        return (block.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return block.astype(np.float32)
