"""What already lies where a space is to be written: refused, kept, or tidied away."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.durable import abandoned, read_json
from isthmus.spaces.formats.space_directory import check_file
from isthmus.spaces.manifest import SHARDS, StoredFile, generations, shard_from_json
from isthmus.spaces.stores.address import refuse_address

#: The name in a job's folder of the bridge that its workers load.
JOB_BRIDGE = "bridge.isthmus"
_TRIES = 10


def check_target(path: Path, where: str) -> None:
    """Raise StorageError unless ``path`` is new, an empty folder, or a space directory."""
    refuse_address(path, operation=where)
    if not path.exists():
        return
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
        ours = {name for name in names if name.startswith("writing") or name == SHARDS}
        if names == ours or generations(path):
            return
    raise StorageError(
        where,
        "a folder with other things in it" if path.is_dir() else "a file that exists",
        "a new or empty folder, or a space directory",
        "Choose another path; nothing was touched.",
    )


def remove_leftovers(path: Path) -> None:
    """Remove what writers that died left behind; finished shards of a resumable job stay."""
    for entry in path.glob("writing-*"):
        if abandoned(entry):
            shutil.rmtree(entry, ignore_errors=True)
    shared = path / "writing"
    needed = {JOB_BRIDGE}
    for entry in shared.glob("*.json"):
        if entry.stem.isdecimal():
            try:
                shard = shard_from_json(read_json(entry))
            except ValueError:  # a damaged record: without it that shard is written anew
                entry.unlink(missing_ok=True)
                continue
            needed |= {stored.file for stored in (shard.vectors, shard.ids) if stored}
    for entry in shared.glob("*"):
        if entry.suffix != ".json" and entry.name not in needed and abandoned(entry):
            entry.unlink(missing_ok=True)


def read_job(path: Path) -> dict[str, Any]:
    """What a job's ``job.json`` says; raises FormatError on anything else than one."""
    with contextlib.suppress(ValueError):
        job: Any = read_json(path)
        if (
            isinstance(job, dict)
            and isinstance(job.get("facts"), dict)
            and all(type(job.get(key)) is int and job[key] >= 0 for key in ("generation", "first"))
        ):
            return job
    raise FormatError(
        f"go on in {path.parent.parent.name}", f"a damaged {path.parent.name}/{path.name}",
        "what the job wrote when it began",
        f"Remove {path.parent} to begin anew; what was committed before is intact.",
    )  # fmt: skip


def discard(staging: Path) -> None:
    """Remove a job's folder; again where a worker not yet stopped made a file in it meanwhile."""
    for _ in range(_TRIES):
        shutil.rmtree(staging, ignore_errors=True)
        if not staging.exists():
            return


def holds(path: Path, stored: StoredFile) -> bool:
    """Whether ``path`` has the size and every checksum recorded in ``stored``."""
    try:
        check_file(path, stored)
    except (FormatError, OSError):
        return False
    return True
