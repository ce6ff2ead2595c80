"""Milvus: a file of Milvus Lite, or a server, by the same client.

What is particular here. Vectors are kept as they are under every metric. A collection's name moves
in one step only if it is an alias: so the address of a collection to be upgraded names an alias, as
``create`` makes one. Nothing counts the changes of a collection, so ``stamp`` reads the whole of it
once. Milvus reads loaded collections only: one that is not loaded is loaded when it is opened. The
file of Milvus Lite belongs to one process at a time; the handles of one process share it.

All of this is tested with Milvus Lite, in a file and, the whole contract again, over gRPC as a
server is asked; a server of Milvus itself was not available.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.milvus_connection import Connection
from isthmus.spaces.stores.milvus_shadow import copy_configuration, copy_indexes, wait
from isthmus.spaces.stores.store import BATCH, Facts, Rows, Store, checked, gone, shadow_name

_METRICS = {"COSINE": "cosine", "L2": "euclidean", "IP": "inner"}
#: Bytes of vectors in one request or reply: a quarter of what a server takes, as rows carry more.
_REQUEST = 1 << 24


class Milvus(Store):
    """A collection of Milvus, by its name or better by an alias."""

    SCHEME = "milvus"

    def __init__(self, address: Address, at: Connection) -> None:
        super().__init__(address)
        self._at = at
        self._name = address.collection
        self._where = address.options.get("filter", "")

    @classmethod
    def open(cls, address: Address) -> Self:
        """Connect to a collection or alias that exists, and load it if it is not."""
        store = cls(address, Connection(address, make=False))
        names = store._at.names() | set(store._at.ask("list_aliases")["aliases"])
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
        store, types, name = cls(address, at), at.types, address.collection
        taken, vector = at.names(), address.options.get("vector", "vector")
        if name in taken or name in at.aliases():
            raise StorageError(
                f"create {address.redacted}", f"a collection or alias {name!r}", "a new name"
            )
        # The first that is free: a creation that was cut short has left one without an alias.
        first = next(n for n in (f"{name}_{i}" for i in itertools.count(1)) if n not in taken)
        schema = at.schema(enable_dynamic_field=True)
        kind = {"datatype": types.INT64} if id_kind == "int" else {
            "datatype": types.VARCHAR, "max_length": 65535,
        }  # fmt: skip
        schema.add_field("id", is_primary=True, **kind)
        schema.add_field(vector, types.FLOAT_VECTOR, dim=dim)
        at.ask("create_collection", first, schema=schema, consistency_level="Strong")
        at.index(first, vector, index_type="AUTOINDEX", metric_type=_metric(metric or "cosine"))
        at.ask("create_alias", first, name)
        store._look()
        return store

    def facts(self) -> Facts:
        """Counts are exact."""
        index = self._at.ask("describe_index", self._name, self._index) if self._index else {}
        return Facts(
            rows=int(self._query(self._where, ["count(*)"])[0]["count(*)"]), dim=self._dim,
            metric=_METRICS.get(index.get("metric_type", "")), id_kind=self._kind,
            index=index.get("index_type") if index.get("index_type") != "FLAT" else None,
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """The primary keys, page by page."""
        found = [row[self._key] for page in self._pages([self._key], 4 * BATCH) for row in page]
        return self._array(found)

    def _batches(self, rows: int, after: Any, payload: bool) -> Iterator[Rows]:
        """One pass by ascending primary key; a batch holds no more than 16 MB of vectors."""
        for page in self._pages(self._fields(payload), min(rows, self._page), after):
            yield self._rows(page, self._array([row[self._key] for row in page]), payload)

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, whether they pass the filter or not."""
        keys = self._keys(ids)
        found: dict[Any, Any] = {}
        for start in range(0, len(keys), self._page):
            asked = self._among(keys[start : start + self._page])
            found |= {row[self._key]: row for row in self._query(asked, self._fields(payload))}
        if missing := [key for key in keys if key not in found]:
            raise gone(self, np.array(missing))
        return self._rows([found[key] for key in keys], ids, payload)

    def upsert(self, rows: Rows) -> None:
        """Write rows; those that are there keep their other fields if no payload is given."""
        rows = checked(self, rows, self._dim)
        keys = self._keys(rows.ids)
        self._refuse("write to", self._own_ids | self._several)
        for start in range(0, len(keys), self._page):
            part = slice(start, start + self._page)
            payload = self._kept(keys[part]) if rows.payload is None else rows.payload[part]
            self._write(keys[part], rows.vectors[part], payload)

    def delete(self, ids: np.ndarray) -> None:
        """Remove whole rows."""
        keys = self._keys(ids)
        for start in range(0, len(keys), BATCH):
            # Not the client's own "ids", which puts texts into an expression unescaped.
            self._at.ask("delete", self._name, filter=self._among(keys[start : start + BATCH]))

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Milvus":
        """A collection made like this one, but for the width and metric of its vector.

        Raises InputError where a cutover would not be possible or would lose something.
        """
        doing = f"begin a shadow of {self.address.redacted}"
        if self._where:
            raise InputError(
                doing, "an address with a filter", "the whole collection",
                "At the cutover the other rows would be lost. Translate the part that the filter "
                "keeps into a collection of its own.",
            )  # fmt: skip
        self._refuse("begin a shadow of", self._own_ids | self._several | self._partitions())
        if self._name not in self._at.aliases():
            raise InputError(
                doing, f"{self._name!r}, the own name of a collection", "an alias",
                "Milvus moves an alias in one step, a name in two. Give the name to an alias once: "
                f"client.rename_collection({self._name!r}, {self._name + '_1'!r}); "
                f"client.create_alias({self._name + '_1'!r}, {self._name!r})",
            )  # fmt: skip
        name = shadow_name(self._name, job)
        copy_configuration(self._at, self._name, name, self._vector, dim)
        copy_indexes(self._at, self._name, name, self._vector, metric and _metric(metric))
        found = self.open(self.address.elsewhere(collection=name))
        if found._dim != dim:
            raise StorageError(
                doing, f"a shadow of {found._dim} dimensions", f"{dim}", "Drop that job first."
            )
        return found

    def finish(self, job: str) -> None:
        """Seal what was written and wait until it is indexed."""
        wait(self._at, self._of(job)[0])

    def cutover(self, job: str) -> None:
        """Name what will be replaced, then move the alias to the shadow in one atomic call."""
        (shadow, old), aliases, state = self._of(job), self._at.aliases(), self.state(job)
        if state == "live":
            return
        if state == "absent" or self._name not in aliases:
            what = "no shadow of this job" if state == "absent" else "a name that is no alias"
            raise StorageError(f"cut over {self.address.redacted}", what, "a shadow and an alias")
        self._load(shadow)
        self._point(old, aliases[self._name])
        self._point(self._name, shadow)

    def rollback(self, job: str) -> None:
        """Move the alias back, in one atomic call."""
        (_, old), aliases, state = self._of(job), self._at.aliases(), self.state(job)
        if state == "live":
            if aliases.get(old, _dropped(old)) == _dropped(old):
                state = "absent"
            else:
                self._load(aliases[old])
                self._point(self._name, aliases[old])
        if state == "absent":
            raise StorageError(
                f"roll back {self.address.redacted}", "no old vectors of this job",
                "a job that was cut over and not dropped",
            )  # fmt: skip
        if old in aliases:
            self._at.ask("drop_alias", old)

    def state(self, job: str) -> str:
        """What the alias and the names of collections say."""
        shadow, _ = self._of(job)
        if self._at.aliases().get(self._name) == shadow:
            return "live"
        return "shadow" if shadow in self._at.names() else "absent"

    def drop(self, job: str) -> None:
        """Drop the shadow unless it serves, and what it replaced if it did.

        The originals are first renamed to what ``rollback`` does not take, so that a drop cut
        short is not rolled back to what is left of them.
        """
        (shadow, old), aliases = self._of(job), self._at.aliases()
        live, target = aliases.get(self._name) == shadow, aliases.get(old)
        # Of a cutover cut short the old name stands for what still serves.
        replaced = target if target != aliases.get(self._name) else None
        doomed = [c for c in (None if live else shadow, replaced) if c]
        if others := sorted(a for a, c in aliases.items() if c in doomed and a != old):
            raise StorageError(
                f"drop job {job!r} of {self.address.redacted}",
                f"collections that serve under the alias {named(others)}",
                "collections that no one asks for", "Move or drop those aliases first.",
            )  # fmt: skip
        if replaced and replaced != _dropped(old):
            self._at.ask("rename_collection", replaced, _dropped(old))
        if target:
            self._at.ask("drop_alias", old)
        for name in (_dropped(old), *(() if live else (shadow,))):
            if name in self._at.names():
                self._at.ask("drop_collection", name)

    def jobs(self) -> tuple[str, ...]:
        """Jobs with a collection or an alias that has their name."""
        start = shadow_name(self._name, "")
        found = {n.removeprefix(start) for n in self._at.names() | set(self._at.aliases())
                 if n.startswith(start)}  # fmt: skip
        return tuple(sorted({n.removesuffix("_dropped").removesuffix("_old") for n in found}))

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids that Milvus finds for each query; where it finds fewer than k, the last one again."""
        where, there = f"search {self.address.redacted}", self.facts().rows
        if not 0 < k <= there:
            raise InputError(where, f"k = {k}", f"1 to {there:,}, the rows there are")
        found: list[list[Any]] = []
        for start in range(0, len(queries), 100):
            part = np.asarray(queries[start : start + 100], dtype=np.float32)
            hits = self._at.ask(
                "search", self._name, part.tolist(), filter=self._where, limit=k,
                anns_field=self._vector, consistency_level="Strong",
            )  # fmt: skip
            found += [list(one.ids) for one in hits]
        if not all(found):
            raise StorageError(where, "no row for a query", "the rows there are")
        padded = [i for row in found for i in row + row[-1:] * (k - len(row))]
        return self._array(padded).reshape(len(found), k)

    def close(self) -> None:
        """Let go of the connection; a file is let go of with its last handle."""
        self._at.close()

    # What the methods above are made of.

    def _of(self, job: str) -> tuple[str, str]:
        return shadow_name(self._name, job), shadow_name(self._name, job, old=True)

    def _point(self, alias: str, collection: str) -> None:
        known = alias in self._at.ask("list_aliases")["aliases"]
        self._at.ask("alter_alias" if known else "create_alias", collection, alias)

    def _load(self, name: str) -> None:
        if self._at.ask("get_load_state", name)["state"].name != "Loaded":
            self._at.ask("load_collection", name)

    def _look(self) -> None:
        """Find the vector that the address means and its index; load the collection."""
        about, types = self._at.ask("describe_collection", self._name), self._at.types
        fields = about["fields"]
        plain = {f["name"]: f for f in fields if f["type"] == types.FLOAT_VECTOR}
        given = self.address.options.get("vector")
        if given not in plain and (given is not None or len(plain) != 1):
            what = f"{len(plain)} vectors of 32-bit floats and no ?vector="
            raise InputError(
                f"open {self.address.redacted}", what if given is None else f"the vector {given!r}",
                f"?vector= one of {', '.join(sorted(plain))}",
            )  # fmt: skip
        self._vector = next(iter(plain)) if given is None else given
        self._dim = int(plain[self._vector]["params"]["dim"])
        self._page = max(1, min(BATCH, _REQUEST // (4 * self._dim)))
        (key,) = (f for f in fields if f.get("is_primary"))
        self._key, self._kind = key["name"], "int" if key["type"] == types.INT64 else "string"
        self._vectors = [f["name"] for f in fields if f["type"].name.endswith("_VECTOR")]
        self._keyed = any(f.get("is_partition_key") for f in fields)
        self._own_ids = {"ids that Milvus gives itself (auto_id)"} if about["auto_id"] else set()
        several = len(self._vectors) > 1 or about.get("functions")
        self._several = {f"the vectors {named(self._vectors)}"} if several else set()
        names = self._at.ask("list_indexes", self._name, field_name=self._vector)
        self._index = names[0] if names else None
        self._load(self._name)

    def _partitions(self) -> set[str]:
        several = len(self._at.ask("list_partitions", self._name)) > 1 and not self._keyed
        return {"partitions that rows are put into by name"} if several else set()

    def _refuse(self, doing: str, what: set[str]) -> None:
        if what:
            raise InputError(
                f"{doing} {self.address.redacted}", f"a collection of {', '.join(sorted(what))}",
                "one vector a row, ids of your own, and no partitions but by key",
                "What isthmus does not write would be lost: translate into a new collection.",
            )  # fmt: skip

    def _query(self, where: str, fields: list[str], **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._at.ask(
            "query", self._name, filter=where, output_fields=fields, consistency_level="Strong",
            **more,
        )  # fmt: skip
        return found

    def _pages(
        self, fields: list[str], rows: int, after: Any = None
    ) -> Iterator[list[dict[str, Any]]]:
        after = np.asarray(after).item()  # a plain number or text, also of an array
        while True:
            beyond = [] if after is None else [f"{self._key} > {_written(after)}"]
            where = " and ".join([f"({self._where})"] * bool(self._where) + beyond)
            # "iterator" makes a limit keep the smallest keys, in order: the client's own iterator
            # asks so too, for more besides.
            page = self._query(
                where, fields, limit=rows, iterator="True", reduce_stop_for_best="True"
            )
            if page:
                yield page
                after = page[-1][self._key]
            if len(page) < rows:
                return

    def _among(self, keys: list[Any]) -> str:
        return f"{self._key} in {_written(keys)}"

    def _fields(self, payload: bool) -> list[str]:
        return ["*"] if payload else [self._key, self._vector]

    def _array(self, ids: list[Any]) -> np.ndarray:
        return np.array(ids, dtype=np.int64 if self._kind == "int" else np.str_)

    def _keys(self, ids: np.ndarray) -> list[Any]:
        keys: list[Any] = np.asarray(ids).tolist()
        kind = int if self._kind == "int" else str
        if wrong := [key for key in keys if not isinstance(key, kind)]:
            raise InputError(
                f"use ids in {self.address.redacted}", named(wrong),
                "integers" if kind is int else "text", "That is the type of the primary key.",
            )  # fmt: skip
        return keys

    def _rows(self, found: list[dict[str, Any]], ids: np.ndarray, payload: bool) -> Rows:
        vectors = np.array([row[self._vector] for row in found], dtype=np.float32)
        return Rows(
            ids, vectors.reshape(len(found), self._dim),
            [self._payload(row) for row in found] if payload else None,
        )  # fmt: skip

    def _payload(self, row: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in row.items() if k != self._key and k not in self._vectors}

    def _kept(self, keys: list[Any]) -> list[dict[str, Any]]:
        found = self._query(self._among(keys), ["*"])
        payload = {row[self._key]: self._payload(row) for row in found}
        return [payload.get(key, {}) for key in keys]

    def _write(self, keys: list[Any], vectors: np.ndarray, payload: Any) -> None:
        if clash := sorted({self._key, *self._vectors} & set().union(*payload)):
            raise InputError(
                f"write to {self.address.redacted}", f"a payload with {named(clash)}",
                "other names", "The id and the vector have that name: rename it in the payload.",
            )  # fmt: skip
        rows = [
            {**carried, self._key: key, self._vector: vector}
            for key, vector, carried in zip(keys, vectors, payload, strict=True)
        ]
        self._at.ask("upsert", self._name, rows)


def _metric(metric: str) -> str:
    return next(theirs for theirs, ours in _METRICS.items() if ours == metric)


def _written(value: Any) -> str:
    """A value in Milvus's expressions, whose texts have the escapes of JSON."""
    return json.dumps(value, ensure_ascii=False)


def _dropped(old: str) -> str:
    return f"{old}_dropped"
