"""The contract of a store. Each check takes a ``Bench`` and raises AssertionError.

A check makes its own collections, through the store's own ``create`` and ``upsert``, reads them
back through new handles, and leaves the bench's place as it found it or not: every check gets
names of its own.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np

from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.store import Rows, Store

_ROWS, _DIM, _WIDER = 300, 8, 12
_JOB = "j1"
#: What no message may repeat.
SECRET = "open-sesame-7"


@dataclass
class Bench:
    """Where the contract is tried: a class of store, and addresses of collections to be made.

    ``place(name)`` is the address of the collection ``name``; ``filtered(address)`` the same
    address with a filter that keeps the rows whose payload has ``even`` equal to 1, or None where
    the store has no filters.
    """

    cls: type[Store]
    place: Callable[[str], Address]
    filtered: Callable[[Address], Address] | None = None
    _numbers: Any = field(default_factory=itertools.count)

    def new(self, *, metric: str | None = None, ids: str | None = None, rows: int = _ROWS) -> Store:
        """A new collection of ``rows`` known rows."""
        traits = self.cls.traits()
        kind = ids or traits.ids[0]
        store = self.cls.create(
            self.place(f"docs{next(self._numbers)}"),
            dim=_DIM,
            metric=metric or self.metric,
            id_kind=kind,
        )
        known = content(kind, rows)
        if not traits.payload:
            known = replace(known, payload=None)
        for start in range(0, rows, 100):
            store.upsert(part(known, slice(start, start + 100)))
        return self.again(store)

    def again(self, store: Store) -> Store:
        """The same collection through a new handle, as another process would see it."""
        store.close()
        return self.cls.open(store.address)

    @property
    def metric(self) -> str | None:
        """A metric under which the store keeps vectors as they are, if it has one."""
        traits = self.cls.traits()
        plain = [m for m in traits.metrics if m not in traits.normalises]
        return next(iter(plain or traits.metrics), None)


def content(kind: str, rows: int = _ROWS, *, dim: int = _DIM, seed: int = 0) -> Rows:
    """Known rows: ids shuffled and with gaps, vectors of many lengths, a payload of each kind."""
    rng = np.random.default_rng(seed)
    numbers = np.random.default_rng(9).permutation(rows) * 3 + 1
    ids: np.ndarray = numbers.astype(np.int64)
    if kind == "string":
        # Upper case, digits and é: where a locale's order differs from that of code points.
        ids = np.array([f"{'aBé'[n % 3]}-{n}" for n in numbers])
    if kind == "uuid":
        ids = np.array([str(UUID(int=int(n) << 96)) for n in numbers])
    vectors = (rng.normal(size=(rows, dim)) * rng.uniform(0.5, 4, (rows, 1))).astype(np.float32)
    payload = [
        {"title": f'row {n}; it\'s "quoted"\n\\N', "even": int(n % 2 == 0), "weight": n / 8}
        for n in numbers.tolist()
    ]
    return Rows(ids, vectors, payload)


def part(rows: Rows, which: Any) -> Rows:
    """Some of ``rows``."""
    payload = rows.payload
    if payload is not None:
        numbers = np.arange(len(rows))[which]
        payload = [payload[number] for number in numbers]
    return Rows(rows.ids[which], rows.vectors[which], payload)


def check_round_trip(bench: Bench) -> None:
    """What was written is read back: ids in order, vectors bit for bit, payload equal."""
    traits = bench.cls.traits()
    for kind in traits.ids:
        store, known = bench.new(ids=kind), content(kind)
        ids = store.ids()
        order = np.argsort(known.ids)
        assert ids.dtype.kind == ("i" if kind == "int" else "U"), f"ids of {ids.dtype}"
        assert np.array_equal(ids, known.ids[order]), "ids are not all there in ascending order"
        some = np.random.default_rng(1).permutation(_ROWS)[:70]
        got = store.fetch(known.ids[some], payload=True)
        assert np.array_equal(got.ids, known.ids[some]), "fetch does not keep the order asked for"
        assert got.vectors.dtype == np.float32, f"vectors of {got.vectors.dtype}"
        _same(store, got.vectors, known.vectors[some])
        if traits.payload:
            assert known.payload is not None
            assert got.payload is not None, "fetch(payload=True) gives none"
            for one, number in zip(got.payload, some, strict=True):
                wanted = known.payload[number]
                kept = {key: one.get(key) for key in wanted}
                assert kept == wanted, f"payload {kept} instead of {wanted}"
        store.close()


def check_facts(bench: Bench) -> None:
    """Rows, width, kind of id and metric are what they were made with."""
    for metric in bench.cls.traits().metrics:
        store = bench.new(metric=metric, rows=30)
        facts = store.facts()
        assert (facts.rows, facts.dim) == (30, _DIM), f"{facts}"
        assert facts.metric in (metric, None), f"metric {facts.metric} instead of {metric}"
        assert facts.id_kind == bench.cls.traits().ids[0], f"{facts}"
        assert facts.normalised == (metric in bench.cls.traits().normalises), f"{facts}"
        store.close()


def check_writes_are_idempotent(bench: Bench) -> None:
    """Writing a row again leaves one row; writing it otherwise leaves the last; deleting twice."""
    store, known = bench.new(), content(bench.cls.traits().ids[0])
    plain = replace(known, payload=None) if not bench.cls.traits().payload else known
    store.upsert(part(plain, slice(0, 50)))
    changed = replace(part(plain, slice(0, 10)), vectors=plain.vectors[:10] + 1)
    store.upsert(changed)
    store = bench.again(store)
    assert store.facts().rows == _ROWS, f"{store.facts().rows} rows instead of {_ROWS}"
    _same(store, store.fetch(known.ids[:10]).vectors, changed.vectors)
    _same(store, store.fetch(known.ids[10:60]).vectors, known.vectors[10:60])
    for _ in range(2):
        store.delete(known.ids[:5])
    store = bench.again(store)
    assert len(store.ids()) == store.facts().rows == _ROWS - 5, "deleted rows are still counted"
    assert not np.isin(known.ids[:5], store.ids()).any(), "deleted ids are still listed"
    store.close()


def check_scan(bench: Bench) -> None:
    """Batches in order, no row lost or twice, resumable from any id."""
    for kind in bench.cls.traits().ids:
        store, known = bench.new(ids=kind), content(kind)
        order = np.argsort(known.ids)
        batches = list(store.scan(64))
        assert all(0 < len(batch) <= 64 for batch in batches), "a batch empty or too large"
        ids = np.concatenate([batch.ids for batch in batches])
        assert np.array_equal(ids, known.ids[order]), "scan loses, repeats or reorders rows"
        _same(store, np.concatenate([b.vectors for b in batches]), known.vectors[order])
        rest = np.concatenate([batch.ids for batch in store.scan(64, after=ids[99])])
        assert np.array_equal(rest, ids[100:]), "scan(after=id) does not go on behind it"
        assert not list(store.scan(64, after=ids[-1])), "scan after the last id finds rows"
        store.close()


def check_stamp(bench: Bench) -> None:
    """The stamp stays while nothing changes and moves with every kind of change.

    A hash of all there is serves too: where a change is undone, it may come back.
    """
    store, known = bench.new(), content(bench.cls.traits().ids[0])
    plain = replace(known, payload=None) if not bench.cls.traits().payload else known
    before = store.stamp()
    store.fetch(known.ids[:5])
    list(store.scan(100))
    store = bench.again(store)
    assert store.stamp() == before, "reading or reconnecting changes the stamp"
    changes: tuple[Callable[[], None], ...] = (
        lambda: store.upsert(replace(part(plain, [0]), vectors=plain.vectors[:1] * 2)),
        lambda: store.delete(known.ids[1:2]),
        lambda: store.upsert(part(plain, [1])),
    )
    for change in changes:
        change()
        stamp = store.stamp()
        assert stamp != before, "a row changed and the stamp did not"
        before = stamp
    store.close()


def check_refusals(bench: Bench) -> None:
    """Every wrong request is a typed error that says what is wrong; nothing is written."""
    store, known = bench.new(), content(bench.cls.traits().ids[0])
    plain = replace(known, payload=None) if not bench.cls.traits().payload else known
    absent = np.array([10**6]) if known.ids.dtype.kind == "i" else np.array(["absent"])
    _raises(StorageError, lambda: store.fetch(absent), str(absent[0]), "a missing id")
    nowhere = bench.place("nowhere")
    _raises(IsthmusError, lambda: bench.cls.open(nowhere), "nowhere", "no such collection")
    strange = store.address.elsewhere(colour="blue")
    _raises(InputError, lambda: bench.cls.open(strange), "colour", "an unknown option")
    _raises(
        StorageError,
        lambda: bench.cls.create(
            store.address, dim=_DIM, metric=bench.metric, id_kind=bench.cls.traits().ids[0]
        ),
        "", "a name that is taken",
    )  # fmt: skip
    before = store.stamp()
    bad = plain.vectors[:2].copy()
    bad[1, 3] = np.nan
    for vectors, what in ((bad, "NaN"), (plain.vectors[:2, :5], "a wrong width")):
        rows = replace(part(plain, slice(0, 2)), vectors=vectors)
        _raises(InputError, partial(store.upsert, rows), "", what)
    twice = part(plain, [0, 0])
    _raises(InputError, lambda: store.upsert(twice), "", "an id twice")
    assert store.stamp() == before, "a refused write changed the collection"
    store.close()


def check_secrets(bench: Bench) -> None:
    """A password or key in an address appears in no repr and no message."""
    address = replace(bench.place("nowhere"), user="me", password=SECRET)
    address = address.elsewhere(api_key=SECRET)
    shown = [repr(address), address.redacted, str(address)]
    try:
        bench.cls.open(address)
    except IsthmusError as error:
        shown += [str(error), repr(error), str(error.__dict__)]
        cause: BaseException | None = error.__cause__
        while cause is not None:
            shown.append(str(cause))
            cause = cause.__cause__
    assert not any(SECRET in text for text in shown), "a secret is shown"


def check_shadow(bench: Bench) -> None:
    """Shadow, cutover and rollback: originals untouched till the cutover, and back bit for bit."""
    store, known = bench.new(), content(bench.cls.traits().ids[0])
    moved = content(bench.cls.traits().ids[0], dim=_WIDER, seed=5)
    original = store.fetch(known.ids, payload=True)
    assert store.state(_JOB) == "absent"
    for _ in range(2):  # a job taken up again finds its shadow
        shadow = store.shadow(_JOB, dim=_WIDER, metric=bench.metric)
        assert shadow.facts().dim == _WIDER, f"shadow of {shadow.facts().dim} dimensions"
    assert len(shadow.ids()) == 0, "a new shadow has rows"
    assert store.state(_JOB) == "shadow"
    for start in range(0, _ROWS, 100):
        rows = part(moved, slice(start, start + 100))
        payload = original.payload
        rows = replace(rows, payload=None if payload is None else payload[start : start + 100])
        shadow.upsert(rows)
        if not start:
            assert len(shadow.ids()) == 100, "the shadow does not list what was written to it"
    store = bench.again(store)
    assert store.facts().dim == _DIM, "the shadow shows before the cutover"
    assert np.array_equal(store.fetch(known.ids).vectors, original.vectors), "originals changed"
    shadow = store.shadow(_JOB, dim=_WIDER, metric=bench.metric)
    assert np.array_equal(shadow.ids(), np.sort(known.ids)), "rows of the shadow are lost"
    store.finish(_JOB)
    store.finish(_JOB)
    for _ in range(2):
        store.cutover(_JOB)
        store = bench.again(store)
        assert store.state(_JOB) == "live"
        assert store.facts().dim == _WIDER, "the new vectors do not serve after the cutover"
    got = store.fetch(known.ids, payload=True)
    _same(store, got.vectors, moved.vectors)
    assert got.payload == original.payload, "other columns changed with the cutover"
    for _ in range(2):
        store.rollback(_JOB)
        store = bench.again(store)
        assert store.state(_JOB) == "shadow"
    back = store.fetch(known.ids, payload=True)
    assert np.array_equal(back.vectors, original.vectors), "the originals are not bit-identical"
    assert back.payload == original.payload, "other columns changed with the rollback"
    for _ in range(2):
        store.drop(_JOB)
        store = bench.again(store)
        assert store.state(_JOB) == "absent"
    assert store.facts().rows == _ROWS, "dropping the shadow took rows along"
    store.close()


def check_drop_after_cutover(bench: Bench) -> None:
    """After the cutover ``drop`` removes the old vectors and the new ones go on serving."""
    store, known = bench.new(rows=40), content(bench.cls.traits().ids[0], 40)
    original = store.fetch(known.ids, payload=True)
    shadow = store.shadow(_JOB, dim=_DIM, metric=bench.metric)
    shadow.upsert(replace(original, vectors=original.vectors + 1))
    store.finish(_JOB)
    store.cutover(_JOB)
    for _ in range(2):
        store = bench.again(store)
        store.drop(_JOB)
    store = bench.again(store)
    _same(store, store.fetch(known.ids).vectors, original.vectors + 1)
    _raises(IsthmusError, lambda: store.rollback(_JOB), "", "a rollback after the originals went")
    # The next upgrade of the same collection begins from here.
    assert store.shadow("j2", dim=_WIDER, metric=bench.metric).facts().dim == _WIDER
    store.close()


def check_filter(bench: Bench) -> None:
    """A filter keeps its rows, in every way of reading."""
    if bench.filtered is None:
        assert not bench.cls.traits().filters, "filters are declared and the bench has none"
        return
    store, known = bench.new(), content(bench.cls.traits().ids[0])
    assert known.payload is not None
    kept = np.sort(known.ids[np.array([row["even"] == 1 for row in known.payload])])
    some = bench.cls.open(bench.filtered(store.address))
    assert np.array_equal(some.ids(), kept), "ids ignore the filter"
    assert some.facts().rows == len(kept), "facts ignore the filter"
    scanned = np.concatenate([batch.ids for batch in some.scan(64)])
    assert np.array_equal(scanned, kept), "scan ignores the filter"
    some.close()
    store.close()


def check_search(bench: Bench) -> None:
    """Where the store searches by itself, a row finds itself first (cosine and Euclidean)."""
    for metric in bench.cls.traits().metrics:
        if metric == "inner":  # a longer neighbour may come first
            continue
        store, known = bench.new(metric=metric), content(bench.cls.traits().ids[0])
        try:
            found = store.search(known.vectors[:20], 3)
        except InputError:
            return
        assert found.shape == (20, 3), f"found {found.shape}"
        assert np.array_equal(found[:, 0], known.ids[:20]), "a row does not find itself"
        store.close()


CHECKS = (
    check_round_trip,
    check_facts,
    check_writes_are_idempotent,
    check_scan,
    check_stamp,
    check_refusals,
    check_secrets,
    check_shadow,
    check_drop_after_cutover,
    check_filter,
    check_search,
)


def _same(store: Store, got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal bit for bit, or to rounding and up to length where the store normalises."""
    if store.facts().normalised:
        wanted = wanted / np.linalg.norm(wanted.astype(np.float64), axis=1, keepdims=True)
        assert np.allclose(got, wanted, atol=1e-6), "vectors are not those written, normalised"
    else:
        assert np.array_equal(got, wanted.astype(np.float32)), "vectors are not those written"


def _raises(kind: type[Exception], call: Callable[[], Any], holding: str, what: str) -> None:
    said = None
    try:
        call()
    except kind as error:
        said = str(error)
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}: {error}") from error
    assert said is not None, f"{what} is accepted"
    assert holding in said, f"the error on {what} does not name {holding!r}: {said}"
