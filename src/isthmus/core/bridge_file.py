"""Reading bridge files: safetensors with one JSON entry, refused before parsing when foreign.

Layout: 8 bytes header length, the safetensors JSON header, the tensors. The header's metadata holds
one key, ``isthmus``: a JSON text with the method, its parameters, both fingerprints and the scores,
the CRC-32 of the tensor bytes, and that of all else the header says. Everything is checked against
the file's real size; nothing is ever unpickled. It needs NumPy alone, for ``isthmus.runtime``.
"""

import json
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError, StorageError
from isthmus.core.json_text import clip, loads, loads_within

FORMAT = 2
#: A header beyond this is no bridge; fingerprints and parameters take well under a megabyte.
_MAX_HEADER = 16 * 2**20
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
}


def read(
    path: Path, *, wanted: Callable[[str], bool] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and arrays of a bridge file; raises FormatError on anything else.

    All bytes are checked; arrays are made of the ``wanted`` tensors only, of all by default.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(8)
            length = int.from_bytes(head, "little") if len(head) == 8 else 0
            if not 2 <= length <= min(size - 8, _MAX_HEADER):
                raise _foreign(path, "its first 8 bytes give no sensible header length")
            whole = file.read(length)
            header = _json(path, whole, loads)
            body = file.read(size - 8 - length)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if isinstance(error, FormatError):
            raise
        why = getattr(error, "strerror", error)
        raise StorageError("load bridge", f"{path}: {why}", "a readable file") from error
    meta = header.pop("__metadata__", None)
    text = meta.get("isthmus") if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise _foreign(path, "it carries no isthmus description")
    description = _json(path, text, loads_within)
    if description.get("format") != FORMAT:
        raise FormatError(
            "load bridge",
            f"{path} of format {clip(description.get('format'))}",
            f"format {FORMAT}",
            "Use the Isthmus version that wrote it.",
        )
    if zlib.crc32(body) != description.get("crc32"):
        raise FormatError(
            "load bridge",
            f"{path}: {len(body)} tensor bytes that do not match their checksum",
            "the bytes that were written",
            "Copy the file again.",
        )
    arrays = _tensors(path, header, body, wanted)
    told = description.pop("header_crc32", None)
    # As ``header_crc`` saw it, without writing a megabyte of JSON once more.
    mark = f'"header_crc32": {told}'
    before = text.replace(f"{mark}, " if f"{mark}, " in text else f", {mark}", "", 1).encode()
    said = b"[" + before + b", " + json.dumps(header, sort_keys=True).encode() + b"]"
    # Less only by the colons of __metadata__, isthmus and header_crc32, unless a key came twice.
    if told != zlib.crc32(said) or said.count(b":") != whole.count(b":") - 3:
        raise FormatError(
            "load bridge",
            f"{path}: a description that does not match its checksum",
            "what was written",
            "Copy the file again.",
        )
    return description, arrays


def header_crc(description: dict[str, Any], tensors: dict[str, Any]) -> int:
    """The CRC-32 of what the header says, apart from this number itself."""
    told = {key: value for key, value in description.items() if key != "header_crc32"}
    return zlib.crc32(json.dumps([told, tensors], sort_keys=True).encode())


def _tensors(
    path: Path, header: dict[str, Any], body: bytes, wanted: Callable[[str], bool] | None
) -> dict[str, np.ndarray]:
    """The arrays that the header describes; their bytes must be all of the body, each used once."""
    ranges = {name: _range(path, name, spec, len(body)) for name, spec in header.items()}
    at = 0
    for name, (begin, end) in sorted(ranges.items(), key=lambda item: item[1]):
        if begin != at:
            raise _foreign(path, f"tensor {clip(name)} has an impossible description: it overlaps")
        at = end
    if at != len(body):
        raise _foreign(path, f"{len(body) - at} bytes belong to no tensor")
    return {
        name: _array(path, name, header[name], body, begin)
        for name, (begin, _) in ranges.items()
        if wanted is None or wanted(name)
    }


def _range(path: Path, name: str, spec: Any, size: int) -> tuple[int, int]:
    """Where a tensor's bytes begin and end, if dtype, shape and offsets agree."""
    try:
        itemsize, shape = _DTYPES[spec["dtype"]].itemsize, spec["shape"]
        begin, end = spec["data_offsets"]
        sound = (
            isinstance(shape, list)
            and len(shape) <= 3
            and all(type(value) is int and value >= 0 for value in (*shape, begin, end))
            and end <= size
            and end - begin == math.prod(shape) * itemsize
        )
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise _foreign(path, f"tensor {clip(name)} has an impossible description")
    return begin, end


def _array(path: Path, name: str, spec: Any, body: bytes, begin: int) -> np.ndarray:
    dtype, shape = _DTYPES[spec["dtype"]], spec["shape"]
    array = np.frombuffer(body, dtype, math.prod(shape), begin).reshape(shape)
    if not np.isfinite(array).all():
        raise _foreign(path, f"tensor {clip(name)} holds NaN or infinity")
    return array.astype(dtype.newbyteorder("="))


def _json(path: Path, text: Any, loads: Callable[[Any], Any]) -> dict[str, Any]:
    try:
        value = loads(text)
    except ValueError as error:
        raise _foreign(path, f"its header is not a JSON object ({clip(str(error))})") from None
    if not isinstance(value, dict):
        raise _foreign(path, "its header is not a JSON object")
    return value


def _foreign(path: Path, why: str) -> FormatError:
    return FormatError(
        "load bridge", f"{path}: {why}", "a file written by Bridge.save", "Fit the bridge anew."
    )
