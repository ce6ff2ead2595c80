"""NumPy's ``.npy``: a header of a few lines, then the array as it lay in memory."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import Column, FileColumn, open_binary, truncated
from isthmus.spaces.formats.contents import Contents, Keys

_HEADER_LIMIT = 1 << 16


def read(path: Path, keys: Keys) -> Contents:
    """The two-dimensional array of a ``.npy`` file, with virtual ids."""
    return Contents(npy_column(path, 0, path.stat().st_size))


def npy_column(path: Path, start: int, size: int) -> FileColumn:
    """The array whose ``.npy`` bytes are ``size`` bytes of ``path`` from byte ``start``.

    Raises FormatError on pickled objects, headers that do not parse, and truncation.
    """
    shape, fortran, dtype, header = parse_header(path, start, size)
    column = FileColumn(path, start + header, shape, dtype, fortran=fortran)
    need = header + shape[0] * column.row_bytes
    if size < need:
        raise truncated(path, need, size)
    return column


def parse_header(path: Path, start: int, size: int) -> tuple[tuple[int, ...], bool, Any, int]:
    """Shape, whether in Fortran order, dtype and header length of the array at byte ``start``."""
    with open_binary(path) as file:
        file.seek(start)
        head = io.BytesIO(file.read(min(size, _HEADER_LIMIT)))
    try:
        version = np.lib.format.read_magic(head)
        parse = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = parse(head)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise FormatError(
            f"open {path.name}", f"a broken .npy header ({reason})", "a .npy file, version 1 or 2"
        ) from error
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise FormatError(
            f"open {path.name}",
            f"an array of dtype {dtype} (pickled objects and records are never loaded)",
            "plain numbers or fixed-width text",
            "Save ids as text: numpy.save(path, ids.astype(str)).",
        )
    if not 1 <= len(shape) <= 2 or any(side < 0 for side in shape):
        raise FormatError(
            f"open {path.name}", f"an array of shape {shape}", "one (rows, dim) matrix"
        )
    return shape, fortran, dtype, head.tell()


def two_dimensional(column: Column, where: str) -> Column:
    """``column`` itself; raises FormatError unless it has a row of numbers per id."""
    if len(column.shape) != 2:
        raise FormatError(where, f"an array of shape {column.shape}", "one (rows, dim) matrix")
    return column
