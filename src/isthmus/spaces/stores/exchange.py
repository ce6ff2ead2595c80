"""Exchange: two folders swap their names, in one step where the operating system can."""

import ctypes
import os
import sys
from pathlib import Path

from isthmus.spaces.durable import sync_folder

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE


def exchange(first: Path, second: Path, *, aside: Path) -> None:
    """Swap the names of two folders.

    Linux does it in one step (renameat2). Elsewhere, and on file systems that cannot, it takes
    three renames by way of ``aside``; ``mend`` ends what was cut between them.
    """
    if not _in_one_step(first, second):
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
    sync_folder(first.parent)


def mend(first: Path, second: Path, *, aside: Path) -> None:
    """End an exchange that was cut: undo it where ``first`` is missing, else complete it."""
    if aside.exists():
        aside.rename(second if first.exists() else first)
        sync_folder(first.parent)


def _in_one_step(first: Path, second: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return not call(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE)
