"""Milvus keeps the contract in a file of Milvus Lite, and over the network as a server would."""

import logging
import sys

import numpy as np
import pytest

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.stores import Address, connect, create
from isthmus.spaces.stores import milvus_connection as connection_module
from isthmus.spaces.stores.milvus import Milvus
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite

pytest.importorskip("pymilvus", reason="the client of Milvus is not installed")
pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed")

from pymilvus import DataType


@pytest.fixture
def place(in_memory):
    return lambda name: Address.parse(f"milvus://{in_memory}/base.db/{name}")


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, place):
    check(suite.Bench(Milvus, place, lambda address: address.elsewhere(filter="even == 1")))


@pytest.fixture
def server(in_memory):
    """Milvus Lite as a server of its own process would be asked: by host and port."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    made, base, port = start_server_in_thread(str(in_memory / "served"), port=0)
    yield lambda name: Address.parse(f"milvus://127.0.0.1:{port}/{name}")
    made.stop(grace=0).wait()
    base.close()


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract_over_the_network(check, server):
    check(suite.Bench(Milvus, server, lambda address: address.elsewhere(filter="even == 1")))


def raw(store):
    return store._at._client


def test_creation_makes_an_alias_and_steps_over_one_that_was_cut_short(place, monkeypatch):
    store = create(place("docs"), dim=3, metric="cosine", id_kind="int")
    assert store._at.aliases() == {"docs": "docs_1"}
    assert store.facts().index == "AUTOINDEX"
    cut(store, monkeypatch, "create_alias")
    with pytest.raises(StorageError, match="cut short"):
        create(place("more"), dim=3, metric="cosine", id_kind="int")
    monkeypatch.undo()
    again = create(place("more"), dim=4, metric="cosine", id_kind="string")
    assert again._at.aliases()["more"] == "more_2"
    assert again.facts().dim == 4


def test_norms_are_kept_under_cosine(place):
    store = create(place("docs"), dim=3, metric="cosine", id_kind="int")
    vectors = np.array([[3, 0, 4], [1e-3, 0, 1e3]], np.float32)
    store.upsert(Rows(np.array([1, 2]), vectors, [{}, {}]))
    store.close()
    store = connect(place("docs"))
    assert np.array_equal(store.fetch(np.array([1, 2])).vectors, vectors)
    assert store.search(np.array([[0, 0, 1.0]]), 2).tolist() == [[2, 1]]
    for k in (0, 3):
        with pytest.raises(InputError, match="1 to 2"):
            store.search(np.array([[0, 0, 1.0]]), k)


def test_any_text_is_an_id(place):
    store = create(place("docs"), dim=2, metric="euclidean", id_kind="string")
    ids = np.array(['a"b', "a'b", "a\\b", "a\nb\tc", "é", "\u4e2d", "{x}", "%s", "\U0001f600"])
    known = Rows(ids, np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32))
    store.upsert(known)
    assert store.ids().tolist() == sorted(ids.tolist())
    assert np.array_equal(store.fetch(ids).vectors, known.vectors)
    assert [i for batch in store.scan(2) for i in batch.ids] == sorted(ids.tolist())
    store.delete(ids[:8])
    assert store.ids().tolist() == [ids[8]]
    with pytest.raises(InputError, match="type of the primary key"):
        store.fetch(np.array([1]))


def collection(client, name, *, vectors=("vector",), **about):
    """A collection as someone else may have made it."""
    schema = client.create_schema(auto_id=about.pop("auto_id", False), enable_dynamic_field=True)
    schema.add_field("key", DataType.INT64, is_primary=True)
    for vector in vectors:
        schema.add_field(vector, DataType.FLOAT_VECTOR, dim=3)
    schema.add_field("lang", DataType.VARCHAR, max_length=20, nullable=True)
    index = client.prepare_index_params()
    for vector in vectors:
        index.add_index(vector, index_type="FLAT", metric_type="IP")
    client.create_collection(f"{name}_1", schema=schema, index_params=index, **about)
    client.create_alias(f"{name}_1", name)


def test_the_shadow_has_the_fields_and_indexes(place):
    other = create(place("other"), dim=2, metric="cosine", id_kind="int")
    client = raw(other)
    collection(client, "docs")
    client.upsert("docs", [{"key": 1, "vector": [1, 2, 3], "lang": "en", "more": {"a": [1]}}])
    store = connect(place("docs"))
    facts = store.facts()
    assert (facts.metric, facts.index, facts.dim) == ("inner", None, 3)
    payload = [{"lang": "en", "more": {"a": [1]}}]
    assert store.fetch(np.array([1]), payload=True).payload == payload
    # Without a payload the one that is there stays.
    store.upsert(Rows(np.array([1]), np.full((1, 3), 9, np.float32)))
    got = store.fetch(np.array([1]), payload=True)
    assert got.vectors.tolist() == [[9, 9, 9]]
    assert got.payload == payload
    shadow = store.shadow("j1", dim=5, metric=None)
    about = client.describe_collection("docs_isthmus_j1")
    assert [f["name"] for f in about["fields"]] == ["key", "vector", "lang"]
    assert about["enable_dynamic_field"]
    assert shadow.facts().metric == "inner"
    with pytest.raises(StorageError, match="a shadow of 5 dimensions"):
        store.shadow("j1", dim=4, metric=None)
    with pytest.raises(InputError, match="a payload with 'key'"):
        shadow.upsert(Rows(np.array([1]), np.ones((1, 5)), [{"key": 2}]))


def test_a_shadow_cut_before_its_index_gets_it(place, monkeypatch):
    store = create(place("docs"), dim=3, metric="cosine", id_kind="int")
    cut(store, monkeypatch, "create_index")
    with pytest.raises(StorageError, match="cut short"):
        store.shadow("j1", dim=3, metric="euclidean")
    monkeypatch.undo()
    assert store.shadow("j1", dim=3, metric="euclidean").facts().metric == "euclidean"


def test_what_a_cutover_would_lose_is_refused_before(place):
    store = create(place("docs"), dim=3, metric="cosine", id_kind="int")
    client = raw(store)
    with pytest.raises(InputError, match="rename_collection"):
        connect(place("docs_1")).shadow("j1", dim=3, metric=None)
    with pytest.raises(InputError, match="with a filter"):
        connect(place("docs").elsewhere(filter="x > 1")).shadow("j1", dim=3, metric=None)
    collection(client, "two", vectors=("a", "b"))
    with pytest.raises(InputError, match="vectors of 32-bit floats and no"):
        connect(place("two"))
    collection(client, "auto", auto_id=True)
    collection(client, "parted")
    client.create_partition("parted", "summer")
    for name, what in (("two", "'a', 'b'"), ("auto", "auto_id"), ("parted", "partitions")):
        options = {"vector": "a"} if name == "two" else {}
        with pytest.raises(InputError, match=what):
            connect(place(name).elsewhere(**options)).shadow("j1", dim=3, metric=None)
    assert not any("isthmus" in name for name in store._at.names())
    with pytest.raises(StorageError, match="no shadow of this job"):
        store.cutover("j2")


def test_a_bad_filter_is_told_and_nothing_printed(place, capfd):
    create(place("docs"), dim=3, metric="cosine", id_kind="int")
    with pytest.raises(StorageError, match="query: .*unexpected"):
        connect(place("docs").elsewhere(filter="a ==== 1")).ids()
    said = capfd.readouterr()
    assert not said.err
    assert logging.getLogger("pymilvus").level < logging.CRITICAL


def cut(store, monkeypatch, method, after=0):
    """Make the client's ``method`` fail from its call number ``after`` on."""
    calls = iter(range(10**6))
    kind = type(raw(store))
    real = getattr(kind, method)

    def failing(self, *args, **kwargs):
        if next(calls) >= after:
            raise RuntimeError("cut short")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(kind, method, failing)


def ready(place):
    store = create(place("docs"), dim=3, metric="euclidean", id_kind="int")
    store.upsert(rows([1, 2]))
    with store.shadow("j1", dim=4, metric=None) as shadow:
        shadow.upsert(rows([1, 2], dim=4))
    return store


def test_a_cutover_cut_short_is_still_a_shadow(place, monkeypatch):
    store = ready(place)
    cut(store, monkeypatch, "alter_alias")
    with pytest.raises(StorageError, match="cut short"):
        store.cutover("j1")
    monkeypatch.undo()
    assert store.state("j1") == "shadow"
    assert connect(place("docs")).facts().dim == 3
    store.cutover("j1")
    assert connect(place("docs")).facts().dim == 4
    cut(store, monkeypatch, "drop_alias")  # the second step of a rollback
    with pytest.raises(StorageError, match="cut short"):
        store.rollback("j1")
    monkeypatch.undo()
    assert connect(place("docs")).facts().dim == 3
    store.rollback("j1")
    assert store._at.aliases() == {"docs": "docs_1"}


def test_what_comes_to_serve_is_loaded_first(place):
    ready(place).close()
    for step, physical in (("cutover", "docs_isthmus_j1"), ("rollback", "docs_1")):
        store = connect(place("docs"))
        assert not loaded(store, physical)
        getattr(store, step)("j1")
        assert loaded(store, physical)
        assert len(store.ids()) == 2
        store.close()


def loaded(store, name):
    return raw(store).get_load_state(name)["state"].name == "Loaded"


def test_a_cutover_cut_short_can_be_dropped_instead(place, monkeypatch):
    store = ready(place)
    cut(store, monkeypatch, "alter_alias")
    with pytest.raises(StorageError, match="cut short"):
        store.cutover("j1")
    monkeypatch.undo()
    store.drop("j1")
    assert store._at.names() == {"docs_1"}
    assert store._at.aliases() == {"docs": "docs_1"}


@pytest.mark.parametrize("step", ["drop_alias", "drop_collection"])
def test_a_drop_cut_short_is_never_rolled_back_to_what_is_left(place, monkeypatch, step):
    store = ready(place)
    store.cutover("j1")
    cut(store, monkeypatch, step)
    with pytest.raises(StorageError, match="cut short"):
        store.drop("j1")
    monkeypatch.undo()
    with pytest.raises(StorageError, match="no old vectors"):
        store.rollback("j1")
    for _ in range(2):
        store.drop("j1")
        assert store._at.names() == {"docs_isthmus_j1"}
        assert store._at.aliases() == {"docs": "docs_isthmus_j1"}


def test_a_drop_spares_what_serves_under_another_alias(place):
    store = ready(place)
    store.cutover("j1")
    store.shadow("j2", dim=3, metric=None).upsert(rows([1]))
    store.cutover("j2")
    with pytest.raises(StorageError, match="docs_isthmus_j2_old"):
        store.drop("j1")  # it is what j2 would be rolled back to
    assert store.jobs() == ("j1", "j2")
    store.drop("j2")
    store.drop("j1")
    assert store.jobs() == ("j2",)
    assert store._at.names() == {"docs_isthmus_j2"}
    assert store._at.aliases() == {"docs": "docs_isthmus_j2"}


def test_an_index_is_waited_for(place, monkeypatch):
    store = ready(place)
    real, pending = store._at.ask, iter([7, 3, 0])

    def ask(what, *args, **kwargs):
        found = real(what, *args, **kwargs)
        return found | {"pending_index_rows": next(pending)} if what == "describe_index" else found

    monkeypatch.setattr(store._at, "ask", ask)
    monkeypatch.setattr("isthmus.spaces.stores.milvus_shadow.time.sleep", lambda _: None)
    store.finish("j1")
    assert next(pending, None) is None


def test_a_file_of_another_process(place, in_memory, capfd):
    fcntl = pytest.importorskip("fcntl", reason="locks are tried as Unix has them")
    create(place("docs"), dim=3, metric="cosine", id_kind="int").close()
    with (in_memory / "base.db" / "LOCK").open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="close the other"):
            connect(place("docs"))
        assert not capfd.readouterr().err
        fcntl.flock(other, fcntl.LOCK_UN)
        first, second = connect(place("docs")), connect(place("docs"))
        first.close()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_files_that_are_not_there_or_none_of_milvus(tmp_path):
    with pytest.raises(InputError, match="no file"):
        connect(f"milvus://{tmp_path}/base.db/docs")
    with pytest.raises(InputError, match=r"ends in \.db"):
        connect(f"milvus://{tmp_path}/base/docs")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.db").write_bytes(b"SQLite format 3")
    with pytest.raises(StorageError, match="imported anew"):
        connect(f"milvus://{tmp_path}/old.db/docs")


def test_a_missing_client_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[milvus\]"):
        connect("milvus://127.0.0.1:1/docs")


def test_no_server_and_no_secret(monkeypatch, capfd):
    monkeypatch.setattr(connection_module, "_TIMEOUT", 0.2)
    with pytest.raises(StorageError) as error:
        connect(f"milvus://me:{suite.SECRET}@127.0.0.1:1/docs")
    assert suite.SECRET not in f"{error.value}{error.value.__dict__}"
    assert error.value.__cause__ is None
    said = capfd.readouterr()
    assert not said.err + said.out


def test_a_token_travels_in_the_clear_only_if_told_to(monkeypatch):
    made = []
    monkeypatch.setattr("pymilvus.MilvusClient", lambda **given: made.append(given))
    for text in (
        "milvus://db/docs", "milvus://me:pw@db/base/docs", "milvus://db:7/docs?token=t&https=false",
        "milvus://[::1]:7/docs?token=t",
    ):  # fmt: skip
        connection_module.Connection(Address.parse(text), make=False)
    monkeypatch.setenv("MILVUS_TOKEN", "e")
    connection_module.Connection(Address.parse("milvus://db/docs"), make=False)
    assert [(given["uri"], given["token"], given["db_name"]) for given in made] == [
        ("http://db:19530", "", ""), ("https://db:19530", "me:pw", "base"),
        ("http://db:7", "t", ""), ("http://[::1]:7", "t", ""), ("https://db:19530", "e", ""),
    ]  # fmt: skip
    with pytest.raises(InputError, match="https=true or https=false"):
        connect("milvus://db/docs?https=yes")


def rows(numbers, *, dim=3):
    ids = np.array(list(numbers))
    vectors = np.random.default_rng(3).normal(size=(len(ids), dim)).astype(np.float32)
    return Rows(ids, vectors, [{} for _ in ids])
