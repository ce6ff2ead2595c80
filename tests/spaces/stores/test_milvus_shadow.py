"""What makes a shadow of a Milvus collection its equal, as Milvus Lite and as a server tell it."""

from types import SimpleNamespace

import pytest

from isthmus.core.errors import StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import milvus_shadow as module
from isthmus.spaces.stores.milvus_connection import Connection
from isthmus.spaces.stores.milvus_shadow import copy_configuration, copy_indexes, wait

pytest.importorskip("pymilvus", reason="the client of Milvus is not installed")
pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed")


# -- a file of Milvus Lite ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """A connection to a file with the collection ``a``, which has a field of every sort."""
    place = tmp_path_factory.mktemp("milvus") / "base.db"
    made = Connection(Address.parse(f"milvus://{place}/docs"), make=True)
    types, schema = made.types, made.schema(enable_dynamic_field=True)
    schema.add_field("key", types.VARCHAR, is_primary=True, max_length=77)
    schema.add_field("v", types.FLOAT_VECTOR, dim=3)
    schema.add_field("lang", types.VARCHAR, max_length=20, nullable=True)
    schema.add_field("count", types.INT32, default_value=5)
    schema.add_field("tags", types.ARRAY, element_type=types.INT64, max_capacity=9)
    made.ask("create_collection", "a", schema=schema)
    made.index("a", "v", index_type="HNSW", metric_type="IP", params={"M": 7})
    made.index("a", "lang", index_type="INVERTED")
    yield made
    made.close()


def described(at, name):
    """A collection's fields by name and its settings, with the width of ``v`` apart."""
    about = at.ask("describe_collection", name)
    about.pop("collection_name")
    fields = {field["name"]: field | {"params": dict(field["params"])} for field in
              about.pop("fields")}  # fmt: skip
    return fields["v"]["params"].pop("dim"), str(fields), about


def indexes(at, name):
    found = [at.ask("describe_index", name, index) for index in at.ask("list_indexes", name)]
    return {one["field_name"]: (one["index_type"], one["metric_type"]) for one in found}


def test_a_collection_is_made_alike_but_for_the_width(at):
    before = described(at, "a")
    copy_configuration(at, "a", "b", "v", 5)
    assert described(at, "b") == (5, *before[1:])
    assert described(at, "a") == before
    assert indexes(at, "b") == {}
    copy_configuration(at, "a", "b", "v", 9)  # it is there, and may hold rows
    assert described(at, "b")[0] == 5


def test_what_the_fields_take_is_taken_again(at):
    copy_configuration(at, "a", "c", "v", 2)
    copy_indexes(at, "a", "c", "v", None)
    assert indexes(at, "c") == indexes(at, "a")
    row = {"key": "x", "v": [1, 2], "tags": [4], "anything": {"n": 1}}
    at.ask("insert", "c", [row])
    wait(at, "c")
    at.ask("load_collection", "c")
    (found,) = at.ask("query", "c", filter="", output_fields=["*"], limit=9)
    assert found == row | {"lang": None, "count": 5}
    with pytest.raises(StorageError, match="insert: milvus:"):
        at.ask("insert", "c", [row | {"v": [1, 2, 3]}])


def test_indexes_are_made_alike_but_for_the_metric_of_the_vector(at):
    copy_configuration(at, "a", "d", "v", 5)
    for _ in range(2):
        copy_indexes(at, "a", "d", "v", "L2")
        assert indexes(at, "d") == indexes(at, "a") | {"v": ("HNSW", "L2")}


# -- what a server tells besides ---------------------------------------------------------------


class Server:
    """A connection that answers with what was told it, and keeps what it was asked to make."""

    address = Address.parse("milvus://db/docs")

    def __init__(self, *told, mine=()):
        self.told, self.mine, self.made = {one["index_name"]: one for one in told}, mine, {}

    def ask(self, what, name, index=None, **_):
        if what == "list_indexes":
            return list(self.told) if name == "a" else list(self.mine)
        return self.told[index]

    def index(self, name, field, **about):
        self.made[name, field] = about


def told(name, field, **about):
    state = {"total_rows": 9, "indexed_rows": 8, "pending_index_rows": 1, "state": "InProgress"}
    return {"index_name": name, "field_name": field, "index_type": "HNSW", **about} | state


@pytest.mark.parametrize("form", ["server", "lite"])
def test_parameters_are_those_of_the_original_and_no_state_is_among_them(form):
    params = {"M": 7, "efConstruction": 33}
    more = {"params": params} if form == "server" else params
    at = Server(told("mine", "v", metric_type="IP", **more))
    copy_indexes(at, "a", "b", "v", "L2")
    assert at.made == {("b", "v"): {
        "index_type": "HNSW", "index_name": "mine", "params": params, "metric_type": "L2",
    }}  # fmt: skip


def test_only_indexes_that_lack_are_made_and_those_of_other_fields_have_no_metric():
    at = Server(
        told("of v", "v", metric_type="IP"), told("of lang", "lang"), told("of n", "n"),
        mine=["of v", "of n", "strange"],
    )  # fmt: skip
    copy_indexes(at, "a", "b", "v", "L2")
    wanted = {"index_type": "HNSW", "index_name": "of lang", "params": {}}
    assert at.made == {("b", "lang"): wanted}


def test_settings_of_a_server_are_asked_for_again():
    fields = [{"name": "v", "params": {"dim": 3, "mmap.enabled": True}}, {"name": "k"}]
    about = {
        "fields": fields, "num_shards": 4, "properties": {"collection.ttl.seconds": "60"},
        "consistency_level_name": "Bounded",
    }  # fmt: skip
    asked = {}

    def ask(what, name, **more):
        asked[what] = (name, more)
        return about

    at = SimpleNamespace(names=lambda: {"a"}, ask=ask, schema_of=lambda d: d["fields"])
    copy_configuration(at, "a", "b", "v", 5)
    assert asked["create_collection"] == ("b", {
        "schema": [{"name": "v", "params": {"dim": 5, "mmap.enabled": True}}, {"name": "k"}],
        "num_shards": 4, "properties": {"collection.ttl.seconds": "60"},
        "consistency_level": "Bounded",
    })  # fmt: skip


class Building(Server):
    """Indexes whose pending rows and states follow each other."""

    def __init__(self, **states):
        self.states, self.asked = {name: iter(rows) for name, rows in states.items()}, []

    def ask(self, what, name, index=None):
        self.asked.append(what)
        if what == "list_indexes":
            return list(self.states)
        if what == "describe_index":
            pending, state = next(self.states[index])
            return {"pending_index_rows": pending, "state": state}
        return None


@pytest.fixture
def naps(monkeypatch):
    taken = []
    monkeypatch.setattr(module.time, "sleep", taken.append)
    return taken


@pytest.mark.parametrize(
    ("states", "waits"),
    [
        ({}, 0),
        ({"v": [(0, "Finished")]}, 0),
        ({"v": [("70", "InProgress"), ("3", "InProgress"), ("0", "Finished")]}, 2),
        ({"v": [(1, "Unissued"), (0, "Finished")], "n": [(5, "InProgress"), (0, "Finished")]}, 2),
    ],
)
def test_all_is_sealed_first_and_every_index_waited_for(states, waits, naps):
    at = Building(**states)
    wait(at, "b")
    assert at.asked[:2] == ["flush", "list_indexes"]
    assert len(naps) == waits
    assert all(next(left, None) is None for left in at.states.values())


def test_an_index_that_failed_is_told_instead_of_waited_for(naps):
    at = Building(v=[(9, "InProgress"), (9, "Failed")])
    with pytest.raises(StorageError, match="index 'b' of milvus://db/docs: got an index that fai"):
        wait(at, "b")
    assert len(naps) == 1
