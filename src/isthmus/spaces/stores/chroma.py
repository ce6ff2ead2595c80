"""Chroma: collections of a local folder or of a server.

Ids are text. Documents, URIs and flat metadata are carried along, the first two under the names
``chroma:document`` and ``chroma:uri``; an empty value is none, and nested metadata does not exist.
An empty document is none too: Chroma takes a document away only with its row, so a row that is
written without the document it had keeps an empty one, and no row is ever removed to be written.
Chroma keeps norms under every metric, but under cosine it stores directions and lengths apart: a
component may come back changed in its last bits, by about 1e-7 of itself.

The shadow is a second collection with the first one's metadata and HNSW settings, without its
embedding function, which names the old encoder. It takes documents and metadata of each row from
the first as it fills, and is indexed as it fills. The cutover is two renames: for the moment
between them nobody finds the collection by its name, and after a crash there isthmus reads the
originals until the next cutover or rollback has mended it. A program that has the collection open
goes on with the old one until it asks for it by name again.

``stamp`` is the number of the folder's last write to the collection. A server tells of none, so
there it is a hash, for which everything is read once. The token of a server comes from the variable
CHROMA_TOKEN; telemetry is off. Tested with a folder and with a server process on this machine.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.chroma_client import Client
from isthmus.spaces.stores.chroma_payload import Carried, carried, given, read
from isthmus.spaces.stores.store import SHADOW, Facts, Rows, Store, checked, gone, shadow_name

_SPACE = {"euclidean": "l2", "cosine": "cosine", "inner": "ip"}
_METRIC = {space: metric for metric, space in _SPACE.items()}
_DIM, _JOB = "isthmus:dim", "isthmus:job"


class Chroma(Store):
    """A collection: ``chroma:///folder/collection`` or ``chroma://host:8000/collection``.

    ``filter`` is Chroma's ``where`` as JSON; ``tenant`` and ``database`` are its own; ``ssl=1``
    speaks https. The token of a server comes from ``CHROMA_TOKEN`` or ``token``.
    """

    SCHEME = "chroma"

    def __init__(self, address: Address, client: Client, source: "Chroma | None" = None) -> None:
        super().__init__(address)
        self._client, self._source = client, source
        self._where = _filter(address)

    @classmethod
    def open(cls, address: Address) -> Self:
        """Connect to a collection that exists."""
        _filter(address)
        client = Client(address, "open")
        store = cls(address, client)
        try:
            if store._find() is None:
                names = client.names()
                raise InputError(
                    f"open {address.redacted}", f"no collection {address.collection!r}",
                    f"one of {', '.join(names)}" if names else "one that exists",
                )  # fmt: skip
            if store._where is not None:
                with store._filtering():
                    store._here().get(where=store._where, limit=1, include=[])
        except BaseException:
            client.close()
            raise
        return store

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """Make an empty collection; its ids are text."""
        where = f"create {address.redacted}"
        if id_kind != "string":
            raise InputError(where, f"ids of kind {id_kind}", "text: Chroma has no other ids")
        client = Client(address, "create", new=True)
        store = cls(address, client)
        try:
            if store._find() is not None:
                raise StorageError(
                    where, f"a collection {address.collection!r} that exists", "a new name"
                )
            client.make(address.collection, {"space": _SPACE[metric or "euclidean"]}, {_DIM: dim})
        except BaseException:
            client.close()
            raise
        return store

    def facts(self) -> Facts:
        """Rows, width and metric of the collection's own configuration."""
        here = self._here()
        with self._filtering():
            rows = here.count() if self._where is None else len(self._all(here))
            dim = self._dim(here)
        settings = here.configuration_json.get("hnsw") or here.configuration_json.get("spann") or {}
        return Facts(
            rows=rows, dim=dim, metric=_METRIC.get(settings.get("space", "l2")), id_kind="string",
            index="SPANN" if here.configuration_json.get("spann") else "HNSW",
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """Ids, ascending."""
        with self._filtering():
            return self._all(self._here())

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """Rows of ``ids``, asked for in parts that Chroma takes."""
        found = self._carried(ids, ["embeddings", *(read() if payload else ())])
        return Rows(ids, found.vectors(), found.payload() if payload else None)

    def stamp(self) -> str:
        """Of a local folder the number of the last write; of a server, which tells none, a hash.

        The hash takes one reading of everything.
        """
        here = self._here()
        if self._client.folder is not None:
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(
                    sqlite3.connect(
                        f"file:{self._client.folder / 'chroma.sqlite3'}?mode=ro", uri=True
                    )
                ) as base,
            ):
                last = base.execute(
                    "SELECT max(m.seq_id) FROM max_seq_id m JOIN segments s ON s.id = m.segment_id "
                    "WHERE s.collection = ? AND s.scope = 'METADATA'", (str(here.id),)
                ).fetchone()  # fmt: skip
                return f"{here.id}-{last[0] or 0}"
        return f"{here.id}-{super().stamp()}"

    def upsert(self, rows: Rows) -> None:
        """Write rows; with a payload, theirs replaces what was there, document and metadata."""
        here, where = self._here(), f"write to {self.address.redacted}"
        with self._client.asking(where):
            dim = self._dim(here)
        rows = checked(self, rows, dim or np.shape(rows.vectors)[-1])
        if len(rows) and rows.ids.dtype.kind not in "UO":
            raise InputError(where, f"ids of {rows.ids.dtype}", "text ids")
        parts = [
            slice(start, start + self._client.batch)
            for start in range(0, len(rows), self._client.batch)
        ]
        # All of the payload is looked at before any of it is written.
        payload = [given(rows.payload[some], where) for some in parts if rows.payload is not None]
        for number, some in enumerate(parts):
            ids, new = rows.ids[some].tolist(), None
            if payload:
                new = payload[number]
            elif self._source is not None:
                new = self._source._carried(rows.ids[some], list(read()))
            with self._client.asking(where):
                about: dict[str, Any] = {}
                if new is not None:
                    about = new.replacing(carried(here.get(ids=ids, include=list(read())), ids))
                here.upsert(ids=ids, embeddings=rows.vectors[some], **about)
        self._client.settle()

    def delete(self, ids: np.ndarray) -> None:
        """Remove rows."""
        self._remove(self._here(), np.asarray(ids))

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Chroma":
        """A collection with this one's settings and metadata, without its embedding function."""
        where, name = f"make a shadow of {self.address.redacted}", self._of(job)
        if job.endswith("_old"):
            raise InputError(where, f"the job {job!r}", "a name that does not end in _old")
        if self.state(job) == "live":
            raise StorageError(where, f"the job {job!r}, which serves already", "another job")
        found = self._client.find(name)
        if found is None:
            here = self._here()
            settings = dict(here.configuration_json.get("hnsw") or {})
            if metric is not None:
                settings["space"] = _SPACE[metric]
            about = {k: v for k, v in (here.metadata or {}).items()
                     if not k.startswith(("hnsw:", "isthmus:"))}  # fmt: skip
            self._client.make(name, settings, about | {_DIM: dim, _JOB: job})
        elif (width := (found.metadata or {}).get(_DIM)) != dim:
            raise StorageError(where, f"a shadow of {width} dimensions", f"{dim}", "Drop it first.")
        address = self.address.elsewhere(collection=name)
        address.options.pop("filter", None)
        return type(self)(address, self._client, source=self)

    def finish(self, job: str) -> None:
        """Nothing: Chroma indexes as it takes rows in."""

    def cutover(self, job: str) -> None:
        """Rename the collection, then its shadow, if that has every row."""
        where = f"cut over {self.address.redacted}"
        self._mend()
        state = self.state(job)
        if state == "live":
            return
        shadow = self._client.find(self._of(job))
        if shadow is None:
            raise StorageError(where, f"no shadow of the job {job!r}", "a finished shadow")
        here = self._here()
        with self._client.asking(where):
            mine, new = _ids(here), _ids(shadow)
        left, removed = np.setdiff1d(mine, new), np.setdiff1d(new, mine)
        if len(left):
            raise StorageError(
                where, f"{len(left):,} rows without a new vector (first: {named(left)})",
                "a shadow of every row", "Translate them first, without a filter.",
            )  # fmt: skip
        self._remove(shadow, removed)
        self._replace(here, self._of(job, old=True), shadow)

    def rollback(self, job: str) -> None:
        """The same backwards."""
        self._mend()
        state = self.state(job)
        if state == "absent":
            raise StorageError(
                f"roll back {self.address.redacted}", "no old vectors of the job",
                f"the collection that {job!r} replaced",
            )  # fmt: skip
        if state == "live":
            old = self._client.find(self._of(job, old=True))
            self._replace(self._here(), self._of(job), old)

    def state(self, job: str) -> str:
        """By the names there are, and by whose mark the collection carries."""
        here = self._client.find(self.address.collection)
        old = self._client.find(self._of(job, old=True))
        if here is not None and old is not None and (here.metadata or {}).get(_JOB) == job:
            return "live"
        there = self._client.find(self._of(job)) is not None
        return "shadow" if there else "absent"

    def drop(self, job: str) -> None:
        """Remove the collection that does not serve."""
        self._mend()
        for name in (self._of(job), self._of(job, old=True)):
            self._client.remove(name)

    def jobs(self) -> tuple[str, ...]:
        """Jobs with a collection beside this one."""
        start = f"{self.address.collection}_{SHADOW}_"
        found = [n.removeprefix(start) for n in self._client.names() if n.startswith(start)]
        return tuple(sorted({job.removesuffix("_old") for job in found}))

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids that Chroma finds for each query; where those are fewer than k, the last again."""
        rows, where = self.facts().rows, f"search {self.address.redacted}"
        if not 0 < k <= rows:
            raise InputError(where, f"k = {k}", f"1 to {rows:,}, the rows there are")
        with self._client.asking(where):
            found = self._here().query(
                query_embeddings=np.asarray(queries, dtype=np.float32), n_results=k,
                where=self._where, include=[],
            )["ids"]  # fmt: skip
        return np.array([row + row[-1:] * (k - len(row)) for row in found])

    def close(self) -> None:
        """Let go of the folder or the connection, for the shadows from here too."""
        if self._source is None:
            self._client.close()

    def _of(self, job: str, *, old: bool = False) -> str:
        return shadow_name(self.address.collection, job, old=old)

    def _find(self) -> Any:
        """The collection that serves, None of none; while a renaming is cut that is the old one."""
        found = self._client.find(self.address.collection)
        if found is None and (name := self._aside()):
            found = self._client.find(name)
        return found

    def _here(self) -> Any:
        found = self._find()
        if found is None:
            raise StorageError(
                f"read {self.address.redacted}", "no such collection any more", "one that exists"
            )
        return found

    def _aside(self) -> str:
        start = f"{self.address.collection}_{SHADOW}_"
        names = self._client.names()
        return next((n for n in names if n.startswith(start) and n.endswith("_old")), "")

    def _mend(self) -> None:
        """After a renaming cut half way the originals take their name again."""
        if self._client.find(self.address.collection) is None and (name := self._aside()):
            with self._client.asking(f"mend {self.address.redacted}"):
                self._client.find(name).modify(name=self.address.collection)

    def _replace(self, here: Any, aside: str, other: Any) -> None:
        """Give ``here`` the name ``aside``, then ``other`` that of the collection."""
        with self._client.asking(f"rename {self.address.redacted}"):
            here.modify(name=aside)
            other.modify(name=self.address.collection)
        self._client.settle()

    def _remove(self, here: Any, ids: np.ndarray) -> None:
        with self._client.asking(f"delete from {self.address.redacted}"):
            for start in range(0, len(ids), self._client.batch):
                here.delete(ids=ids[start : start + self._client.batch].tolist())
        self._client.settle()

    def _dim(self, here: Any) -> int:
        """The width of the vectors, 0 while nothing is known of it."""
        if dim := (here.metadata or {}).get(_DIM):
            return int(dim)
        sample = here.get(limit=1, include=["embeddings"])["embeddings"]
        return len(sample[0]) if len(sample) else 0

    def _all(self, here: Any) -> np.ndarray:
        return _ids(here, self._where)

    def _carried(self, ids: np.ndarray, include: list[str]) -> Carried:
        """What rows carry, in the order of ``ids``; StorageError naming those that are gone."""
        here, wanted = self._here(), np.asarray(ids).tolist()
        parts = []
        with self._filtering():
            for start in range(0, len(wanted), self._client.batch):
                some = [str(key) for key in wanted[start : start + self._client.batch]]
                parts.append(carried(here.get(ids=some, where=self._where, include=include), some))
        missing = [key for part in parts for key in part.missing]
        if missing:
            raise gone(self, np.array(missing))
        return Carried.joined(parts, 0 if parts else self._dim(here))

    @contextlib.contextmanager
    def _filtering(self) -> Iterator[None]:
        where = f"read {self.address.redacted}"
        try:
            with self._client.asking(where):
                yield
        except StorageError as error:
            if self._where is not None and "where" in str(error.given):
                raise InputError(
                    where, error.given, "a filter as Chroma's where takes it"
                ) from None
            raise


def _ids(collection: Any, where: Any = None) -> np.ndarray:
    found = collection.get(where=where, include=[])["ids"]
    return np.sort(np.array(found, dtype=np.str_))


def _filter(address: Address) -> Any:
    text = address.options.get("filter")
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise InputError(
            f"open {address.redacted}", "a filter that is no JSON object",
            'Chroma\'s where, like {"lang": "en"}',
        )  # fmt: skip
    return found
