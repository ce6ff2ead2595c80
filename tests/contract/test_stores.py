"""The contract of stores holds for one in memory, and rejects every wrong version of it."""

from dataclasses import replace

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import traits as traits_module
from isthmus.spaces.stores.store import Facts, Rows, Store, checked, gone, shadow_name
from isthmus.spaces.stores.traits import Traits
from isthmus.testing import stores as suite

TRAITS = Traits(
    name="memory", module="none", cls="Memory", extra="", packages=(), form="memory:///docs",
    ids=("int", "string"), metrics=("cosine", "euclidean"), normalises=("cosine",),
    shadow="collection", cutover="swaps two names of a dict", filters="a key that must be 1",
)  # fmt: skip


class Memory(Store):
    SCHEME = "memory"
    base: dict = {}

    @classmethod
    def open(cls, address):
        address.refuse_options("filter", "api_key")
        if address.collection not in cls.base:
            raise InputError(
                f"open {address.redacted}", f"no collection {address.collection!r}",
                f"one of {', '.join(cls.base)}",
            )  # fmt: skip
        return cls(address)

    @classmethod
    def create(cls, address, *, dim, metric, id_kind):
        if address.collection in cls.base:
            raise StorageError(f"create {address.redacted}", "a collection of that name", "none")
        cls.base[address.collection] = {
            "dim": dim, "metric": metric, "kind": id_kind, "rows": {}, "writes": 0
        }  # fmt: skip
        return cls(address)

    @property
    def own(self):
        return self.base[self.address.collection]

    @property
    def rows(self):
        wanted = self.address.options.get("filter")
        return {
            key: row for key, row in self.own["rows"].items()
            if not wanted or row[1][wanted] == 1
        }  # fmt: skip

    def facts(self):
        return Facts(
            rows=len(self.rows), dim=self.own["dim"], metric=self.own["metric"],
            id_kind=self.own["kind"], normalised=self.own["metric"] == "cosine",
        )  # fmt: skip

    def ids(self):
        kind = np.int64 if self.own["kind"] == "int" else str
        return np.sort(np.array(list(self.rows), dtype=kind))

    def fetch(self, ids, *, payload=False):
        missing = [key for key in ids.tolist() if key not in self.rows]
        if missing:
            raise gone(self, np.array(missing))
        found = [self.rows[key] for key in ids.tolist()]
        return Rows(
            ids, np.array([row[0] for row in found]).reshape(len(ids), -1),
            [row[1] for row in found] if payload else None,
        )  # fmt: skip

    def stamp(self):
        return f"{self.own['writes']}"

    def upsert(self, rows):
        rows = checked(self, rows, self.own["dim"])
        vectors = rows.vectors
        if self.own["metric"] == "cosine":
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        payload = rows.payload or [{}] * len(rows)
        for key, vector, carried in zip(rows.ids.tolist(), vectors, payload, strict=True):
            self.own["rows"][key] = (vector.copy(), carried)
        self.own["writes"] += 1

    def delete(self, ids):
        for key in ids.tolist():
            self.own["rows"].pop(key, None)
        self.own["writes"] += 1

    def named(self, job, *, old=False):
        return shadow_name(self.address.collection, job, old=old)

    def shadow(self, job, *, dim, metric):
        address = self.address.elsewhere(collection=self.named(job))
        if address.collection in self.base:
            return type(self)(address)
        return self.create(address, dim=dim, metric=metric, id_kind=self.own["kind"])

    def finish(self, job):
        pass

    def cutover(self, job):
        if self.state(job) == "live":
            return
        old, name = self.named(job, old=True), self.address.collection
        self.base[old], self.base[name] = self.base[name], self.base.pop(self.named(job))

    def rollback(self, job):
        if self.state(job) == "shadow":
            return
        old, name = self.named(job, old=True), self.address.collection
        if old not in self.base:
            raise StorageError(f"roll back {self.address.redacted}", "no old vectors", "them")
        self.base[self.named(job)], self.base[name] = self.base[name], self.base.pop(old)

    def state(self, job):
        if self.named(job, old=True) in self.base:
            return "live"
        return "shadow" if self.named(job) in self.base else "absent"

    def drop(self, job):
        self.base.pop(self.named(job, old=True), None)
        self.base.pop(self.named(job), None)

    def search(self, queries, k):
        ids = self.ids()
        rows = self.fetch(ids).vectors
        if self.own["metric"] == "cosine":
            queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        far = ((queries[:, None] - rows[None]) ** 2).sum(axis=2)
        return ids[np.argsort(far, axis=1)[:, :k]]


def bench(cls, monkeypatch):
    monkeypatch.setitem(traits_module.STORES, "memory", TRAITS)
    monkeypatch.setattr(cls, "base", {}, raising=False)

    def place(name):
        return Address.parse(f"memory:///{name}")

    return suite.Bench(cls, place, lambda address: address.elsewhere(filter="even"))


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, monkeypatch):
    check(bench(Memory, monkeypatch))


class Unordered(Memory):
    def fetch(self, ids, *, payload=False):
        return super().fetch(np.sort(ids), payload=payload)


class Locale(Memory):
    def ids(self):
        ids = super().ids()
        return np.array(sorted(ids.tolist(), key=lambda i: str(i).lower()), dtype=ids.dtype)


class Rounding(Memory):
    def upsert(self, rows):
        super().upsert(replace(rows, vectors=np.asarray(rows.vectors, np.float16)))


class Bare(Memory):
    def fetch(self, ids, *, payload=False):
        rows = super().fetch(ids)
        return replace(rows, payload=[{}] * len(rows)) if payload else rows


class Unaware(Memory):
    def facts(self):
        return replace(super().facts(), normalised=False)


class Appending(Memory):
    def upsert(self, rows):
        new = np.array([key not in self.own["rows"] for key in rows.ids.tolist()])
        super().upsert(suite.part(rows, np.flatnonzero(new)))


class Undying(Memory):
    def delete(self, ids):
        self.own["writes"] += 1


class Overlapping(Memory):
    def scan(self, rows=64, *, after=None, payload=False):
        ids = self.ids()
        if after is not None:
            ids = ids[np.searchsorted(ids, after) :]
        for start in range(0, len(ids), rows):
            yield self.fetch(ids[start : start + rows], payload=payload)


class Counting(Memory):
    def stamp(self):
        return f"{len(self.own['rows'])}"


class Tolerant(Memory):
    def upsert(self, rows):
        super().upsert(replace(rows, vectors=np.nan_to_num(rows.vectors)))


class Silent(Memory):
    def fetch(self, ids, *, payload=False):
        kept = np.array([key for key in ids.tolist() if key in self.rows], dtype=ids.dtype)
        return super().fetch(kept, payload=payload)


class Careless(Memory):
    @classmethod
    def open(cls, address):
        return cls(address)


class Talkative(Memory):
    @classmethod
    def open(cls, address):
        if address.collection not in cls.base:
            raise InputError(f"open {address.full()}", "nothing", "something")
        return super().open(address)


class InPlace(Memory):
    def shadow(self, job, *, dim, metric):
        self.own["dim"] = dim
        return super().shadow(job, dim=dim, metric=metric)


class Forgetful(Memory):
    def cutover(self, job):
        if self.state(job) == "shadow":
            super().cutover(job)
            self.base[self.named(job, old=True)]["rows"].pop(1)


class Fresh(Memory):
    def shadow(self, job, *, dim, metric):
        self.base.pop(self.named(job), None)
        return super().shadow(job, dim=dim, metric=metric)


class Eager(Memory):
    def drop(self, job):
        super().drop(job)
        self.own["rows"] = dict(list(self.own["rows"].items())[:10])


class Unfiltered(Memory):
    def ids(self):
        return np.sort(np.array(list(self.own["rows"])))


class Random(Memory):
    def search(self, queries, k):
        return np.resize(self.ids(), (len(queries), k))


@pytest.mark.parametrize(
    ("check", "cls"),
    [
        (suite.check_round_trip, Unordered),
        (suite.check_round_trip, Locale),
        (suite.check_round_trip, Rounding),
        (suite.check_round_trip, Bare),
        (suite.check_facts, Unaware),
        (suite.check_writes_are_idempotent, Appending),
        (suite.check_writes_are_idempotent, Undying),
        (suite.check_scan, Overlapping),
        (suite.check_stamp, Counting),
        (suite.check_refusals, Tolerant),
        (suite.check_refusals, Silent),
        (suite.check_refusals, Careless),
        (suite.check_secrets, Talkative),
        (suite.check_shadow, InPlace),
        (suite.check_shadow, Forgetful),
        (suite.check_shadow, Fresh),
        (suite.check_shadow, Eager),
        (suite.check_drop_after_cutover, Eager),
        (suite.check_filter, Unfiltered),
        (suite.check_search, Random),
    ],
)
def test_contract_rejects(check, cls, monkeypatch):
    # A store so wrong that the check cannot go on fails it with its own error.
    with pytest.raises((AssertionError, StorageError)):
        check(bench(cls, monkeypatch))
