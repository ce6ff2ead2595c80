"""Settle: make what another library wrote into a folder durable, where it does not do so itself."""

import os
from pathlib import Path

from isthmus.spaces.durable import sync_folder


def settle(folder: Path, known: dict[str, tuple[int, int]]) -> None:
    """Sync every file below ``folder`` that is new or changed since ``known``, which is updated.

    A file whose size and time are as they were costs one ``stat``. Files that vanish meanwhile
    belong to their owner and are passed over.
    """
    for root, _, names in os.walk(folder):
        changed = False
        for name in names:
            path = Path(root, name)
            try:
                about = path.stat()
                now = (about.st_size, about.st_mtime_ns)
                if known.get(str(path)) == now:
                    continue
                sync_folder(path)
            except FileNotFoundError:
                continue
            known[str(path)] = now
            changed = True
        if changed:
            sync_folder(Path(root))
    sync_folder(folder.parent)
