"""Stores that are one file, an index that its library loads whole: what FAISS and usearch share.

Beside ``corpus.faiss`` there may lie ``corpus.faiss.isthmus-journal``, rows written since the index
was built: closing the handle that wrote them builds them in. The shadow of a job is a file of its
own, ``corpus.faiss_isthmus_JOB``, empty but for its journal until ``finish`` builds it in the
likeness of the collection. Files are built under another name, flushed, and renamed.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.columns import ChainColumn, Column
from isthmus.spaces.durable import locked, storing, sync_folder
from isthmus.spaces.ids import named, normal
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.journal import Journal
from isthmus.spaces.stores.layout import Layout
from isthmus.spaces.stores.names import Names, fitting, flush, new_file
from isthmus.spaces.stores.store import SHADOW, Facts, Rows, Store, checked, gone, shadow_name

#: Rows read and built in at once.
BLOCK = 65536

#: Vectors (m, dim) of rows by their numbers (m,) among the ascending ids.
Reader = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Library:
    """What a library does with its files.

    ``read`` finds ids and vectors in a file; ``build`` writes a file of a layout's kind, width and
    metric for ids (n,) ascending; ``load`` gives a function from queries and k to ids (q, k), -1
    behind the last found; ``fresh`` is the layout of an empty collection.
    """

    read: Callable[[Path], Layout]
    build: Callable[[Path, Layout, np.ndarray, Reader], None]
    load: Callable[[Path, Layout], Callable[[np.ndarray, int], np.ndarray]]
    fresh: Callable[[int, str], Layout]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """Index and journal as one: ids (n,) ascending and their ``rows`` in ``vectors``."""

    state: tuple[Any, ...]
    layout: Layout
    ids: np.ndarray
    rows: np.ndarray
    vectors: Column

    def take(self, numbers: np.ndarray) -> np.ndarray:
        return self.vectors.take(self.rows[numbers])


class IndexFile:
    """What a store of one file does; the store's own class says for which library."""

    def __init__(self, store: Store, library: Library) -> None:
        self.store, self.index_library = store, library
        self.path = Path(store.address.local)
        self.where = store.address.redacted
        self.names = Names(self.path, self.where)
        self.journal = self.names.journal
        self.is_shadow = f"_{SHADOW}_" in self.path.name
        self._wrote = False
        self._view: _View | None = None
        self._layout: tuple[Any, Layout] | None = None
        self._log: Journal | None = None
        self._searcher: tuple[Any, Callable[[np.ndarray, int], np.ndarray]] | None = None

    def view(self) -> _View:
        """Index and journal as they are now; read anew only when a file changed."""
        state = self._state()
        if self._view is None or self._view.state != state:
            with self._storing("read"):
                self._view = self._read(state)
        return self._view

    def layout(self) -> Layout:
        """What the file holds, without the journal; read anew only when it changed."""
        state = self._state()[:3]
        if self._layout is None or self._layout[0] != state:
            with self._storing("read"):
                self._layout = state, self.index_library.read(self.path)
        return self._layout[1]

    def facts(self) -> Facts:
        """What the index says of itself."""
        view = self.view()
        return Facts(
            rows=len(view.ids), dim=view.layout.dim, metric=view.layout.metric, id_kind="int",
            index=view.layout.index,
        )  # fmt: skip

    def fetch(self, ids: np.ndarray) -> Rows:
        """The rows of ``ids``, in that order."""
        ids = _numbers(self.where, ids)
        while True:
            view = self.view()
            found = Rows(ids, view.take(self._places(view, ids)))
            # A file that another took the place of while it was read gave rows of the other.
            if self._state()[:3] == view.state[:3]:
                return found

    def stamp(self) -> str:
        """Which files these are, and when they were last written."""
        return "-".join(str(part) for part in self._state())

    def upsert(self, rows: Rows) -> None:
        """Write rows to the journal."""
        layout = self._writable()
        if rows.payload is not None and any(rows.payload):
            raise InputError(
                f"write to {self.where}", "other columns", f"ids and vectors, all that a "
                f"{self.store.traits().name} index holds",
            )  # fmt: skip
        rows = checked(self.store, replace(rows, ids=_numbers(self.where, rows.ids)), layout.dim)
        if not len(rows):
            return
        _allowed(self.where, rows.ids)
        if layout.positions:
            _allowed(self.where, np.union1d(self.view().ids, rows.ids), positions=True)
        self._append(layout, rows.ids, rows.vectors)

    def delete(self, ids: np.ndarray) -> None:
        """Write to the journal that ids are gone."""
        layout = self._writable()
        ids = np.intersect1d(self.view().ids, _numbers(self.where, ids))
        if len(ids):
            if layout.positions:
                _allowed(self.where, np.setdiff1d(self.view().ids, ids), positions=True)
            self._append(layout, ids, None)

    def shadow(self, job: str, *, dim: int, metric: str | None) -> Address:
        """The address of the job's shadow, which exists afterwards."""
        address = self.store.address.elsewhere(collection=shadow_name(self.path.name, job))
        path = self.names.of(job)
        if self.names.state(job) == "absent":
            create(
                self.store, self.index_library, path, dim=dim, metric=metric or self.facts().metric
            )
        found = self.index_library.read(path).dim
        if found != dim:
            raise StorageError(
                f"shadow of {self.where}", f"one of {found} dimensions", f"{dim}",
                f"Drop the job {job!r} first.",
            )  # fmt: skip
        return address

    def finish(self, job: str) -> None:
        """Build the shadow in the likeness of the collection."""
        if self.names.state(job) == "live":
            return
        shadow = self._other(self.names.of(job))
        like, have = self.layout(), shadow.layout()
        if shadow.journal.exists() or have.recipe != like.recipe:
            shadow.build(like.recipe, positions=like.positions)

    def cutover(self, job: str) -> None:
        """Let the finished shadow take the file's name."""
        if self.names.state(job) == "shadow":
            self.finish(job)
            self.settle()
        self.names.cutover(job)

    def rollback(self, job: str) -> None:
        """Give the old file its name back."""
        if self.names.state(job) == "live":
            self.settle()
        self.names.rollback(job)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids (q, k) by the library's own search; where it finds fewer, the last one again.

        -1 where it finds none, as an IVF whose nearest lists are empty.
        """
        if self.journal.exists() and self.is_shadow:
            raise StorageError(
                f"search {self.where}", "rows that its index does not hold yet",
                "a finished shadow", "Finish the job first.",
            )  # fmt: skip
        self.settle()
        view = self.view()
        queries, rows = np.ascontiguousarray(queries, dtype=np.float32), len(view.ids)
        if queries.ndim != 2 or queries.shape[1] != view.layout.dim or not 1 <= k <= rows:
            raise InputError(
                f"search {self.where}", f"queries {queries.shape} and k={k}",
                f"(q, {view.layout.dim}), and k from 1 to {rows:,}",
            )  # fmt: skip
        if self._searcher is None or self._searcher[0] != view.state:
            with self._storing("search"):
                self._searcher = view.state, self.index_library.load(self.path, view.layout)
        found = self._searcher[1](queries, k)
        last = np.maximum((found >= 0).sum(axis=1) - 1, 0)
        return np.where(found >= 0, found, found[np.arange(len(found)), last][:, None])

    def settle(self) -> None:
        """Build what the journal holds into the index."""
        if self.journal.exists() and not self.is_shadow:
            layout = self.layout()
            self.build(layout.recipe, positions=layout.positions)

    def build(self, recipe: Any, *, positions: bool) -> None:
        """Write index and journal as one index built by ``recipe``, in the place of both."""
        with self._storing("build"), locked(self.path.parent):
            if self.journal.exists():
                Journal(self.journal, self.layout().dim).entries(verify=True)
            view = self.view()
            layout = replace(view.layout, recipe=recipe)
            _allowed(self.where, view.ids, positions=positions)
            self.names.begin_again()
            with new_file(self.path) as draft:
                self.index_library.build(draft, layout, view.ids, view.take)
                flush(draft)
                if not np.array_equal(np.sort(self.index_library.read(draft).ids), view.ids):
                    raise StorageError(
                        f"build {self.where}", "a file that does not hold what was written",
                        "every row", "Check the disk, and run again.",
                    )  # fmt: skip
                draft.replace(self.path)
            sync_folder(self.path.parent)
            # Cut here, the journal says again what the index holds.
            self.journal.unlink(missing_ok=True)
            sync_folder(self.path.parent)

    def close(self) -> None:
        """Build in what this handle wrote; a shadow waits for ``finish``."""
        self._searcher = None
        if self._wrote:
            self._wrote = False
            self.settle()

    def _places(self, view: _View, ids: np.ndarray) -> np.ndarray:
        places = np.searchsorted(view.ids, ids)
        if not len(view.ids):
            there = np.zeros(len(ids), dtype=bool)
        else:
            there = view.ids[np.minimum(places, len(view.ids) - 1)] == ids
        if not there.all():
            raise gone(self.store, ids[~there])
        return places

    def _append(self, layout: Layout, ids: np.ndarray, vectors: np.ndarray | None) -> None:
        with self._storing("write to"), locked(self.path.parent):
            if self.layout().dim != layout.dim:
                raise StorageError(
                    f"write to {self.where}", f"an index of {self.layout().dim} dimensions by now",
                    f"{layout.dim}", "Another program replaced it: run the command again.",
                )  # fmt: skip
            if self._log is None or self._log.dim != layout.dim:
                self._log = Journal(self.journal, layout.dim)
            self._log.append(ids, vectors)
        self._wrote = True

    def _writable(self) -> Layout:
        layout = self.layout()
        if layout.refuses:
            raise InputError(
                f"write to {self.where}", layout.refuses, "an index that keeps float32 exactly",
                "Translate it: the shadow keeps float32.",
            )  # fmt: skip
        return layout

    def _read(self, state: tuple[Any, ...]) -> _View:
        layout = self.layout()
        rows = np.argsort(layout.ids, kind="stable")
        ids, vectors = layout.ids[rows], layout.vectors
        if self.journal.exists():
            entries = Journal(self.journal, layout.dim).entries()
            kept, written = ~np.isin(ids, entries.ids), entries.rows >= 0
            rows = np.concatenate([rows[kept], len(ids) + entries.rows[written]])
            ids = np.concatenate([ids[kept], entries.ids[written]])
            order = np.argsort(ids, kind="stable")
            rows, ids = rows[order], ids[order]
            vectors = ChainColumn([layout.vectors, entries.vectors])
        return _View(state, layout, ids, rows, vectors)

    def _state(self) -> tuple[Any, ...]:
        parts: list[int] = []
        for path in (self.path, self.journal):
            try:
                found = path.stat()
            except OSError as error:
                if path == self.path:
                    raise self._no_file(error) from None
                continue
            parts += [found.st_ino, found.st_size, found.st_mtime_ns]
        return tuple(parts)

    def _no_file(self, error: OSError) -> StorageError:
        return StorageError(f"read {self.where}", error.strerror or "no file", "the file it names")

    def _other(self, path: Path) -> "IndexFile":
        address = self.store.address.elsewhere(collection=path.name)
        return IndexFile(type(self.store)(address), self.index_library)

    @contextlib.contextmanager
    def _storing(self, what: str) -> Iterator[None]:
        with storing(f"{what} {self.where}"):
            yield


def local_file(address: Address, doing: str) -> Path:
    """The file that ``address`` names; InputError unless it is of this machine, without options."""
    address.refuse_options()
    if address.host or address.user or address.password or address.port:
        raise InputError(
            f"{doing} {address.redacted}", "a host or a user", "a file of this machine",
            f"Write {address.scheme}:///folder/file, or {address.scheme}://./file.",
        )  # fmt: skip
    return fitting(Path(address.local))


def open_file(address: Address) -> None:
    """Raise InputError unless ``address`` names a file of this machine that exists."""
    path, where = local_file(address, "open"), f"open {address.redacted}"
    with storing(where):
        if path.is_file():
            return
        there = sorted(p.name for p in path.parent.glob("*") if p.is_file() and p.name[0] != ".")
    raise InputError(
        where, f"no file {path.name!r}",
        f"one of {', '.join(there[:20])}" if there else "a file that exists",
    )  # fmt: skip


def create(store: Store, library: Library, path: Path, *, dim: int, metric: str | None) -> None:
    """Write an empty index to ``path``; StorageError where there is something already."""
    where = f"create {store.address.elsewhere(collection=path.name).redacted}"
    metrics = store.traits().metrics
    metric = metric or metrics[0]
    if dim < 1 or metric not in metrics:
        cosine = metric == "cosine"
        raise InputError(
            where, f"dim={dim}, metric={metric!r}", f"dim >= 1, one of {', '.join(metrics)}",
            "Ask for 'inner', with vectors scaled to unit length." if cosine else "",
        )  # fmt: skip
    if not path.parent.is_dir():
        raise StorageError(where, f"no folder {str(path.parent)!r}", "an existing folder")
    with storing(where), locked(path.parent), new_file(path) as draft:
        layout = library.fresh(dim, metric)
        library.build(draft, layout, layout.ids, layout.vectors.take)
        flush(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            raise StorageError(where, "a file of that name", "a name not taken") from None
        sync_folder(path.parent)


def _allowed(where: str, ids: np.ndarray, *, positions: bool = False) -> None:
    """Raise InputError on ids below zero, or (ascending) other than the positions 0 .. n-1."""
    if len(ids) and ids.min() < 0:
        raise InputError(
            f"write to {where}", f"ids below zero ({named(ids[ids < 0])})", "ids from 0 on"
        )
    if positions and not np.array_equal(ids, np.arange(len(ids))):
        raise InputError(
            f"write to {where}", "rows whose ids leave gaps",
            f"ids 0 to {len(ids) - 1}: this index has no ids but positions",
            "Wrap it in an IndexIDMap2, which holds ids of its own.",
        )  # fmt: skip


def _numbers(where: str, ids: np.ndarray) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise InputError(f"use {where}", f"ids {named(ids)}", "integers: an index holds no text")
    return normal(ids, where=f"use {where}")
