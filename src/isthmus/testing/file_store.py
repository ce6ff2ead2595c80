"""The smallest whole store: a collection is one JSON file, for tests of what uses stores.

It keeps the contract of ``isthmus.testing.stores`` and nothing more; every write puts the whole
file in place at once. Tests make its addresses, ``filestore:///folder/docs``, known by an entry
``TRAITS`` in ``STORES`` and this module as ``isthmus.spaces.stores.filestore``.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.files import atomic_write
from isthmus.spaces.stores import Address, Traits
from isthmus.spaces.stores.store import Facts, Rows, Store, checked, gone, shadow_name

SCHEME = "filestore"
TRAITS = Traits(
    name="file store", module=SCHEME, cls="FileStore", extra="", packages=(),
    form="filestore:///data/docs", ids=("int", "string"), metrics=("euclidean", "cosine", "inner"),
    normalises=("cosine",), shadow="collection", cutover="renames the shadow over the collection",
    filters="a key of the payload that must be 1",
)  # fmt: skip


class FileStore(Store):
    """A collection in one file; every method reads it anew."""

    SCHEME = SCHEME

    @classmethod
    def open(cls, address: Address) -> Self:
        """The collection in the file of that name."""
        address.refuse_options("filter", "api_key")
        if not Path(address.local).is_file():
            raise InputError(
                f"open {address.redacted}", f"no collection {address.collection!r}", "one there is"
            )
        return cls(address)

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """A new file."""
        store = cls(address)
        if store.path.exists():
            raise StorageError(f"create {address.redacted}", "a collection of that name", "none")
        store._write({"dim": dim, "metric": metric, "kind": id_kind, "rows": {}, "writes": 0})
        return store

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address.local)

    def facts(self) -> Facts:
        """As they were declared when the file was made."""
        own = self._read()
        return Facts(
            rows=len(self._kept(own)), dim=own["dim"], metric=own["metric"], id_kind=own["kind"],
            normalised=own["metric"] == "cosine",
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """Of the rows that pass the filter."""
        own = self._read()
        kind = np.int64 if own["kind"] == "int" else np.str_
        return np.sort(np.array(list(self._kept(own)), dtype=str).astype(kind))

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """Rows in the order asked for."""
        own = self._read()
        rows = self._kept(own)
        names = [str(key) for key in ids.tolist()]
        if missing := [name for name in names if name not in rows]:
            raise gone(self, np.array(missing))
        data = b"".join(bytes.fromhex(rows[name][0]) for name in names)
        vectors = np.frombuffer(data, "<f4").reshape(len(names), own["dim"])
        return Rows(ids, vectors, [rows[name][1] for name in names] if payload else None)

    def stamp(self) -> str:
        """How often the file was written."""
        return str(self._read()["writes"])

    def upsert(self, rows: Rows) -> None:
        """Write the file anew, rows in it."""
        own = self._read()
        rows = checked(self, rows, own["dim"])
        vectors = rows.vectors
        if own["metric"] == "cosine":
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        payload: Sequence[Any] = rows.payload or [{}] * len(rows)
        for key, vector, carried in zip(rows.ids.tolist(), vectors, payload, strict=True):
            own["rows"][str(key)] = [vector.astype("<f4").tobytes().hex(), dict(carried)]
        self._write(own)

    def delete(self, ids: np.ndarray) -> None:
        """Write the file anew, without these rows."""
        own = self._read()
        for key in ids.tolist():
            own["rows"].pop(str(key), None)
        self._write(own)

    def shadow(self, job: str, *, dim: int, metric: str | None) -> Store:
        """A file beside this one."""
        store = type(self)(self._beside(job))
        if not store.path.exists():
            kind = self._read()["kind"]
            store._write({"dim": dim, "metric": metric, "kind": kind, "rows": {}, "writes": 0})
        return store

    def finish(self, job: str) -> None:
        """There is no index."""

    def cutover(self, job: str) -> None:
        """Link the old vectors to their second name, then rename the shadow over them."""
        if self.state(job) == "live":
            return
        old, new = self._files(job)
        if not new.exists():
            raise StorageError(f"cut over {self.address.redacted}", "no shadow", "one")
        _link(self.path, old)
        new.replace(self.path)

    def rollback(self, job: str) -> None:
        """The same two steps the other way round."""
        if self.state(job) == "shadow":
            return
        old, new = self._files(job)
        if not old.exists():
            raise StorageError(f"roll back {self.address.redacted}", "no old vectors", "them")
        _link(self.path, new)
        old.replace(self.path)

    def state(self, job: str) -> str:
        """Told by which of the three names there are, and which are one file."""
        old, new = self._files(job)
        if old.exists() and not old.samefile(self.path):
            return "live"
        return "shadow" if new.exists() else "absent"

    def drop(self, job: str) -> None:
        """Remove the names beside this one."""
        for path in self._files(job):
            path.unlink(missing_ok=True)

    def _beside(self, job: str, *, old: bool = False) -> Address:
        return Address.parse(
            self.address.elsewhere(
                collection=shadow_name(self.address.collection, job, old=old)
            ).full()
        )

    def _files(self, job: str) -> tuple[Path, Path]:
        """Where the old vectors lie after the cutover, and where the new ones do before it."""
        return Path(self._beside(job, old=True).local), Path(self._beside(job).local)

    def _kept(self, own: dict[str, Any]) -> dict[str, Any]:
        wanted = self.address.options.get("filter")
        rows: dict[str, Any] = own["rows"]
        return {k: row for k, row in rows.items() if not wanted or row[1].get(wanted) == 1}

    def _read(self) -> dict[str, Any]:
        own: dict[str, Any] = json.loads(self.path.read_bytes())
        return own

    def _write(self, own: dict[str, Any]) -> None:
        where = f"write to {self.address.redacted}"
        atomic_write(
            self.path, json.dumps(own | {"writes": own["writes"] + 1}).encode(), operation=where
        )


def _link(path: Path, name: Path) -> None:
    if not (name.exists() and name.samefile(path)):
        os.link(path, name)
