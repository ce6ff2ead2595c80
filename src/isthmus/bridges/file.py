"""Bridge files: written in one step and read back; ``core.bridge_file`` says how they look."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core import bridge_file
from isthmus.core.bridge_file import FORMAT, header_crc
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.files import atomic_write
from isthmus.spaces.stores.address import refuse_address

#: What every file of ours says right after the eight bytes of the header's length.
_MARK = b'{"__metadata__":{"isthmus":'


def read(
    path: Path, *, wanted: Callable[[str], bool] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """As ``core.bridge_file.read``; an address is refused, for a message would repeat it."""
    refuse_address(path, operation="load bridge")
    return bridge_file.read(path, wanted=wanted)


def write(path: Path, description: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write ``arrays`` and ``description``, read them back, and only then call them ``path``.

    Raises InputError on what could not be read again, and StorageError; an older file stays.
    """
    from safetensors.numpy import save

    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(
                "save bridge", f"{name} {array.shape} with NaN or infinity", "finite numbers",
                "Fit the bridge anew.",
            )  # fmt: skip
    # Options may be NumPy's numbers, which JSON has not.
    description = json.loads(json.dumps(description, default=_number))
    # safetensors writes the wrong bytes for arrays that are not C-contiguous.
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    payload = save(tensors)
    end = _header_end(payload)
    whole = {"format": FORMAT, **description, "crc32": zlib.crc32(memoryview(payload)[end:])}
    whole["header_crc32"] = header_crc(whole, json.loads(payload[8:end]))
    text = json.dumps(whole, sort_keys=True)

    def same(written: Path) -> None:
        again = read(written)[1]
        if any(not np.array_equal(again[name], tensors[name]) for name in tensors):
            raise StorageError(
                "save bridge", str(path), "the bytes just written", "Check the disk."
            )

    data = save(tensors, metadata={"isthmus": text})
    atomic_write(path, data, operation="save bridge", check=same)


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in a description")


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


def _header_end(payload: bytes) -> int:
    return 8 + int.from_bytes(payload[:8], "little")
