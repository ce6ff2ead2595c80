"""The folder of a LanceDB: which table is which directory, and how two of them change places."""

from pathlib import Path

from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.exchange import exchange, mend
from isthmus.spaces.stores.names import fitting
from isthmus.spaces.stores.store import SHADOW, shadow_name


class Folder:
    """The directories of one table and of its jobs: ``docs.lance``, ``docs_isthmus_JOB.lance``."""

    def __init__(self, address: Address) -> None:
        self.place, self.name = Path(address.place or "."), address.collection
        self._start = f"{self.name}_{SHADOW}_"

    def path(self, name: str | None = None) -> Path:
        """The directory of a table, by default of the collection itself; InputError if too long."""
        return fitting(self.place / f"{name or self.name}.lance")

    def shadow(self, job: str, *, old: bool = False) -> Path:
        """The directory of a job's table; ``old``: where a swap in three steps puts one aside."""
        return self.path(shadow_name(self.name, job, old=old))

    def names(self) -> list[str]:
        """All tables there are, in order."""
        return sorted(path.stem for path in self.place.glob("*.lance"))

    def jobs(self) -> tuple[str, ...]:
        """The jobs that have a table."""
        found = [n.removeprefix(self._start) for n in self.names() if n.startswith(self._start)]
        return tuple(sorted({job.removesuffix("_old") for job in found}))

    def serving(self) -> str | None:
        """The table that holds the collection; after the first step of a cut swap that aside."""
        if self.path().exists():
            return self.name
        return next((path.stem for path in self._aside()), None)

    def swap(self, job: str) -> None:
        """Let the collection and the job's table change places."""
        exchange(self.path(), self.shadow(job), aside=self.shadow(job, old=True))

    def mend(self) -> bool:
        """End a swap that was cut; whether there was one."""
        cut = self._aside()
        for aside in cut:
            mend(self.path(), self.path(aside.stem.removesuffix("_old")), aside=aside)
        return bool(cut)

    def _aside(self) -> list[Path]:
        return [
            self.path(n) for n in self.names() if n.startswith(self._start) and n.endswith("_old")
        ]


def born(table: Path) -> bool:
    """Whether the making of a table was not cut before its first version."""
    return any(table.glob("_versions/*.manifest"))
