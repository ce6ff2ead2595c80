"""Writing files so that a crash leaves the old one or the new one, never half of one."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.durable import sync_folder
from isthmus.spaces.stores.address import refuse_address


def atomic_write(
    path: Path, data: bytes, *, operation: str, check: Callable[[Path], None] | None = None
) -> None:
    """Write ``data`` to ``path``: a temporary file, fsync, rename, fsync of the folder.

    Plain ``write`` and never a memory map: a full disk then is an error instead of a killed
    process. ``check`` looks at the temporary file before it takes its name. Raises StorageError, or
    what the check raises, with the temporary file gone and an older ``path`` untouched.
    InputError where ``path`` names no file.
    """
    refuse_address(path, operation=operation)
    if not path.name or "\0" in str(path):
        raise InputError(operation, repr(str(path)), "the path of a file")
    # Without the name of the file, which may already be as long as a name can be.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
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
    except StorageError:  # the check's
        raise
    except OSError as error:
        raise storage_error(operation, path, error) from error
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            operation,
            f"{path}: {error.strerror or error}",
            "a folder whose names can be made durable",
            "The file is written; only a power cut now could take it away.",
        ) from error


def check_folder(path: Path, *, operation: str) -> None:
    """Raise StorageError when the folder that ``path`` is to be written in does not exist."""
    refuse_address(path, operation=operation)
    try:
        there = path.parent.is_dir()
    except OSError as error:
        raise storage_error(operation, path, error) from error
    if not there:
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
