"""Store: the handle of one collection in a database, and what every database must be able to do."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar, Self

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named, normal
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.traits import STORES, Traits

#: What a shadow's name is made of, so that it is known for one and can be asked for by its job.
SHADOW = "isthmus"
#: Rows of one batch unless asked otherwise.
BATCH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a collection says of itself.

    ``rows`` that have a vector (after the filter); ``dim``; ``metric`` it is searched by
    (``"cosine"``, ``"euclidean"``, ``"inner"``, or None where nothing declares one); ``id_kind``
    ``"int"`` or ``"string"``; ``index`` the ANN index in words, None where search is exact;
    ``invalid`` the names of those whose build failed or goes on, which no search uses;
    ``normalised`` whether the store scaled the vectors to unit length on the way in;
    ``missing`` rows without a vector.
    """

    rows: int
    dim: int
    metric: str | None
    id_kind: str
    index: str | None = None
    invalid: tuple[str, ...] = ()
    normalised: bool = False
    missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a collection: ids (m,), vectors (m, dim) float32, and what else each carries.

    ``payload`` holds one mapping of plain values a row, or None where the store carries nothing.
    """

    ids: np.ndarray
    vectors: np.ndarray
    payload: Sequence[Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Store(ABC):
    """The handle of one collection.

    A subclass gives ``SCHEME`` and the abstract methods. Every method that writes is idempotent:
    repeated, or repeated after a crash half way, it ends in the same state. A method of a
    subclass raises only errors of isthmus, without secrets in them.
    """

    SCHEME: ClassVar[str]

    def __init__(self, address: Address) -> None:
        self.address = address

    @classmethod
    def traits(cls) -> Traits:
        """What this kind of store can do."""
        return STORES[cls.SCHEME]

    @classmethod
    @abstractmethod
    def open(cls, address: Address) -> Self:
        """Connect to a collection that exists; InputError names what there is when it does not."""

    @classmethod
    @abstractmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """Make a new, empty collection; StorageError when the name is taken."""

    @abstractmethod
    def facts(self) -> Facts:
        """What the collection says of itself, now."""

    @abstractmethod
    def ids(self) -> np.ndarray:
        """Ids (n,) of the rows that have a vector and pass the filter: ascending, int64 or text.

        Text ascends by code point, whatever the database's own order is.
        """

    @abstractmethod
    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, in that order; StorageError naming those that are gone."""

    def stamp(self) -> str:
        """A text that changes whenever a row is added, removed or changed.

        Stores that keep count of their writes tell it for nothing; this hashes ids, vectors and
        payloads, at the price of one pass.
        """
        digest = blake2b(digest_size=16)
        for batch in self.scan(payload=True):
            digest.update(batch.vectors.tobytes())
            rest = [batch.ids.tolist(), [dict(row) for row in batch.payload or []]]
            digest.update(json.dumps(rest, sort_keys=True, default=exact).encode())
        return digest.hexdigest()

    @abstractmethod
    def upsert(self, rows: Rows) -> None:
        """Write rows, in place of those of the same id; durable when it returns."""

    @abstractmethod
    def delete(self, ids: np.ndarray) -> None:
        """Remove the rows of ``ids`` (of a shadow column: their values); absent ones are fine."""

    @abstractmethod
    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Store":
        """Where the vectors that replace these are gathered: made on the first call, then found.

        What lies there carries the name of ``job``; nothing that users read changes. It is itself
        a Store whose ``ids`` are the rows written so far.
        """

    @abstractmethod
    def finish(self, job: str) -> None:
        """Build for the shadow the index that the collection has, before anyone searches it."""

    @abstractmethod
    def cutover(self, job: str) -> None:
        """Let the shadow take the collection's place; the old vectors stay, under the job's name.

        As near to one atomic step as the store allows (``traits().cutover``).
        """

    @abstractmethod
    def rollback(self, job: str) -> None:
        """Undo ``cutover``: the untouched originals serve again, and the shadow is a shadow."""

    @abstractmethod
    def state(self, job: str) -> str:
        """``"absent"``, ``"shadow"`` or ``"live"``: what the store itself holds of ``job``.

        ``"live"`` when the job's vectors serve. A cutover cut short half way counts as
        ``"shadow"``, and running it again ends it.
        """

    @abstractmethod
    def drop(self, job: str) -> None:
        """Remove what does not serve: of a job that is not live its shadow, else the old vectors.

        Afterwards ``rollback`` is no longer possible.
        """

    def jobs(self) -> tuple[str, ...]:
        """The jobs of which the store holds something; empty where it cannot list them."""
        return ()

    def scan(
        self, rows: int = BATCH, *, after: Any = None, payload: bool = False
    ) -> Iterator[Rows]:
        """All rows in batches of at most ``rows``, by ascending id, those beyond ``after`` only.

        InputError where ``rows`` is below 1.
        """
        if rows < 1:
            raise InputError(f"scan {self.address.redacted}", f"batches of {rows}", "1 row or more")
        return self._batches(rows, after, payload)

    def _batches(self, rows: int, after: Any, payload: bool) -> Iterator[Rows]:
        """What ``scan`` gives: this asks for the ids and fetches them in turn.

        Stores that can stream do it in one pass.
        """
        ids = self.ids()
        if after is not None:
            ids = ids[np.searchsorted(ids, after, side="right") :]
        for start in range(0, len(ids), rows):
            yield self.fetch(ids[start : start + rows], payload=payload)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids (q, k) that the store's own index finds for ``queries`` (q, dim), best first.

        The filter applies. Raises InputError where the store has no search of its own.
        """
        raise InputError(
            f"search {self.address.redacted}", f"a {self.traits().name} store",
            "a store that searches by itself",
        )  # fmt: skip

    def close(self) -> None:  # noqa: B027
        """Let go of connections and files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.traits().name} {self.address.redacted}>"


def shadow_name(collection: str, job: str, *, old: bool = False) -> str:
    """What the shadow of ``collection`` is called, and after the cutover what it replaced.

    >>> shadow_name("docs", "a1"), shadow_name("docs", "a1", old=True)
    ('docs_isthmus_a1', 'docs_isthmus_a1_old')
    """
    return f"{collection}_{SHADOW}_{job}" + ("_old" if old else "")


def exact(value: Any) -> list[Any]:
    """What JSON does not know, as its type and all that it holds: any change moves a sum over it.

    InputError where its text is not the same each time.

    >>> exact(np.arange(3)), exact(b"a")
    (['ndarray', [0, 1, 2]], ['bytes', "b'a'"])
    """
    kind: Any = type(value)
    if kind.__repr__ is object.__repr__ or issubclass(kind, set | frozenset):
        raise InputError(
            "sum a payload", f"a value of type {kind.__name__}",
            "values of JSON, Arrow or NumPy", "Write it as text or as a list.",
        )  # fmt: skip
    # The text of a long array leaves out its middle.
    return [kind.__name__, value.tolist() if hasattr(value, "tolist") else repr(value)]


def gone(store: Store, ids: Any) -> StorageError:
    """The error for rows that were asked for and are not there."""
    return StorageError(
        f"read {store.address.redacted}", f"no vector for {len(ids):,} ids (first: {named(ids)})",
        "rows that exist", "The collection changed meanwhile: run the command again.",
    )  # fmt: skip


def checked(store: Store, rows: Rows, dim: int) -> Rows:
    """``rows`` if they may be written to a collection of ``dim``: shapes, finite, no id twice."""
    where = f"write to {store.address.redacted}"
    ids, vectors = normal(rows.ids, where=where), np.asarray(rows.vectors)
    if not np.can_cast(vectors.dtype, np.float32, "same_kind"):
        raise InputError(where, f"vectors of {vectors.dtype}", "real numbers")
    with np.errstate(over="ignore"):  # told below, with the ids
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.shape != (len(ids), dim):
        raise InputError(where, f"vectors {vectors.shape}", f"({len(ids)}, {dim})")
    if rows.payload is not None and len(rows.payload) != len(ids):
        raise InputError(where, f"a payload of {len(rows.payload)} rows", f"one of {len(ids)}")
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise InputError(
            where, f"NaN, infinity or numbers beyond float32 in {named(ids[bad][:6])}",
            "finite vectors",
        )  # fmt: skip
    if len(np.unique(ids)) != len(ids):
        raise InputError(where, "an id twice in one batch", "one row an id")
    return Rows(ids, vectors, rows.payload)
