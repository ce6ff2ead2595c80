"""Qdrant: a folder in its client's local mode, or a server by its REST interface.

What is particular here. An id is an unsigned integer or a UUID. A collection of metric cosine
scales vectors to unit length on the way in. A collection cannot be renamed, but an alias moves in
one atomic call: so the address of a collection to be upgraded names an alias, as ``create`` makes
one. Nothing counts the changes of a collection, so ``stamp`` reads the whole of it once. A folder
belongs to one process at a time; the handles of one process share it.

The server's protocol is tested against an HTTP server of ours that answers with the local mode:
requests and replies are those of the real client, but a real server was not available.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.qdrant_connection import Connection
from isthmus.spaces.stores.qdrant_ids import as_array, as_keys, following
from isthmus.spaces.stores.qdrant_shadow import carry, copy_configuration, index, prune, sum_of
from isthmus.spaces.stores.store import BATCH, Facts, Rows, Store, checked, gone, shadow_name

_METRICS = {"Cosine": "cosine", "Euclid": "euclidean", "Dot": "inner"}
#: Bytes of JSON that one request or reply may take: half of what a server accepts by itself.
_REQUEST = 1 << 24


class Qdrant(Store):
    """A collection of Qdrant, by its name or better by an alias."""

    SCHEME = "qdrant"

    def __init__(self, address: Address, at: Connection) -> None:
        super().__init__(address)
        self._at = at
        self._name = address.collection
        self._kind: str | None = None  # of the ids, once it is known
        self._where = at.filter(address.options.get("filter"))

    @classmethod
    def open(cls, address: Address) -> Self:
        """Connect to a collection or alias that exists."""
        store = cls(address, Connection(address, make=False))
        names = store._at.names() | set(store._at.aliases())
        if store._name not in names:
            raise InputError(
                f"open {address.redacted}", f"no collection or alias {store._name!r}",
                f"one of {', '.join(sorted(names))}" if names else "one, but there is none",
            )  # fmt: skip
        store._look()
        return store

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """Make the collection NAME_1 and the alias NAME, under which it is known from then on."""
        at = Connection(address, make=True)
        store, models, name = cls(address, at), at.models, address.collection
        taken, vector = at.names(), address.options.get("vector", "")
        if name in taken or name in at.aliases():
            raise StorageError(
                f"create {address.redacted}", f"a collection or alias {name!r}", "a new name"
            )
        # The first that is free: a creation that was cut short has left one without an alias.
        first = next(n for n in (f"{name}_{i}" for i in itertools.count(1)) if n not in taken)
        distance = models.Distance(_distance(metric or "cosine"))
        about = models.VectorParams(size=dim, distance=distance)
        at.ask("create_collection", first, vectors_config={vector: about} if vector else about)
        at.move({name: first})
        store._look()
        store._kind = "int" if id_kind == "int" else "string"
        return store

    def facts(self) -> Facts:
        """Counts are exact; the index is the one declared, also while it is still being built."""
        rows, missing = (
            self._at.ask("count", self._name, count_filter=self._filter(vector=v), exact=True).count
            for v in (True, False)
        )
        return Facts(
            rows=rows, dim=self._dim, metric=_METRICS.get(self._distance),
            id_kind=self._id_kind(), index=self._index,
            normalised=self._distance == "Cosine", missing=missing,
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """The ids: integers, or UUIDs as text in their lower-case form."""
        found = [point.id for page in self._pages(BATCH, with_vectors=False) for point in page]
        return self._array(found)

    def _batches(self, rows: int, after: Any, payload: bool) -> Iterator[Rows]:
        """One pass by ascending id; a batch holds no more than 16 MB of JSON."""
        start = None if after is None else following(after)
        if after is not None and start is None:
            return
        what = {"with_vectors": self._wanted, "with_payload": payload}
        for points in self._pages(min(rows, self._page), start, **what):
            yield self._rows(points, self._array([p.id for p in points]), payload)

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, whether they pass the filter or not."""
        found: dict[Any, Any] = {}
        for part in _parts(self._keys(ids), self._page):
            points = self._at.ask(
                "retrieve", self._name, part, with_vectors=self._wanted, with_payload=payload
            )
            found |= {p.id: p for p in points if self._vector_of(p) is not None}
        keys = ids.tolist()
        if missing := [key for key in keys if key not in found]:
            raise gone(self, np.array(missing))
        return self._rows([found[key] for key in keys], ids, payload)

    def upsert(self, rows: Rows) -> None:
        """Write rows; other vectors of the same point stay, and its payload if none is given."""
        rows = checked(self, rows, self._dim)
        keys = self._keys(rows.ids)
        for start in range(0, len(keys), self._page):
            part = slice(start, start + self._page)
            payload = None if rows.payload is None else rows.payload[part]
            self._write(keys[part], rows.vectors[part], payload)

    def delete(self, ids: np.ndarray) -> None:
        """Remove whole points, with all of their vectors."""
        for part in _parts(self._keys(ids), BATCH):
            selector = self._at.models.PointIdsList(points=part)
            self._at.ask("delete", self._name, selector, wait=True)

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Qdrant":
        """A collection made like this one, but for the width and metric of this vector.

        Raises InputError where a cutover would not be possible: at a filter, and at a name that is
        a collection's own.
        """
        doing = f"begin a shadow of {self.address.redacted}"
        if "filter" in self.address.options:
            raise InputError(
                doing, "an address with a filter", "the whole collection",
                "At the cutover the other rows would be lost. Translate the part that the filter "
                "keeps into a collection of its own.",
            )  # fmt: skip
        if self._name not in self._at.aliases():
            alias = f"{self._name}_live"
            raise InputError(
                doing, f"{self._name!r}, the own name of a collection", "an alias",
                "Qdrant can move an alias in one step and cannot rename a collection. Once: "
                "client.update_collection_aliases([models.CreateAliasOperation(create_alias="
                f"models.CreateAlias(collection_name={self._name!r}, alias_name={alias!r}))]), "
                f"let your service ask for {alias!r}, and give that name here.",
            )  # fmt: skip
        name = shadow_name(self._name, job)
        if name not in self._at.names():
            about = {"size": dim} | (
                {"distance": self._at.models.Distance(_distance(metric))} if metric else {}
            )
            copy_configuration(self._at, self._name, name, self._vector, about)
        found = self.open(self.address.elsewhere(collection=name))
        found._kind = self._id_kind()
        if found._dim != dim:
            raise StorageError(
                doing, f"a shadow of {found._dim} dimensions", f"{dim}", "Drop that job first."
            )
        return found

    def stamp(self) -> str:
        """A sum over all points, those without this vector too, and all their vectors.

        The cutover puts another collection in this one's place, so all of it counts.
        """
        points: Iterator[list[Any]] = iter(())
        if self._others or self.facts().missing:
            points = self._pages(
                self._page, scroll_filter=self._where, with_vectors=self._others or False,
                with_payload=True,
            )  # fmt: skip
        return sum_of(super().stamp(), points, set() if self.address.host else self._scaled)

    def finish(self, job: str) -> None:
        """Carry over what was not translated, index the payload, wait until all is indexed."""
        shadow, _ = self._of(job)
        without = self._filter(vector=False)
        if self._others or self.facts().missing:
            carry(self._at, self._name, shadow, self._filter(), without, self._others)
        prune(self._at, self._name, shadow, without)
        index(self._at, self._name, shadow)

    def cutover(self, job: str) -> None:
        """Move the alias to the shadow, and name what it replaced, in one atomic call."""
        shadow, old = self._of(job)
        aliases, state = self._at.aliases(), self.state(job)
        if state == "live":
            return
        if state == "absent" or self._name not in aliases:
            what = "no shadow of this job" if state == "absent" else "a name that is no alias"
            raise StorageError(f"cut over {self.address.redacted}", what, "a shadow and an alias")
        self._at.move({self._name: shadow, old: aliases[self._name]}, frees=[self._name])

    def rollback(self, job: str) -> None:
        """Move the alias back, in one atomic call."""
        _, old = self._of(job)
        aliases, state = self._at.aliases(), self.state(job)
        if state == "shadow":
            return
        if state == "absent" or old not in aliases:
            raise StorageError(
                f"roll back {self.address.redacted}", "no old vectors of this job",
                "a job that was cut over and not dropped",
            )  # fmt: skip
        self._at.move({self._name: aliases[old]}, frees=[self._name, old])

    def state(self, job: str) -> str:
        """What the alias and the names of collections say."""
        shadow, _ = self._of(job)
        if self._at.aliases().get(self._name) == shadow:
            return "live"
        return "shadow" if shadow in self._at.names() else "absent"

    def drop(self, job: str) -> None:
        """Delete the shadow unless it serves, and what it replaced if it did.

        The originals first lose the name that ``rollback`` asks for, so that a deletion cut short
        is not rolled back to what is left of them.
        """
        (shadow, old), aliases = self._of(job), self._at.aliases()
        dropped = f"{old}_dropped"
        doomed = {aliases[name] for name in (old, dropped) if name in aliases}
        doomed |= set() if aliases.get(self._name) == shadow else {shadow}
        others = [a for a, c in aliases.items() if c in doomed and a not in (old, dropped)]
        if others:
            raise StorageError(
                f"drop job {job!r} of {self.address.redacted}",
                f"collections that serve under the alias {named(sorted(others))}",
                "collections that no one asks for", "Move or delete those aliases first.",
            )  # fmt: skip
        if old in aliases:
            self._at.move({dropped: aliases[old]}, frees=[old])
        for collection in doomed:
            self._at.remove(collection)
        if dropped in self._at.aliases():  # a server removes the aliases of what it deletes
            self._at.move({}, frees=[dropped])

    def jobs(self) -> tuple[str, ...]:
        """Jobs with a collection or an alias that has their name."""
        start = shadow_name(self._name, "")
        found = {n.removeprefix(start) for n in self._at.names() | set(self._at.aliases())
                 if n.startswith(start)}  # fmt: skip
        return tuple(sorted({n.removesuffix("_dropped").removesuffix("_old") for n in found}))

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids that Qdrant finds for each query; where it finds fewer than k, the last one again."""
        where, there = f"search {self.address.redacted}", self.facts().rows
        if not 0 < k <= there:
            raise InputError(where, f"k = {k}", f"1 to {there:,}, the rows there are")
        models = self._at.models
        found: list[list[Any]] = []
        for part in _parts(np.asarray(queries, dtype=np.float32).tolist(), 100):
            asked = [
                models.QueryRequest(
                    query=query, using=self._vector or None, filter=self._where, limit=k
                )
                for query in part
            ]
            for reply in self._at.ask("query_batch_points", self._name, asked):
                found.append([point.id for point in reply.points])
        if not all(found):
            raise StorageError(where, "no row for a query", "the rows there are")
        padded = [i for row in found for i in row + row[-1:] * (k - len(row))]
        return self._array(padded).reshape(len(found), k)

    def close(self) -> None:
        """Let go of the connection; it closes with the last handle that shares it."""
        self._at.close()

    # What the methods above are made of.

    def _of(self, job: str) -> tuple[str, str]:
        return shadow_name(self._name, job), shadow_name(self._name, job, old=True)

    def _look(self) -> None:
        """Find the vector that the address means, and what the collection declares of it."""
        params = (info := self._at.ask("get_collection", self._name)).config.params
        declared, given = _named(params.vectors), self.address.options.get("vector")
        where = f"open {self.address.redacted}"
        if given not in declared and (given is not None or len(declared) != 1):
            what = f"{len(declared)} vectors and no ?vector="
            raise InputError(
                where, what if given is None else f"the vector {given!r}",
                f"?vector= one of {', '.join(sorted(declared))}",
            )  # fmt: skip
        self._vector = next(iter(declared)) if given is None else given
        about = declared[self._vector]
        if about.multivector_config is not None or about.datatype == "uint8":
            what = "several vectors a row" if about.multivector_config else "bytes"
            raise InputError(
                where, f"{what} as vector {self._vector!r}", "floats, one vector a row"
            )
        self._scaled = {n for n, one in declared.items() if one.distance.value == "Cosine"}
        names = (*declared, *(params.sparse_vectors or {}))
        self._others = [name for name in names if name != self._vector]
        # A collection of one nameless vector is asked without the name.
        self._wanted: Any = [self._vector] if self._vector or self._others else True
        self._dim, self._distance = int(about.size), str(about.distance.value)
        self._page = max(1, _REQUEST // (21 * self._dim))
        m = (about.hnsw_config and about.hnsw_config.m) or info.config.hnsw_config.m
        self._index = f"HNSW, m {m}" if self.address.host and m else None

    def _filter(self, *, vector: bool | None = True) -> Any:
        """The given filter, for points with this vector (or without it, or for both)."""
        m = self._at.models
        has = [m.HasVectorCondition(has_vector=self._vector)]
        return m.Filter(
            must=has * (vector is True) + [self._where] * (self._where is not None),
            must_not=has * (vector is False),
        )

    def _pages(self, rows: int, start: Any = None, **what: Any) -> Iterator[list[Any]]:
        what = {"scroll_filter": self._filter(), "with_payload": False} | what
        while True:
            points, start = self._at.ask("scroll", self._name, limit=rows, offset=start, **what)
            if points:
                yield points
            if start is None:
                return

    def _id_kind(self) -> str:
        """``"int"`` or ``"string"``: the kind of the first id (integers come before UUIDs)."""
        points, _ = self._at.ask("scroll", self._name, limit=1, with_payload=False)
        if points:
            self._kind = "int" if isinstance(points[0].id, int) else "string"
        return self._kind or "int"

    def _array(self, ids: list[Any]) -> np.ndarray:
        return as_array(ids, self._id_kind(), f"read {self.address.redacted}")

    def _keys(self, ids: np.ndarray) -> list[Any]:
        return as_keys(ids, f"use ids in {self.address.redacted}")

    def _vector_of(self, point: Any) -> Any:
        found = point.vector
        return found.get(self._vector) if isinstance(found, dict) else found

    def _rows(self, points: list[Any], ids: np.ndarray, payload: bool) -> Rows:
        vectors = np.array([self._vector_of(p) for p in points], dtype=np.float32)
        vectors = vectors.reshape(len(points), self._dim)
        if self._distance == "Cosine" and not self.address.host:
            # The local mode forgets to scale again when a folder is opened; a server never does.
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
            vectors = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
        return Rows(ids, vectors, [p.payload or {} for p in points] if payload else None)

    def _write(self, keys: list[Any], vectors: np.ndarray, payload: Any) -> None:
        models, before = self._at.models, {}
        if self._others or payload is None:  # what is not given must not be lost
            points = self._at.ask(
                "retrieve", self._name, keys, with_vectors=self._others or False,
                with_payload=payload is None,
            )  # fmt: skip
            before = {p.id: p for p in points}
        points = []
        for number, (key, vector) in enumerate(zip(keys, vectors.tolist(), strict=True)):
            kept = before.get(key)
            points.append(
                models.PointStruct(
                    id=key,
                    vector=_named(kept and kept.vector) | {self._vector: vector},
                    payload=dict(payload[number]) if payload is not None else kept and kept.payload,
                )
            )
        try:
            self._at.ask("upsert", self._name, points=points, wait=True)
        except StorageError as error:
            if not error.given.startswith("status 413") or len(keys) == 1:
                raise
            half = len(keys) // 2  # a long payload: more bytes than the server takes at once
            for part in (slice(half), slice(half, None)):
                self._write(keys[part], vectors[part], None if payload is None else payload[part])


def _named(vectors: Any) -> dict[str, Any]:
    """One nameless vector or several by their names as a mapping; the nameless one's name is ""."""
    return {} if vectors is None else vectors if isinstance(vectors, dict) else {"": vectors}


def _distance(metric: str) -> str:
    return next(theirs for theirs, ours in _METRICS.items() if ours == metric)


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
