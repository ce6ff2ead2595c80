"""The stores' contract: its own rows and judgements, and one fault a promise that it tells."""

from dataclasses import replace

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import STORES, Address
from isthmus.spaces.stores.store import Facts
from isthmus.testing import stores as suite
from isthmus.testing.file_store import SCHEME, TRAITS, FileStore


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setitem(STORES, SCHEME, TRAITS)
    monkeypatch.setattr("isthmus.spaces.files.os.fsync", lambda fd: None)

    def made(cls=FileStore, **changes):
        monkeypatch.setitem(STORES, SCHEME, replace(TRAITS, **changes))
        return suite.Bench(
            cls,
            lambda name: Address.parse(f"{SCHEME}://{tmp_path}/{name}"),
            lambda address: address.elsewhere(filter="even"),
        )

    return made


def test_every_check_of_the_module_is_run():
    found = [value for name, value in vars(suite).items() if name.startswith("check_")]
    assert list(suite.CHECKS) == found


# -- rows and benches -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int", "string", "uuid"])
def test_known_rows_are_what_they_are_called(kind):
    rows, again, other = suite.content(kind), suite.content(kind), suite.content(kind, seed=5)
    numbers = [int(row["weight"] * 8) for row in rows.payload]
    assert sorted(numbers) == list(range(1, 901, 3))
    key = {
        "int": lambda n: n,
        "string": lambda n: ("a", "B", "é")[n % 3] + f"-{n}",
        "uuid": lambda n: f"{n:08x}-0000-0000-0000-000000000000",
    }[kind]
    assert rows.ids.tolist() == [key(n) for n in numbers]
    assert rows.ids.tolist() not in (sorted(rows.ids.tolist()), other.vectors.tolist())
    assert [row["even"] for row in rows.payload] == [1 - n % 2 for n in numbers]
    lengths = np.linalg.norm(rows.vectors, axis=1)
    assert lengths.max() > 5 * lengths.min()
    np.testing.assert_array_equal(rows.vectors, again.vectors)
    np.testing.assert_array_equal(rows.ids, other.ids)
    assert (rows.vectors != other.vectors).all()


def test_more_dimensions_and_fewer_rows_are_had_for_the_asking():
    rows = suite.content("int", 30, dim=5)
    assert (rows.vectors.shape, len(rows.ids), len(rows.payload)) == ((30, 5), 30, 30)


def test_a_part_keeps_ids_vectors_and_payload_together():
    rows = suite.content("int", 10)
    for which in (slice(2, 6), [3, 3], np.array([9, 0])):
        some = suite.part(rows, which)
        numbers = np.arange(10)[which]
        np.testing.assert_array_equal(some.ids, rows.ids[numbers])
        np.testing.assert_array_equal(some.vectors, rows.vectors[numbers])
        assert some.payload == [rows.payload[number] for number in numbers]
    assert suite.part(replace(rows, payload=None), [1]).payload is None


@pytest.mark.parametrize(
    ("metrics", "normalises", "metric"),
    [
        (("cosine", "inner"), ("cosine",), "inner"),
        (("cosine", "inner"), (), "cosine"),
        (("cosine",), ("cosine",), "cosine"),
        ((), (), None),
    ],
)
def test_the_metric_is_the_first_that_keeps_lengths(bench, metrics, normalises, metric):
    assert bench(metrics=metrics, normalises=normalises).metric == metric


def test_collections_of_a_bench_are_new_each_time_and_what_was_asked_for(bench):
    some = bench()
    one, two = some.new(rows=30), some.new(rows=5, metric="cosine", ids="string")
    assert one.address.collection != two.address.collection
    assert (one.facts().rows, one.facts().metric, one.facts().id_kind) == (30, "euclidean", "int")
    assert (two.facts().rows, two.facts().metric, two.facts().id_kind) == (5, "cosine", "string")


def test_a_store_without_a_payload_is_given_none(bench):
    bare = bench(payload=False).new(rows=5)
    assert bare.fetch(bare.ids(), payload=True).payload == [{}] * 5


def test_a_new_handle_closes_the_old_one(bench):
    closed = []

    class Handle(FileStore):
        def close(self):
            closed.append(self)

    some = bench(Handle)
    store = some.new(rows=5)
    closed.clear()
    again = some.again(store)
    assert closed == [store]
    assert again is not store
    assert again.address == store.address


# -- judgements -------------------------------------------------------------------------------


def handle(*, normalised):
    facts = Facts(rows=1, dim=2, metric=None, id_kind="int", normalised=normalised)
    return type("Handle", (), {"facts": lambda self: facts})()


def test_same_is_to_the_bit_or_to_rounding_where_lengths_are_gone():
    wanted = np.array([[3.0, 4.0]])
    suite._same(handle(normalised=False), np.float32(wanted), wanted)
    suite._same(handle(normalised=True), np.float32([[0.6, 0.8]]), wanted)
    near = np.nextafter(np.float32(wanted), np.float32(9))
    for normalised, got in ((False, near), (True, np.float32(wanted)), (True, [[0.6, 0.80001]])):
        with pytest.raises(AssertionError, match="not those written"):
            suite._same(handle(normalised=normalised), got, wanted)


def test_an_error_counts_if_it_is_of_the_kind_and_says_it():
    def raising(error):
        def call():
            raise error

        return call

    wrong = InputError("open", "docs", "a collection")
    suite._raises(InputError, raising(wrong), "docs", "it")
    for call, holding, said in (
        (lambda: None, "", "it is accepted"),
        (raising(wrong), "nowhere", "the error on it does not name 'nowhere'"),
        (raising(KeyError("docs")), "docs", "it raises KeyError"),
    ):
        with pytest.raises(AssertionError, match=said):
            suite._raises(InputError, call, holding, "it")


# -- one fault a promise ----------------------------------------------------------------------


class Precise(FileStore):
    def fetch(self, ids, *, payload=False):
        rows = super().fetch(ids, payload=payload)
        return replace(rows, vectors=rows.vectors.astype(np.float64))


class Swapping(FileStore):
    def fetch(self, ids, *, payload=False):
        rows = super().fetch(ids, payload=payload)
        return replace(rows, payload=rows.payload and rows.payload[::-1])


class Untyped(FileStore):
    def ids(self):
        return super().ids().astype(object)


class Misremembering(FileStore):
    def facts(self):
        return replace(super().facts(), metric="inner")


class Texts(FileStore):
    def facts(self):
        return replace(super().facts(), id_kind="string")


class Once(FileStore):
    def delete(self, ids):
        self.fetch(ids)
        super().delete(ids)


class Hasty(FileStore):
    """Counts the rows that it was ever given."""

    def facts(self):
        return replace(super().facts(), rows=300)


class Greedy(FileStore):
    def scan(self, rows=64, *, after=None, payload=False):
        return super().scan(2 * rows, after=after, payload=payload)


class Lasting(FileStore):
    """Ends with a batch of nothing."""

    def scan(self, rows=64, *, after=None, payload=False):
        yield from super().scan(rows, after=after, payload=payload)
        yield self.fetch(self.ids()[:0])


class Restless(FileStore):
    """Its stamp is of the handle."""

    handles = 0

    def __init__(self, address):
        super().__init__(address)
        Restless.handles += 1
        self.number = self.handles

    def stamp(self):
        return f"{self.number} {super().stamp()}"


class Blind(FileStore):
    """Its stamp tells new rows and no deletion."""

    def delete(self, ids):
        writes = self._read()["writes"]
        super().delete(ids)
        self._write(self._read() | {"writes": writes - 1})


class Obliging(FileStore):
    @classmethod
    def open(cls, address):
        return super().open(replace(address, options={}))


class Overwriting(FileStore):
    @classmethod
    def create(cls, address, **about):
        cls(address).path.unlink(missing_ok=True)
        return super().create(address, **about)


class Repeating(FileStore):
    def upsert(self, rows):
        super().upsert(suite.part(rows, np.unique(rows.ids, return_index=True)[1]))


class Early(FileStore):
    """Refuses what it has counted as a write already."""

    def upsert(self, rows):
        self._write(self._read())
        super().upsert(rows)


class Quoting(FileStore):
    """Hides the password in its own words, and repeats those of its client."""

    @classmethod
    def open(cls, address):
        try:
            raise OSError(f"refused {address.password}")
        except OSError as error:
            raise StorageError(f"open {address.redacted}", "no server", "one") from error


class Keyed(FileStore):
    """Keeps the key on the error, for whoever logs that."""

    @classmethod
    def open(cls, address):
        error = StorageError(f"open {address.redacted}", "no server", "one")
        error.options = dict(address.options)
        raise error


class Unsure(FileStore):
    def state(self, job):
        return super().state(job) if job == "j2" else "shadow"


class Full(FileStore):
    """Its shadow begins with the rows of the collection."""

    def shadow(self, job, *, dim, metric):
        return self if dim == self.facts().dim else super().shadow(job, dim=dim, metric=metric)

    def ids(self):
        own = super().ids()
        return own if len(own) else np.array([1])


class Bared(FileStore):
    """Loses the payload with the cutover."""

    def cutover(self, job):
        super().cutover(job)
        own = self._read()
        self._write(own | {"rows": {key: [row[0], {}] for key, row in own["rows"].items()}})


class Keeping(FileStore):
    """Drops shadows and never the old vectors."""

    def drop(self, job):
        if self.state(job) != "live":
            super().drop(job)


class Counting(FileStore):
    def facts(self):
        return replace(super().facts(), rows=len(self._read()["rows"]))


class Unsifted(FileStore):
    def scan(self, rows=64, *, after=None, payload=False):
        return FileStore(replace(self.address, options={})).scan(rows, after=after)


class Searching(FileStore):
    def search(self, queries, k):
        ids = self.ids()
        rows = self.fetch(ids).vectors
        if self._read()["metric"] == "cosine":
            queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        far = ((queries[:, None] - rows) ** 2).sum(axis=2)
        return ids[np.argsort(far, axis=1)[:, :k]]


class WorstFirst(Searching):
    def search(self, queries, k):
        return super().search(queries, k)[:, ::-1]


class Short(Searching):
    def search(self, queries, k):
        return super().search(queries, k - 1)


FAULTS = [
    (suite.check_round_trip, Precise, "vectors of float64"),
    (suite.check_round_trip, Swapping, "payload .* instead of"),
    (suite.check_round_trip, Untyped, "ids of object"),
    (suite.check_facts, Misremembering, "metric inner instead of euclidean"),
    (suite.check_facts, Texts, "id_kind='string'"),
    (suite.check_writes_are_idempotent, Once, "no vector for 5 ids"),
    (suite.check_writes_are_idempotent, Hasty, "deleted rows are still counted"),
    (suite.check_scan, Greedy, "a batch empty or too large"),
    (suite.check_scan, Lasting, "a batch empty or too large"),
    (suite.check_stamp, Restless, "reconnecting changes the stamp"),
    (suite.check_stamp, Blind, "a row changed and the stamp did not"),
    (suite.check_refusals, Obliging, "an unknown option is accepted"),
    (suite.check_refusals, Overwriting, "a name that is taken is accepted"),
    (suite.check_refusals, Repeating, "an id twice is accepted"),
    (suite.check_refusals, Early, "a refused write changed the collection"),
    (suite.check_secrets, Quoting, "a secret is shown"),
    (suite.check_secrets, Keyed, "a secret is shown"),
    (suite.check_shadow, Unsure, None),
    (suite.check_shadow, Full, "a new shadow has rows"),
    (suite.check_shadow, Bared, "other columns changed with the cutover"),
    (suite.check_drop_after_cutover, Keeping, "a rollback after the originals went is accepted"),
    (suite.check_filter, Counting, "facts ignore the filter"),
    (suite.check_filter, Unsifted, "scan ignores the filter"),
    (suite.check_search, WorstFirst, "a row does not find itself"),
    (suite.check_search, Short, r"found \(20, 2\)"),
]


@pytest.mark.parametrize(
    ("check", "cls", "said"), FAULTS, ids=lambda given: getattr(given, "__name__", "")
)
def test_each_fault_is_told_by_its_name(check, cls, said, bench):
    """One that refuses what the check asks for by the way fails it with its own error."""
    with pytest.raises((AssertionError, StorageError), match=said):
        check(bench(cls))


def test_every_check_has_a_fault():
    assert {check for check, _, _ in FAULTS} == set(suite.CHECKS)


def test_a_right_search_passes(bench):
    suite.check_search(bench(Searching))


def test_declared_filters_must_be_tried(bench):
    untried = replace(bench(), filtered=None)
    with pytest.raises(AssertionError, match="filters are declared and the bench has none"):
        suite.check_filter(untried)
    suite.check_filter(replace(bench(filters=""), filtered=None))
