"""Writing files so that a crash leaves the old one or the new one, never half of one."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from isthmus.core.errors import StorageError
from isthmus.spaces.durable import sync_folder
from isthmus.spaces.stores.address import refuse_address


def atomic_write(
    path: Path, data: bytes, *, operation: str, check: Callable[[Path], None] | None = None
) -> None:
    """Write ``data`` to ``path``: a temporary file, fsync, rename, fsync of the folder.

    Plain ``write`` and never a memory map: a full disk then is an error instead of a killed
    process. ``check`` looks at the temporary file before it takes its name. Raises StorageError, or
    what the check raises, with the temporary file gone and an older ``path`` untouched.
    """
    refuse_address(path, operation=operation)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if check is not None:
                check(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(operation, path, error) from error


def check_folder(path: Path, *, operation: str) -> None:
    """Raise StorageError when the folder that ``path`` is to be written in does not exist."""
    if not path.resolve().parent.is_dir():
        raise StorageError(
            operation, f"{path}: no folder {path.parent}", "an existing folder", "Create it first."
        )


def storage_error(operation: str, path: Path, error: OSError) -> StorageError:
    """The StorageError that says what the operating system said about ``path``."""
    return StorageError(
        operation,
        f"{path}: {error.strerror or error}",
        "a folder that can be written and has room",
        "Free space or choose another target; nothing was changed.",
    )
