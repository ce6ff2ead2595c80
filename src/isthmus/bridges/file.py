"""Bridge files: safetensors with one JSON entry; foreign files are refused before parsing.

Layout: 8 bytes header length, the safetensors JSON header, the tensors. The header's metadata holds
one key, ``isthmus``: a JSON text with the method, its parameters, both fingerprints and the scores,
the CRC-32 of the tensor bytes, and that of all else the header says. Everything is checked against
the file's real size and the method's declared shapes; nothing is ever unpickled.
"""

import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.files import atomic_write

FORMAT = 2
#: A header beyond this is no bridge; fingerprints and parameters take well under a megabyte.
_MAX_HEADER = 16 * 2**20
#: What every file of ours says right after the eight bytes of the header's length.
_MARK = b'{"__metadata__":{"isthmus":'
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
}


def write(path: Path, description: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write ``arrays`` and ``description`` to ``path`` in one atomic step, then read them back."""
    from safetensors.numpy import save

    # safetensors writes the wrong bytes for arrays that are not C-contiguous.
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    payload = save(tensors)
    end = _header_end(payload)
    whole = {"format": FORMAT, **description, "crc32": zlib.crc32(memoryview(payload)[end:])}
    whole["header_crc32"] = _header_crc(whole, json.loads(payload[8:end]))
    text = json.dumps(whole, sort_keys=True)
    atomic_write(path, save(tensors, metadata={"isthmus": text}), operation="save bridge")
    again = read(path)[1]
    if any(not np.array_equal(again[name], tensors[name]) for name in tensors):
        raise StorageError("save bridge", str(path), "the bytes just written", "Check the disk.")


def is_bridge(path: str | Path) -> bool:
    """Whether ``path`` is a file that begins like a bridge, whatever its name.

    It may be damaged further on: ``isthmus.load`` tells. StorageError when it cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8 + len(_MARK))[8:] == _MARK
    except OSError as error:
        raise StorageError("open", f"{path}: {error.strerror}", "a readable file") from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and arrays of a bridge file; raises FormatError on anything else."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(8)
            length = int.from_bytes(head, "little") if len(head) == 8 else 0
            if not 2 <= length <= min(size - 8, _MAX_HEADER):
                raise _foreign(path, "its first 8 bytes give no sensible header length")
            header = _json(path, file.read(length))
            body = file.read()
    except OSError as error:
        raise StorageError("load bridge", f"{path}: {error.strerror}", "a readable file") from error
    meta = header.pop("__metadata__", None)
    text = meta.get("isthmus") if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise _foreign(path, "it carries no isthmus description")
    description = _json(path, text.encode())
    if description.get("format") != FORMAT:
        raise FormatError(
            "load bridge",
            f"{path} of format {description.get('format')!r}",
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
    arrays = {name: _tensor(path, name, spec, body) for name, spec in header.items()}
    if description.pop("header_crc32", None) != _header_crc(description, header):
        raise FormatError(
            "load bridge",
            f"{path}: a description that does not match its checksum",
            "what was written",
            "Copy the file again.",
        )
    return description, arrays


def _tensor(path: Path, name: str, spec: Any, body: bytes) -> np.ndarray:
    try:
        dtype, shape = _DTYPES[spec["dtype"]], tuple(spec["shape"])
        begin, end = spec["data_offsets"]
        sound = (
            all(type(value) is int and value >= 0 for value in (*shape, begin, end))
            and len(shape) <= 3
            and end <= len(body)
            and end - begin == math.prod(shape) * dtype.itemsize
        )
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise _foreign(path, f"tensor {name!r} has an impossible description")
    array = np.frombuffer(body, dtype, math.prod(shape), begin).reshape(shape)
    if not np.isfinite(array).all():
        raise _foreign(path, f"tensor {name!r} holds NaN or infinity")
    return array.astype(dtype.newbyteorder("="))


def _json(path: Path, text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _foreign(path, "its header is not a JSON object")
    return value


def _header_crc(description: dict[str, Any], tensors: dict[str, Any]) -> int:
    """The CRC-32 of what the header says, apart from this number itself."""
    said = {name: value for name, value in description.items() if name != "header_crc32"}
    return zlib.crc32(json.dumps([said, tensors], sort_keys=True).encode())


def _header_end(payload: bytes) -> int:
    return 8 + int.from_bytes(payload[:8], "little")


def _foreign(path: Path, why: str) -> FormatError:
    return FormatError(
        "load bridge", f"{path}: {why}", "a file written by Bridge.save", "Fit the bridge anew."
    )
