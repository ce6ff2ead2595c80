"""A store that is one index file: the methods that every such store has, whatever its library."""

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.index_file import IndexFile, Library, create, local_file, open_file
from isthmus.spaces.stores.store import Facts, Rows, Store

if TYPE_CHECKING:
    _Base = Store
else:
    _Base = object


class OneFile(_Base):
    """The methods of a store of one index file; its class names the ``LIBRARY``."""

    LIBRARY: ClassVar[Library]

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._file = IndexFile(self, self.LIBRARY)

    @classmethod
    def open(cls, address: Address) -> Self:
        """The index at ``address``; InputError on one that keeps no vectors as they were."""
        open_file(address)
        store = cls(address)
        store._file.layout()
        return store

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """A new index of the library's own parameters and, by default, its first metric."""
        if id_kind != "int":
            raise InputError(f"create {address.redacted}", f"ids of kind {id_kind}", "integers")
        path, store = local_file(address, "create"), cls(address)
        create(store, cls.LIBRARY, path, dim=dim, metric=metric)
        return store

    def facts(self) -> Facts:
        """Rows, width, metric and the ANN index."""
        return self._file.facts()

    def ids(self) -> np.ndarray:
        """Ids (n,) int64, ascending."""
        return self._file.view().ids.copy()

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, in that order; there is no payload."""
        return self._file.fetch(ids)

    def stamp(self) -> str:
        """Size and time of the file and of what waits beside it."""
        return self._file.stamp()

    def upsert(self, rows: Rows) -> None:
        """Write rows; other programs see them when this handle is closed."""
        self._file.upsert(rows)

    def delete(self, ids: np.ndarray) -> None:
        """Remove rows; other programs see it when this handle is closed."""
        self._file.delete(ids)

    def shadow(self, job: str, *, dim: int, metric: str | None) -> Self:
        """A float32 file beside this one, whose index ``finish`` builds."""
        return type(self)(self._file.shadow(job, dim=dim, metric=metric))

    def finish(self, job: str) -> None:
        """Build the index of this file's kind and parameters over the shadow's vectors."""
        self._file.finish(job)

    def cutover(self, job: str) -> None:
        """Rename the shadow over this file, which keeps a name ending in ``_old``."""
        self._file.cutover(job)

    def rollback(self, job: str) -> None:
        """Rename the old file over the new one, which keeps the shadow's name."""
        self._file.rollback(job)

    def state(self, job: str) -> str:
        """What the names in the folder say of the job."""
        return self._file.names.state(job)

    def drop(self, job: str) -> None:
        """Remove the job's files that do not serve."""
        self._file.names.drop(job)

    def jobs(self) -> tuple[str, ...]:
        """The jobs of which files lie beside this one."""
        return self._file.names.jobs()

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids (q, k) as the library finds them by default; if fewer, the last again."""
        return self._file.search(queries, k)

    def close(self) -> None:
        """Build in what this handle wrote, and let go of the index."""
        self._file.close()
