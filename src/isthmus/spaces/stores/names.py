"""Names: the files of a job beside the one they are to replace, and how they change places.

``corpus.faiss_isthmus_JOB`` is the job's shadow, with ``_old`` behind it what a cutover replaced,
with ``_back`` the same while a rollback is at work. Each step is one call of the operating system,
so that wherever a crash falls the names say how far it came.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.durable import locked, storing, sync_folder
from isthmus.spaces.stores.store import shadow_name

#: What the name of a journal ends with.
JOURNAL = ".isthmus-journal"
#: Bytes of a name that file systems keep.
LONGEST = 255


class Names:
    """The names beside ``path``; ``where`` is what messages call it."""

    def __init__(self, path: Path, where: str) -> None:
        self.path, self.where = path, where
        self.journal = fitting(path.with_name(path.name + JOURNAL))

    def of(self, job: str, ending: str = "") -> Path:
        """The name of the job's shadow, or of what else ``ending`` says."""
        endings = ("_old", "_back", JOURNAL)
        if not job or "/" in job or job.endswith(endings):
            raise InputError(
                "job", repr(job), f"a name without '/' that ends in none of {', '.join(endings)}"
            )
        return fitting(self.path.with_name(shadow_name(self.path.name, job) + ending))

    def cutover(self, job: str) -> None:
        """The file of the collection gets a second name, then the shadow takes the first."""
        old = self.of(job, "_old")
        with storing(f"cut over {self.where}"), locked(self.path.parent):
            state = self.state(job)
            if state == "live":
                return
            if state == "absent":
                raise StorageError(
                    f"cut over {self.where}", f"no shadow of the job {job!r}", "a finished shadow"
                )
            # A cutover cut short may have made the second name already.
            old.unlink(missing_ok=True)
            os.link(self.path, old)
            sync_folder(self.path.parent)
            self.of(job).replace(self.path)
            sync_folder(self.path.parent)

    def rollback(self, job: str) -> None:
        """The same backwards; the old file is set aside first, so that a cut is known for one."""
        shadow, old, back = (self.of(job, ending) for ending in ("", "_old", "_back"))
        with storing(f"roll back {self.where}"), locked(self.path.parent):
            state = self.state(job)
            if state == "shadow":
                return
            if state == "absent":
                raise StorageError(
                    f"roll back {self.where}", f"no old vectors of the job {job!r}",
                    "those that a cutover leaves", "They were dropped, or it never happened.",
                )  # fmt: skip
            if old.exists():
                old.replace(back)
            shadow.unlink(missing_ok=True)
            os.link(self.path, shadow)
            sync_folder(self.path.parent)
            back.replace(self.path)
            sync_folder(self.path.parent)

    def state(self, job: str) -> str:
        """What the names in the folder say."""
        shadow, old, back = (self.of(job, ending) for ending in ("", "_old", "_back"))
        if back.exists():  # a rollback cut short
            return "live"
        if not old.exists():
            return "shadow" if shadow.exists() else "absent"
        if not shadow.exists():
            return "live"
        with storing(f"look at {self.where}"):
            if old.samefile(self.path):  # a cutover cut short between its two steps
                return "shadow"
        raise StorageError(
            f"look at {self.where}", f"both a shadow and old vectors of the job {job!r}",
            "one of them", "Another program replaced the file half way: keep the file that is "
            "right, and remove the others.",
        )  # fmt: skip

    def drop(self, job: str) -> None:
        """Remove what does not serve."""
        with storing(f"drop {self.where}"), locked(self.path.parent):
            self.state(job)
            # A shadow with its journal gone is empty; a journal alone would be no one's.
            for ending in (JOURNAL, "", "_old", "_back"):
                self.of(job, ending).unlink(missing_ok=True)
                sync_folder(self.path.parent)
            _tidy(self.of(job))

    def jobs(self) -> tuple[str, ...]:
        """The jobs of which files lie beside the collection."""
        begin = shadow_name(self.path.name, "")
        names = {
            entry.name.removeprefix(begin)
            for entry in self.path.parent.iterdir()
            if entry.name.startswith(begin)
        }
        for ending in (JOURNAL, "_old", "_back"):
            names = {name.removesuffix(ending) for name in names}
        return tuple(sorted(names))

    def begin_again(self) -> None:
        """Take back the second name that a cutover or rollback cut short gave the file.

        Before the file is replaced: afterwards no one could tell which of the two serves.
        """
        for job in self.jobs():
            for ending in ("", "_old"):
                other = self.of(job, ending)
                if other.exists() and other.samefile(self.path):
                    other.unlink()


def fitting(path: Path) -> Path:
    """``path``; raises InputError where its name is longer than file systems keep."""
    if (size := len(os.fsencode(path.name))) > LONGEST:
        raise InputError(
            f"use a name in {path.parent}", f"{path.name[:20]}..., which takes {size} bytes",
            f"at most {LONGEST}, as file systems keep them",
            "Give the collection, or its job, a shorter name.",
        )  # fmt: skip
    return path


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to, gone at the end unless it was renamed.

    The caller holds the folder's lock, so whatever lies under such a name is a dead writer's.
    """
    _tidy(path)
    draft = path.with_name(f"{_draft(path)}{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make what a library wrote to ``path`` durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _draft(path: Path) -> str:
    return f".{path.name}.isthmus-"


def _tidy(path: Path) -> None:
    for entry in path.parent.iterdir():
        if entry.name.startswith(_draft(path)):
            entry.unlink(missing_ok=True)
