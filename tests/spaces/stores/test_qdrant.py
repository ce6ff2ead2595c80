"""Qdrant keeps the contract in its local mode and over HTTP, where the server is one of ours."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, MissingExtra, SpaceMismatch, StorageError
from isthmus.spaces.stores import Address, connect, create
from isthmus.spaces.stores import qdrant_connection as connection_module
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite
from isthmus.upgrade.job import Job

pytest.importorskip("qdrant_client", reason="the client of Qdrant is not installed")

from qdrant_client import models

from .qdrant_server import INDEXED, Server

EVEN = json.dumps({"must": [{"key": "even", "match": {"value": 1}}]})


@pytest.fixture(params=["in_memory", "qdrant"], ids=["in_memory", "server"])
def place(request):
    if request.param == "in_memory":
        root = f"qdrant://{request.getfixturevalue('in_memory')}/base"
    else:
        root = f"qdrant://127.0.0.1:{request.getfixturevalue(request.param).port}"
    return lambda name: Address.parse(f"{root}/{name}")


@pytest.fixture
def bench(place):
    from isthmus.spaces.stores.qdrant import Qdrant

    return suite.Bench(Qdrant, place, lambda address: address.elsewhere(filter=EVEN))


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, bench):
    check(bench)


def raw(store):
    return store._at._client


def test_under_cosine_a_map_that_depends_on_lengths_is_refused_and_nothing_written(in_memory):
    place = f"qdrant://{in_memory}/base/docs"
    x = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32) + 0.5
    with create(place, dim=6, metric="cosine", id_kind="int") as store:
        store.upsert(Rows(np.arange(200), x, [{}] * 200))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    # The store gave the lengths up, and this intercept turns a short vector more than a long one.
    bridge, on_unit = (isthmus.fit(side, x @ x[:6] + 2, method="affine") for side in (x, unit))
    with pytest.raises(SpaceMismatch, match="scaled to unit length.*depends on their length"):
        Job.start(place, bridge, job=in_memory / "job")
    with connect(place) as store:
        assert (store.jobs(), store._at.names()) == ((), {"docs_1"})
    assert Job.start(place, on_unit, job=in_memory / "job").run().state == "ready"


def test_creation_makes_an_alias_and_steps_over_one_that_was_cut_short(place, monkeypatch):
    store = create(place("docs"), dim=3, metric="inner", id_kind="int")
    assert store._at.aliases() == {"docs": "docs_1"}
    cut(store, monkeypatch, "update_collection_aliases")
    with pytest.raises(StorageError, match="cut short"):
        create(place("more"), dim=3, metric="inner", id_kind="int")
    monkeypatch.undo()
    assert "more_1" in store._at.names()
    again = create(place("more"), dim=4, metric="cosine", id_kind="string")
    assert again.facts().dim == 4
    assert again.ids().dtype.kind == "U"
    assert again.facts().id_kind == "string"
    assert again._at.aliases()["more"] == "more_2"


def test_cosine_gives_unit_vectors_before_and_after_reopening(place):
    store = create(place("docs"), dim=3, metric="cosine", id_kind="int")
    store.upsert(Rows(np.array([1, 2]), np.array([[3, 0, 4], [0, 0, 0]], np.float32), [{}, {}]))
    for _ in range(2):
        assert store.facts().normalised
        wanted = np.array([[0.6, 0, 0.8], [0, 0, 0]], np.float32)
        np.testing.assert_allclose(store.fetch(np.array([1, 2])).vectors, wanted, rtol=1e-6)
        store.close()
        store = connect(place("docs"))
    for k in (0, 3):
        with pytest.raises(InputError, match="1 to 2"):
            store.search(np.array([[0, 0, 1.0]]), k)


def test_only_what_qdrant_takes_as_an_id(place):
    store = create(place("docs"), dim=3, metric="inner", id_kind="string")
    upper = "0000000A-0000-0000-0000-000000000000"
    for bad in (np.array(["doc-1"]), np.array([upper]), np.array([-1])):
        for call in (lambda i: store.upsert(Rows(i, np.ones((1, 3)))), store.fetch, store.delete):
            with pytest.raises(InputError, match=r"uuid\.uuid5") as error:
                call(bad)
            assert str(bad[0]) in str(error.value)
    last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    store.upsert(Rows(np.array([upper.lower(), last]), np.eye(2, 3)))
    assert [i for batch in store.scan() for i in batch.ids] == [upper.lower(), last]
    assert [i for batch in store.scan(after=upper.lower()) for i in batch.ids] == [last]
    assert not list(store.scan(after=last))


@pytest.mark.parametrize("strange", ["0000000a-0000-0000-0000-000000000000", 1 << 63])
def test_ids_that_no_space_holds_are_refused_in_reading(place, strange):
    store = create(place("docs"), dim=3, metric="inner", id_kind="int")
    store.upsert(rows([1, 2, 3]))
    raw(store).upsert("docs", [models.PointStruct(id=strange, vector=[1.0, 2, 3])])
    for call in (store.ids, lambda: list(store.scan(3)), store.stamp):
        with pytest.raises(InputError, match=str(strange)):
            call()


def test_named_vectors_are_asked_for_and_others_stay(place):
    client = raw(create(place("other"), dim=2, metric="inner", id_kind="int"))
    dot = models.Distance.DOT
    client.create_collection(
        "docs_1",
        vectors_config={
            "text": models.VectorParams(size=3, distance=dot),
            "image": models.VectorParams(size=2, distance=models.Distance.EUCLID),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    alias = models.CreateAlias(collection_name="docs_1", alias_name="docs")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    words = models.SparseVector(indices=[1, 5], values=[0.5, 2])
    vectors = [
        {"text": [1.0, 2, 3], "image": [4.0, 5], "words": words}, {"image": [6.0, 7]}, {},
    ]  # fmt: skip
    client.upsert(
        "docs_1",
        [models.PointStruct(id=n, vector=v, payload={"n": n}) for n, v in enumerate(vectors)],
    )
    with pytest.raises(InputError, match="image, text"):
        connect(place("docs"))
    with pytest.raises(InputError, match="'words'"):
        connect(place("docs").elsewhere(vector="words"))
    store = connect(place("docs").elsewhere(vector="text"))
    facts = store.facts()
    assert (facts.rows, facts.missing, facts.dim, facts.metric) == (1, 2, 3, "inner")
    with pytest.raises(StorageError, match="no vector for 1 ids"):
        store.fetch(np.array([1]))
    store.upsert(Rows(np.array([0]), np.full((1, 3), 9, np.float32)))
    (point,) = client.retrieve("docs", [0], with_vectors=True)
    assert point.vector == {"text": [9, 9, 9], "image": [4, 5], "words": words}
    assert point.payload == {"n": 0}

    # What is not translated comes along to the shadow.
    shadow = store.shadow("j1", dim=4, metric=None)
    assert shadow.facts().metric == "inner"
    shadow.upsert(Rows(np.array([0]), np.full((1, 4), 8, np.float32), [{"n": 0}]))
    for _ in range(2):
        store.finish("j1")
    store.cutover("j1")
    points = client.retrieve("docs", [0, 1, 2], with_vectors=True)
    assert [p.vector or {} for p in points] == [
        {"text": [8] * 4, "image": [4, 5], "words": words}, {"image": [6, 7]}, {},
    ]  # fmt: skip
    assert [p.payload for p in points] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_vector_that_is_many_or_bytes_is_refused(qdrant):
    address = Address.parse(f"qdrant://127.0.0.1:{qdrant.port}/docs")
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    for name, about in {
        "many": {"multivector_config": several}, "bytes": {"datatype": models.Datatype.UINT8},
    }.items():  # fmt: skip
        params = models.VectorParams(size=3, distance=models.Distance.DOT, **about)
        qdrant.base.create_collection(name, vectors_config=params)
        with pytest.raises(InputError, match="floats, one vector a row"):
            connect(address.elsewhere(collection=name))


def test_a_shadow_needs_an_alias_and_no_filter(place):
    store = create(place("docs"), dim=3, metric="inner", id_kind="int")
    with pytest.raises(InputError, match="alias_name='docs_1_live'"):
        connect(place("docs_1")).shadow("j1", dim=3, metric=None)
    with pytest.raises(InputError, match="with a filter"):
        connect(place("docs").elsewhere(filter=EVEN)).shadow("j1", dim=3, metric=None)
    assert store._at.names() == {"docs_1"}
    store.shadow("j1", dim=3, metric=None)
    with pytest.raises(StorageError, match="a shadow of 3 dimensions"):
        store.shadow("j1", dim=4, metric=None)
    with pytest.raises(StorageError, match="no shadow of this job"):
        store.cutover("j2")


def test_bad_filters_are_refused(place):
    create(place("docs"), dim=3, metric="inner", id_kind="int")
    for text in ("not json", '{"muss": []}', "[1]"):
        with pytest.raises(InputError, match="a filter that is none"):
            connect(place("docs").elsewhere(filter=text))


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


def test_a_drop_cut_short_is_never_rolled_back_to_what_is_left(place, monkeypatch):
    store = create(place("docs"), dim=3, metric="inner", id_kind="int")
    store.upsert(rows([1, 2]))
    store.shadow("j1", dim=3, metric=None).upsert(rows([1, 2]))
    store.cutover("j1")
    cut(store, monkeypatch, "delete_collection")
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
    store = create(place("docs"), dim=3, metric="inner", id_kind="int")
    store.upsert(rows([1]))
    for job in ("j1", "j2"):
        store.shadow(job, dim=3, metric=None).upsert(rows([1]))
        store.cutover(job)
    with pytest.raises(StorageError, match="docs_isthmus_j2_old"):
        store.drop("j1")  # it is what j2 would be rolled back to
    assert store.jobs() == ("j1", "j2")
    store.drop("j2")
    store.drop("j1")
    assert store.jobs() == ("j2",)
    assert store._at.names() == {"docs_isthmus_j2"}
    assert store._at.aliases() == {"docs": "docs_isthmus_j2"}


def test_a_folder_of_another_process(in_memory):
    fcntl = pytest.importorskip("fcntl", reason="locks are tried as Unix has them")
    address = Address.parse(f"qdrant://{in_memory}/base/docs")
    create(address, dim=3, metric="inner", id_kind="int").close()
    with Path(in_memory, "base", ".lock").open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another process has open"):
            connect(address)
        fcntl.flock(other, fcntl.LOCK_UN)
        first, second = connect(address), connect(address)
        first.close()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match="no collections of Qdrant"):
        connect(f"qdrant://{tmp_path}/base/docs")
    assert not (tmp_path / "base").exists()


def test_a_missing_client_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[qdrant\]"):
        connect("qdrant://127.0.0.1:1/docs")


class TestServer:
    """What only a server has: keys, refusals, limits, indexes."""

    def test_a_key_is_sent_and_never_shown(self, monkeypatch):
        server = Server(key=suite.SECRET)
        address = f"qdrant://127.0.0.1:{server.port}/docs"
        with pytest.raises(StorageError, match="Set QDRANT_API_KEY"):
            connect(address)
        wrong = f"{suite.SECRET}-wrong"
        with pytest.raises(StorageError, match="status 401") as error:
            connect(f"{address}?api_key={wrong}")
        assert suite.SECRET not in f"{error.value}{error.value.__dict__}"
        assert error.value.__cause__ is None
        with pytest.raises(InputError, match="no collection or alias"):
            connect(f"{address}?api_key={suite.SECRET}")
        monkeypatch.setenv("QDRANT_API_KEY", suite.SECRET)
        store = create(address, dim=3, metric="inner", id_kind="int")
        assert suite.SECRET not in f"{store!r}{store.__dict__}"
        store.close()
        server.stop()

    def test_a_key_travels_in_the_clear_only_if_told_to(self, monkeypatch):
        made = []
        monkeypatch.setattr("qdrant_client.QdrantClient", lambda **given: made.append(given))
        for text in (
            "qdrant://db:6333/docs", "qdrant://db/docs?api_key=k",
            "qdrant://db/v1/docs?api_key=k&https=false", "qdrant://[::1]:7/docs?api_key=k",
        ):  # fmt: skip
            connection_module.Connection(Address.parse(text), make=False)
        assert [given["url"] for given in made] == [
            "http://db:6333", "https://db:6333", "http://db:6333/v1", "http://[::1]:7",
        ]  # fmt: skip
        for text in ("qdrant://db/docs?https=yes", "qdrant://me:pw@db/docs"):
            with pytest.raises(InputError):
                connection_module.Connection(Address.parse(text), make=False)

    def test_no_server(self, qdrant):
        qdrant.stop()
        with pytest.raises(StorageError, match="ResponseHandlingException"):
            connect(f"qdrant://127.0.0.1:{qdrant.port}/docs")

    def test_failures_are_told_and_repeating_ends_the_work(self, qdrant):
        address = f"qdrant://127.0.0.1:{qdrant.port}/docs"
        store = create(address, dim=3, metric="inner", id_kind="int")
        qdrant.fails = {"PUT .*/points": 500}
        with pytest.raises(StorageError, match="upsert: .*status 500: made to fail"):
            store.upsert(rows([1, 2]))
        qdrant.fails = {}
        store.upsert(rows([1, 2]))
        assert store.ids().tolist() == [1, 2]

    def test_a_request_too_large_is_halved(self, qdrant):
        address = f"qdrant://127.0.0.1:{qdrant.port}/docs"
        store = create(address, dim=3, metric="inner", id_kind="int")
        qdrant.fails = {r"PUT .*/points\S* \d{4}": 413}  # a thousand bytes or more
        many = rows(range(40))
        many = Rows(many.ids, many.vectors, [{"text": "long " * 20}] * 40)
        store.upsert(many)
        got = store.fetch(many.ids, payload=True)
        assert np.array_equal(got.vectors, many.vectors)
        assert got.payload == many.payload
        with pytest.raises(StorageError, match="status 413"):
            store.upsert(Rows(np.array([1]), np.ones((1, 3)), [{"text": "x" * 1000}]))

    def test_the_shadow_has_the_settings_and_indexes(self, qdrant, monkeypatch):
        address = f"qdrant://127.0.0.1:{qdrant.port}/docs"
        store = create(address, dim=3, metric="inner", id_kind="int")
        assert store.facts().index == "HNSW, m 16"
        store.upsert(rows([1]))
        INDEXED["docs_1"] = {"lang": {"data_type": "keyword", "points": 1}}
        store.shadow("j1", dim=5, metric="cosine").upsert(rows([1], dim=5))
        states = iter(["green", "yellow", "yellow", "green"])
        real = store._at.ask

        def ask(what, *args, **kwargs):
            found = real(what, *args, **kwargs)
            return found.model_copy(update={"status": next(states)}) if what == "get_collection" \
                else found  # fmt: skip

        monkeypatch.setattr(store._at, "ask", ask)
        monkeypatch.setattr("isthmus.spaces.stores.qdrant_shadow.time.sleep", lambda _: None)
        store.finish("j1")
        assert INDEXED["docs_isthmus_j1"] == INDEXED.pop("docs_1") | {
            "lang": {"data_type": "keyword", "points": 0}
        }
        states = iter(["green", "red"])
        with pytest.raises(StorageError, match="status red"):
            store.finish("j1")


def rows(numbers, *, dim=3):
    ids = np.array(list(numbers))
    vectors = np.random.default_rng(3).normal(size=(len(ids), dim)).astype(np.float32)
    return Rows(ids, vectors, [{} for _ in ids])
