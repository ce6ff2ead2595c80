"""usearch: ``usearch:///data/corpus.usearch``, an index in a file with its vectors inside.

Ids are its keys. Vectors kept as f32 are read and written bit for bit. Those of an f16 or bf16
index are read as they are stored; nothing is written to it, since that would round, and its shadow
keeps f32. The file records neither expansion_add nor expansion_search: usearch's defaults serve.
Reading a file needs no usearch; building and searching one does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.index_file import BLOCK, IndexFile, Library, Reader, create, open_file
from isthmus.spaces.stores.layout import Layout
from isthmus.spaces.stores.store import Facts, Rows, Store
from isthmus.spaces.stores.usearch_file import Recipe, read

_NAMES = {"cosine": "cos", "euclidean": "l2sq", "inner": "ip"}


class Usearch(Store):
    """The handle of one index file."""

    SCHEME = "usearch"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._file = IndexFile(self, _LIBRARY)

    @classmethod
    def open(cls, address: Address) -> Self:
        """The index at ``address``; InputError on one of bits or 8-bit integers."""
        open_file(address)
        store = cls(address)
        store._file.layout()
        return store

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """A new float32 index of usearch's own parameters; by cosine unless told otherwise."""
        if id_kind != "int":
            raise InputError(f"create {address.redacted}", f"ids of kind {id_kind}", "integers")
        store = cls(address)
        create(store, _LIBRARY, Path(address.local), dim=dim, metric=metric)
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

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Usearch":
        """A float32 file beside this one, whose index ``finish`` builds."""
        return type(self)(self._file.shadow(job, dim=dim, metric=metric))

    def finish(self, job: str) -> None:
        """Build the index, of this file's connectivity, over the shadow's vectors."""
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
        """Ids (q, k) by usearch as it searches by default; if fewer, the last again."""
        return self._file.search(queries, k)

    def close(self) -> None:
        """Build in what this handle wrote, and let go of the index."""
        self._file.close()


def _library(operation: str, what: str) -> Any:
    try:
        import usearch.index
    except ImportError:
        raise MissingExtra(f"{operation} {what}", "usearch", "usearch") from None
    return usearch.index


def _build(path: Path, layout: Layout, ids: np.ndarray, read: Reader) -> None:
    recipe: Recipe = layout.recipe
    index = _library("write", path.name).Index(
        ndim=layout.dim, metric=_NAMES[layout.metric], dtype="f32",
        connectivity=recipe.connectivity,
    )  # fmt: skip
    try:
        for start in range(0, len(ids), BLOCK):
            numbers = np.arange(start, min(start + BLOCK, len(ids)))
            index.add(ids[numbers].astype(np.uint64), read(numbers))
        index.save(str(path))
    except (RuntimeError, MemoryError) as error:
        raise StorageError(
            "write a usearch index",
            str(error)[:160],
            "memory and a disk with room for it",
            "What was written before is intact: make room, and run again.",
        ) from None


def _load(path: Path, layout: Layout) -> Callable[[np.ndarray, int], np.ndarray]:
    try:
        index = _library("search", path.name).Index.restore(str(path), view=True)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise StorageError(
            f"load {path.name}", str(error)[:160], "an index that usearch reads"
        ) from None

    def find(queries: np.ndarray, k: int) -> np.ndarray:
        met = index.search(queries, k)
        if len(queries) == 1:  # answered in a form of its own
            found = np.full((1, k), -1, dtype=np.int64)
            found[0, : len(met.keys)] = met.keys.astype(np.int64)
            return found
        found = met.keys.astype(np.int64)
        found[np.arange(k) >= np.asarray(met.counts)[:, None]] = -1
        return found

    return find


def _fresh(dim: int, metric: str) -> Layout:
    nothing = ArrayColumn(np.empty((0, dim), np.float32))
    return Layout(dim, metric, np.empty(0, np.int64), nothing, Recipe())


_LIBRARY = Library(read, _build, _load, _fresh)
