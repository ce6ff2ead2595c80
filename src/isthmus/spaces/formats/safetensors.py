"""safetensors: a bounded JSON header, then raw tensors, read in place."""

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import FileColumn, open_binary, truncated
from isthmus.spaces.formats.contents import ID_KEYS, VECTOR_KEYS, Contents, Keys, choose, declared

_HEADER_LIMIT = 100_000_000
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1",
    "I64": "<i8", "I32": "<i4", "U64": "<u8", "U32": "<u4",
}  # fmt: skip


def read(path: Path, keys: Keys) -> Contents:
    """The tensor of vectors, and of integer ids if there is one."""
    header, start, size, facts = _header(path)
    where, present = f"open {path.name}", list(header)
    key = choose(where, present, keys.vectors, VECTOR_KEYS, "vectors key")
    id_key = choose(where, present, keys.ids, ID_KEYS, "ids key")
    if key is None:
        rest = [name for name in present if name != id_key]
        if len(rest) != 1:
            raise FormatError(
                where, f"tensors {present[:20]}", f"vectors under one of {list(VECTOR_KEYS)}",
                "Name the key: isthmus.open(path, vectors='key').",
            )  # fmt: skip
        key = rest[0]
    vectors = _column(path, header[key], start, size, key)
    ids = None if id_key is None else _column(path, header[id_key], start, size, id_key)
    return Contents(vectors, ids, facts)


def _header(path: Path) -> tuple[dict[str, Any], int, int, dict[str, Any]]:
    where = f"open {path.name}"
    size = path.stat().st_size
    with open_binary(path) as file:
        length = int.from_bytes(file.read(8), "little")
        # Refused by size before a byte of it is read: the length is what a stranger wrote.
        if size < 8 or length > min(size - 8, _HEADER_LIMIT):
            raise FormatError(
                where,
                f"a header claiming {length:,} bytes in a file of {size:,}",
                f"a header within the file and {_HEADER_LIMIT:,} bytes",
            )
        text = file.read(length)
    try:
        header = json.loads(text)
        if not isinstance(header, dict):
            raise TypeError("no JSON object")
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(where, f"a broken header ({error})", "a safetensors file") from error
    meta = header.pop("__metadata__", None)
    facts = declared(where, meta) if isinstance(meta, dict) else {}
    return header, 8 + length, size, facts


def _column(path: Path, entry: Any, start: int, size: int, key: str) -> FileColumn:
    where = f"open {path.name}"
    try:
        kind, shape = entry["dtype"], entry["shape"]
        begin, end = entry["data_offsets"]
        whole = [*shape, begin, end]
        if not all(type(n) is int and 0 <= n < 1 << 62 for n in whole):
            raise ValueError("sizes")
    except (TypeError, KeyError, ValueError) as error:
        raise FormatError(where, f"a broken entry for {key!r}", "dtype, shape, offsets") from error
    if kind not in _DTYPES:
        raise FormatError(where, f"{key!r} of dtype {kind!r}", f"one of {list(_DTYPES)}")
    if not 1 <= len(shape) <= 2:
        raise FormatError(where, f"{key!r} of shape {shape}", "a (rows, dim) matrix")
    dtype = np.dtype(_DTYPES[kind])
    if prod(shape) * dtype.itemsize != end - begin:
        raise FormatError(where, f"{key!r} whose offsets do not fit its shape", "a whole tensor")
    if start + end > size:
        raise truncated(path, start + end, size)
    return FileColumn(path, start + begin, tuple(shape), dtype)
