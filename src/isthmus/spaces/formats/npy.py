"""NumPy's ``.npy``: a header of a few lines, then the array as it lay in memory.

Layout as in the format's description (numpy.lib.format): magic, version, header length, and a
Python literal with ``descr``, ``fortran_order`` and ``shape``. Parsed here because NumPy's own
reader takes headers of Python 2, through a tokenizer that fails on hostile ones in many ways.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import FileColumn, open_binary, truncated
from isthmus.spaces.formats.contents import Contents, Keys

HEADER_LIMIT = 1 << 16
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}


@dataclass(frozen=True, slots=True)
class Header:
    """What an ``.npy`` header says, and its own length in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    length: int


def read(path: Path, keys: Keys) -> Contents:
    """The two-dimensional array of a ``.npy`` file, with virtual ids."""
    if keys.vectors is not None or keys.ids is not None:
        raise FormatError(f"open {path.name}", f"names {keys}", "no names: a .npy has one array")
    return Contents(npy_column(path, 0, path.stat().st_size))


def npy_column(path: Path, start: int, size: int) -> FileColumn:
    """The array whose ``.npy`` bytes are ``size`` bytes of ``path`` from byte ``start``.

    Raises FormatError on pickled objects, headers that do not parse, and truncation.
    """
    with open_binary(path) as file:
        file.seek(start)
        header = parse_header(file.read(min(size, HEADER_LIMIT)), f"open {path.name}")
    column = FileColumn(
        path, start + header.length, header.shape, header.dtype, fortran=header.fortran
    )
    need = header.length + header.shape[0] * column.row_bytes
    if size < need:
        raise truncated(path, need, size)
    return column


def parse_header(head: bytes, where: str) -> Header:
    """The header at the start of ``head``; raises FormatError unless it is a plain array's."""
    width = _LENGTH_BYTES.get(head[6:8])
    if head[:6] != _MAGIC or width is None:
        raise FormatError(where, "a broken .npy header (magic)", "a .npy file, version 1 to 3")
    length = 8 + width + int.from_bytes(head[8 : 8 + width], "little")
    if length > len(head):
        raise FormatError(
            where, f"a .npy header of {length:,} bytes, truncated or too long",
            f"a whole one of at most {HEADER_LIMIT:,}",
        )  # fmt: skip
    try:
        text = head[8 + width : length].decode("utf-8" if head[6] == 3 else "latin-1")
        fields = ast.literal_eval(text.strip())
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
        if not (
            type(fortran) is bool and isinstance(shape, tuple) and isinstance(descr, str | list)
        ):
            raise ValueError("fields of wrong types")
        if isinstance(descr, str) and "a" in descr:  # an alias that NumPy warns about, and drops
            raise ValueError(f"dtype {descr:.80}")
        dtype = np.dtype(descr)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise FormatError(
            where, f"a broken .npy header ({str(error)[:120]})", "one that numpy.save wrote"
        ) from error
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise FormatError(
            where,
            f"an array of dtype {dtype} (pickled objects and records are never loaded)",
            "plain numbers or fixed-width text",
            "Save ids as text: numpy.save(path, ids.astype(str)).",
        )
    sides = all(type(side) is int and 0 <= side < 1 << 62 for side in shape)
    if not sides or not 1 <= len(shape) <= 2 or not dtype.itemsize:
        raise FormatError(where, f"an array of shape {shape}", "one (rows, dim) matrix")
    return Header(shape, dtype, fortran, length)
