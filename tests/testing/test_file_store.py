"""The store in a file: what it keeps beyond the contract, for the tests of what uses stores."""

import json

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import STORES, Address
from isthmus.spaces.stores.store import Rows
from isthmus.testing.file_store import SCHEME, TRAITS, FileStore

IDS = np.array([1, 2, 10])
X = np.array([[3, 4], [1e-30, 0.1], [-0.0, 5]], np.float32)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(STORES, SCHEME, TRAITS)
    monkeypatch.setattr("isthmus.spaces.files.os.fsync", lambda fd: None)


@pytest.fixture
def make(tmp_path):
    def made(metric="euclidean", kind="int", ids=IDS, name="docs"):
        address = Address.parse(f"{SCHEME}://{tmp_path}/{name}")
        store = FileStore.create(address, dim=2, metric=metric, id_kind=kind)
        store.upsert(Rows(ids, X, [{"even": 0}, {"even": 1}, {}]))
        return store

    return made


def served(store):
    return FileStore.open(store.address).fetch(IDS).vectors.tolist()


def test_its_traits_are_those_of_the_class():
    assert FileStore.traits() is TRAITS
    assert (TRAITS.module, TRAITS.cls) == (FileStore.SCHEME, FileStore.__name__)


def test_a_collection_is_one_file_and_its_numbers_are_kept_to_the_bit(make, tmp_path):
    store = make()
    assert list(tmp_path.iterdir()) == [store.path]
    assert store.fetch(IDS).vectors.tobytes() == X.tobytes()  # the sign of -0.0 too
    assert json.loads(store.path.read_text())["rows"]["1"] == ["0000404000008040", {"even": 0}]


def test_under_cosine_lengths_are_gone(make):
    unit = [[0.6, 0.8], [0, 1], [0, 1]]
    np.testing.assert_allclose(make("cosine").fetch(IDS).vectors, unit, atol=1e-7)


@pytest.mark.parametrize(("kind", "order"), [("int", [1, 2, 10]), ("string", ["1", "10", "2"])])
def test_ids_ascend_as_their_kind_does(make, kind, order):
    ids = IDS.astype(np.int64 if kind == "int" else str)
    assert make(kind=kind, ids=ids).ids().tolist() == order


def test_an_empty_collection_has_the_width_and_the_kind_it_was_made_with(make):
    store = make()
    store.delete(IDS)
    assert store.ids().dtype == np.int64
    assert store.fetch(store.ids()).vectors.shape == (0, 2)
    assert store.facts().rows == 0


def test_a_filter_passes_by_a_row_that_lacks_the_key(make):
    some = FileStore.open(make().address.elsewhere(filter="even"))
    assert some.ids().tolist() == [2]
    with pytest.raises(StorageError, match="'10'"):
        some.fetch(IDS[1:])


def test_the_stamp_counts_the_writes(make):
    store = make()
    assert store.stamp() == "2"  # made, and written to once
    store.delete(IDS[:1])
    assert FileStore.open(store.address).stamp() == "3"


def test_a_write_is_there_whole_or_not_at_all(make, tmp_path, monkeypatch):
    store = make()
    before = store.path.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.spaces.files.os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store.upsert(Rows(IDS, X + 1))
    assert store.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [store.path]


def test_a_name_is_taken_by_a_file_and_missing_without_one(make):
    store = make()
    with pytest.raises(StorageError, match="of that name"):
        make()
    assert served(store) == X.tolist()
    store.path.unlink()
    with pytest.raises(InputError, match="no collection 'docs'"):
        FileStore.open(store.address)


class Cut(BaseException):
    """The process ends."""


def cut(monkeypatch, step, *given):
    """``step`` cut between its two halves: the link is made, nothing is renamed."""
    with monkeypatch.context() as patch:

        def ends(*_):
            raise Cut

        patch.setattr("pathlib.Path.replace", ends)
        with pytest.raises(Cut):
            step(*given)


@pytest.fixture
def ready(make):
    """A collection with a shadow, and vectors of the shadow."""
    store = make()
    store.shadow("j", dim=2, metric="euclidean").upsert(Rows(IDS, X + 1))
    return store


def test_a_cutover_cut_half_way_serves_the_old_and_is_ended_by_repeating(ready, monkeypatch):
    cut(monkeypatch, ready.cutover, "j")
    assert (ready.state("j"), served(ready)) == ("shadow", X.tolist())
    ready.cutover("j")
    assert (ready.state("j"), served(ready)) == ("live", (X + 1).tolist())


def test_a_rollback_cut_half_way_serves_the_new_and_is_ended_by_repeating(ready, monkeypatch):
    ready.cutover("j")
    cut(monkeypatch, ready.rollback, "j")
    assert (ready.state("j"), served(ready)) == ("live", (X + 1).tolist())
    ready.rollback("j")
    assert (ready.state("j"), served(ready)) == ("shadow", X.tolist())
    ready.cutover("j")
    assert served(ready) == (X + 1).tolist()


def test_a_cut_cutover_can_be_dropped_instead(ready, tmp_path, monkeypatch):
    cut(monkeypatch, ready.cutover, "j")
    ready.drop("j")
    assert (ready.state("j"), served(ready)) == ("absent", X.tolist())
    assert list(tmp_path.iterdir()) == [ready.path]


def test_neither_step_is_taken_without_what_it_needs(make):
    store = make()
    with pytest.raises(StorageError, match="no shadow"):
        store.cutover("j")
    with pytest.raises(StorageError, match="no old vectors"):
        store.rollback("j")
    assert served(store) == X.tolist()


def test_jobs_do_not_touch_each_other(ready):
    ready.shadow("k", dim=3, metric="euclidean")
    ready.drop("j")
    assert (ready.state("j"), ready.state("k")) == ("absent", "shadow")
    assert ready.shadow("k", dim=3, metric="euclidean").facts().dim == 3
