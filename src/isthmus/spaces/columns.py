"""Columns: one per-row quantity of a file or an array (vectors or ids), read by range of rows.

A format says where its rows lie by giving columns; everything above reads through them, so that
no more than what is asked for is ever in memory. Every column answers in native byte order and
C order, whatever order the file or array keeps.
"""

import mmap
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from isthmus.core.errors import FormatError, StorageError


class Column(Protocol):
    """What a format implements: lazy reads of rows by range, or by number.

    ``shape`` is (rows,) or (rows, dim); ``dtype`` is what reads return; ``scattered`` says whether
    single rows anywhere cost little (False where a whole row group must be decoded for one row).
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scattered: bool

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` as one array, C-ordered."""

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows numbered ``rows`` (m,), in that order."""


def native(dtype: Any) -> np.dtype[Any]:
    """``dtype`` in the byte order of this machine."""
    return np.dtype(dtype).newbyteorder("=")


class RangeColumn:
    """The virtual ids 0 .. rows-1, which cost nothing."""

    scattered = True
    dtype = np.dtype(np.int64)

    def __init__(self, rows: int) -> None:
        self.shape: tuple[int, ...] = (rows,)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The numbers start .. stop-1."""
        return np.arange(start, stop, dtype=np.int64)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The row numbers themselves."""
        return np.array(rows, dtype=np.int64)


class ArrayColumn:
    """Rows of an array in memory, of any strides and byte order."""

    scattered = True

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = native(array.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """A view where the array is already in C order, else a copy."""
        return np.ascontiguousarray(self._array[start:stop], dtype=self.dtype)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """A copy of the rows."""
        return np.ascontiguousarray(self._array[rows], dtype=self.dtype)


class FileColumn:
    """Rows lying at a fixed distance in a file from byte ``offset`` on.

    Ranges are plain reads straight into the array handed back: a memmap would count every page it
    ever touched as memory of the process, and die of SIGBUS on a file that shrinks.
    """

    scattered = True

    def __init__(
        self,
        path: Path,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        fortran: bool = False,
    ) -> None:
        self.path, self.offset, self.shape = path, offset, shape
        self.dtype, self.stored = native(dtype), np.dtype(dtype)
        self.fortran = fortran and len(shape) == 2
        self.row_bytes = prod(shape[1:]) * self.stored.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1: one contiguous read (one per dimension in Fortran order)."""
        if not self.fortran:
            block = np.empty((stop - start, *self.shape[1:]), dtype=self.stored)
            with open_binary(self.path) as file:
                fill(file, block, self.offset + start * self.row_bytes)
            return self._finish(block)
        columns = np.empty((self.shape[1], stop - start), dtype=self.stored)
        with open_binary(self.path) as file:
            for number, column in enumerate(columns):
                first = number * self.shape[0] + start
                fill(file, column, self.offset + first * self.stored.itemsize)
        return self._finish(np.ascontiguousarray(columns.T))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, through a read-only map dropped afterwards; in C order, whatever the file's."""
        if not len(rows):
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        size = self.offset + self.shape[0] * self.row_bytes
        with open_binary(self.path) as file:
            if os.fstat(file.fileno()).st_size < size:
                raise truncated(self.path, size, os.fstat(file.fileno()).st_size)
            view = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        # Read-ahead helps a dense gather and multiplies the cost of a sparse one (by 9, cold).
        if hasattr(mmap, "MADV_RANDOM") and len(rows) * 4 < np.ptp(rows) + 1:
            view.madvise(mmap.MADV_RANDOM)
        whole: np.ndarray = np.ndarray(
            self.shape, self.stored, view, self.offset, order="F" if self.fortran else "C"
        )
        return self._finish(np.ascontiguousarray(whole[rows]))

    def _finish(self, block: np.ndarray) -> np.ndarray:
        if self.stored.isnative:
            return block
        return block.byteswap(inplace=True).view(self.dtype)


class ChainColumn:
    """Columns of one width and dtype, one after the other."""

    def __init__(self, parts: Sequence[Column]) -> None:
        self._parts = parts
        self._ends = list(accumulate(part.shape[0] for part in parts))
        self.shape: tuple[int, ...] = (self._ends[-1], *parts[0].shape[1:])
        self.dtype = np.result_type(*(part.dtype for part in parts))
        self.scattered = all(part.scattered for part in parts)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1, copied only where they span parts."""
        pieces = []
        number = bisect_right(self._ends, start)
        while start < stop:
            first = self._ends[number - 1] if number else 0
            end = min(stop, self._ends[number])
            pieces.append(self._parts[number].read(start - first, end - first))
            start, number = end, number + 1
        if len(pieces) == 1:
            return pieces[0].astype(self.dtype, copy=False)
        if not pieces:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        return np.concatenate(pieces, dtype=self.dtype)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, each part asked once."""
        out = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        owner = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            first = self._ends[number - 1] if number else 0
            out[mine] = self._parts[number].take(rows[mine] - first)
        return out


class ScaledColumn:
    """int8 vectors times their declared scale, as float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, column: Column, scale: float) -> None:
        self._column, self._scale = column, np.float32(scale)
        self.shape, self.scattered = column.shape, column.scattered

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1 as float32."""
        return np.multiply(self._column.read(start, stop), self._scale, dtype=np.float32)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows as float32."""
        return np.multiply(self._column.take(rows), self._scale, dtype=np.float32)


def open_binary(path: Path) -> Any:
    """``path`` opened unbuffered for reading; raises StorageError where that is refused."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise StorageError(
            f"read {path.name}", error.strerror or str(error), "a readable file"
        ) from error


def fill(file: Any, block: np.ndarray, offset: int) -> None:
    """Read from byte ``offset`` straight into all of ``block`` (contiguous)."""
    view = memoryview(block.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    done = 0
    file.seek(offset)
    while done < len(view):
        got = file.readinto(view[done:])
        if not got:
            raise truncated(Path(file.name), offset + len(view), offset + done)
        done += got


def truncated(path: Path, need: int, have: int) -> FormatError:
    """The error for a file that ends before its rows do."""
    return FormatError(
        f"read {path.name}",
        f"a truncated file of {have:,} bytes",
        f"at least {need:,} bytes, as its header says",
        "Copy or write it again.",
    )
