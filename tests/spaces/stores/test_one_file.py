"""A store of one file has all its methods from its library, whatever that is, and adds none."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.index_file import Library
from isthmus.spaces.stores.layout import Layout
from isthmus.spaces.stores.one_file import OneFile
from isthmus.spaces.stores.store import Rows, Store

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
IDS = np.array([8, 2, 5, 0, 11, 3])


def layout(path):
    with path.open("rb") as file:
        ids, vectors, recipe = (np.load(file) for _ in range(3))
    return Layout(vectors.shape[1], "euclidean", ids, ArrayColumn(vectors), str(recipe))


def build(path, like, ids, read):
    with path.open("wb") as file:
        for part in (ids, read(np.arange(len(ids))).reshape(len(ids), like.dim), like.recipe):
            np.save(file, part)


def load(path, like):
    kept = layout(path)

    def find(queries, k):
        far = np.abs(queries[:, None] - kept.vectors.take(np.arange(len(kept.ids)))).sum(2)
        return kept.ids[np.argsort(far, axis=1)[:, :k]]

    return find


def fresh(dim, metric):
    nothing = ArrayColumn(np.empty((0, dim), np.float32))
    return Layout(dim, metric, np.empty(0, np.int64), nothing, "own")


class Arrays(OneFile, Store):
    """A store whose index is three arrays of NumPy in one file."""

    SCHEME = "arrays"
    LIBRARY = Library(layout, build, load, fresh)

    @classmethod
    def traits(cls):
        return SimpleNamespace(name="arrays", metrics=("euclidean",))


@pytest.fixture
def at(tmp_path):
    return lambda name, **more: Address(
        scheme="arrays", place=str(tmp_path), collection=name, **more
    )


@pytest.fixture
def store(at):
    with Arrays.create(at("a"), dim=3, metric=None, id_kind="int") as made:
        made.upsert(Rows(IDS, X))
    return Arrays.open(at("a"))


def test_other_programs_see_what_was_written_when_the_handle_is_closed(at):
    path = Path(at("a").local)
    with Arrays.create(at("a"), dim=3, metric="euclidean", id_kind="int") as made:
        made.upsert(Rows(IDS, X))
        made.delete(IDS[:1])
        assert len(layout(path).ids) == 0
    assert layout(path).ids.tolist() == sorted(IDS[1:])
    assert [entry.name for entry in path.parent.iterdir()] == ["a"]


def test_ids_ascend_and_are_the_callers_own(store):
    found = store.ids()
    assert found.dtype == np.int64
    assert found.tolist() == sorted(IDS)
    found[:] = -1
    assert store.ids().tolist() == sorted(IDS)
    assert np.array_equal(store.fetch(IDS).vectors, X)


def test_the_librarys_own_search_and_facts_are_the_stores(store):
    assert np.array_equal(store.search(X, 1)[:, 0], IDS)
    facts = store.facts()
    assert (facts.rows, facts.dim, facts.metric, facts.id_kind) == (6, 3, "euclidean", "int")


def test_a_shadow_is_a_store_of_the_same_class_that_takes_the_files_recipe(store, at):
    path = Path(at("a").local)
    with path.open("wb") as file:  # built otherwise than a new file would be
        for part in (IDS, X, "theirs"):
            np.save(file, part)
    original = path.read_bytes()
    shadow = store.shadow("j", dim=2, metric=None)
    assert type(shadow) is Arrays
    shadow.upsert(Rows(IDS, X[:, :2]))
    assert store.jobs() == ("j",)
    assert store.state("j") == "shadow"
    store.finish("j")
    assert layout(Path(shadow.address.local)).recipe == "theirs"
    stamp = store.stamp()
    store.cutover("j")
    assert store.stamp() != stamp
    assert np.array_equal(store.fetch(IDS).vectors, X[:, :2])
    store.rollback("j")
    assert path.read_bytes() == original
    store.drop("j")
    assert (store.state("j"), store.jobs()) == ("absent", ())


def test_ids_are_integers(at, tmp_path):
    with pytest.raises(InputError, match="create arrays:.*ids of kind string; expected integers"):
        Arrays.create(at("a"), dim=3, metric=None, id_kind="string")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"host": "db"}, "a host or a user.*Write arrays:///folder/file"),
        ({"user": "me"}, "a host or a user"),
        ({"port": 7}, "a host or a user"),
        ({"options": {"colour": "blue"}}, "the option 'colour'; expected no options"),
    ],
)
def test_an_address_of_elsewhere_names_no_file_of_this_machine(more, said, at, store, tmp_path):
    """Neither to open nor to make: what is made would not be where the address says."""
    with pytest.raises(InputError, match=said):
        Arrays.open(at("a", **more))
    with pytest.raises(InputError, match=said):
        Arrays.create(at("b", **more), dim=3, metric=None, id_kind="int")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_names_that_the_file_system_does_not_keep_are_refused_with_the_cure(at, store, tmp_path):
    too_long = r"nnn\.\.\., which takes 300 bytes; expected at most 255.*a shorter name"
    for act in (Arrays.open, lambda a: Arrays.create(a, dim=3, metric=None, id_kind="int")):
        with pytest.raises(InputError, match=too_long):
            act(at("n" * 300))
    for act in (store.state, store.drop, store.cutover, store.rollback, store.finish):
        with pytest.raises(InputError, match="at most 255.*or its job, a shorter name"):
            act("j" * 250)
    with pytest.raises(InputError, match="at most 255"):
        store.shadow("j" * 250, dim=2, metric=None)
    with pytest.raises(StorageError, match="open arrays:.*name too long"):
        Arrays.open(Address(scheme="arrays", place=f"{tmp_path}/{'n' * 300}", collection="a"))
    # A file whose journal would have no name: at the door, not at the first write.
    (tmp_path / ("n" * 250)).write_bytes(Path(store.address.local).read_bytes())
    with pytest.raises(InputError, match="takes 266 bytes"):
        Arrays.open(at("n" * 250))


def test_what_is_no_file_or_taken_is_told(at, store, tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("b", "folder"):
        with pytest.raises(InputError, match=f"no file '{name}'; expected one of a"):
            Arrays.open(at(name))
    with pytest.raises(StorageError, match="a file of that name; expected a name not taken"):
        Arrays.create(at("a"), dim=3, metric=None, id_kind="int")
    assert np.array_equal(store.fetch(IDS).vectors, X)
