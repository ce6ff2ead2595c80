"""What makes a shadow of a Qdrant collection its equal, page by page, against naive copies."""

from types import SimpleNamespace

import pytest

from isthmus.core.errors import StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import qdrant_shadow as module
from isthmus.spaces.stores.qdrant_connection import Connection
from isthmus.spaces.stores.qdrant_shadow import carry, copy_configuration, index, prune, sum_of

pytest.importorskip("qdrant_client", reason="the client of Qdrant is not installed")

from qdrant_client import models as m

DOT, COSINE = m.Distance.DOT, m.Distance.COSINE
HAVING = m.Filter(must=[m.HasVectorCondition(has_vector="text")])
LACKING = m.Filter(must_not=[m.HasVectorCondition(has_vector="text")])


@pytest.fixture
def at(in_memory):
    made = Connection(Address.parse(f"qdrant://{in_memory}/base/docs"), make=True)
    yield made
    made.close()


def params(size, distance=DOT, **more):
    return m.VectorParams(size=size, distance=distance, **more)


def points(at, name):
    """All of a collection's points: vectors by name and payload, by id."""
    found, _ = at.ask("scroll", name, limit=1000, with_vectors=True, with_payload=True)
    return {p.id: (p.vector or {}, p.payload) for p in found}


# -- settings ----------------------------------------------------------------------------------


def test_of_named_vectors_one_changes_and_the_others_stay(at):
    several = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
    vectors = {
        "text": params(3, on_disk=True),
        "many": params(2, COSINE, multivector_config=several),
    }
    words = {"words": m.SparseVectorParams(modifier=m.Modifier.IDF)}
    at.ask("create_collection", "a", vectors_config=vectors, sparse_vectors_config=words)
    copy_configuration(at, "a", "b", "text", {"size": 5, "distance": COSINE})
    made = at.ask("get_collection", "b").config.params
    assert made.vectors == {"text": params(5, COSINE, on_disk=True), "many": vectors["many"]}
    assert made.sparse_vectors == words
    assert at.ask("get_collection", "a").config.params.vectors == vectors
    assert points(at, "b") == {}


def test_a_vector_without_a_name_keeps_what_is_not_changed(at):
    at.ask("create_collection", "a", vectors_config=params(3, on_disk=True))
    copy_configuration(at, "a", "b", "", {"size": 5})
    assert at.ask("get_collection", "b").config.params.vectors == params(5, on_disk=True)


def test_every_setting_of_a_server_is_asked_for_again(at, monkeypatch):
    """The local mode keeps none of them, so they are what a server would tell."""
    at.ask("create_collection", "a", vectors_config=params(3))
    real = at.ask("get_collection", "a")
    quantized = m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8))
    told = real.config.model_copy(
        update={
            "params": real.config.params.model_copy(
                update={
                    "shard_number": 3, "replication_factor": 2, "write_consistency_factor": 2,
                    "on_disk_payload": True,
                }
            ),
            "hnsw_config": real.config.hnsw_config.model_copy(update={"m": 7, "ef_construct": 33}),
            "optimizer_config": real.config.optimizer_config.model_copy(
                update={"indexing_threshold": 77}
            ),
            "quantization_config": quantized,
            "metadata": {"team": "search"},
        }
    )  # fmt: skip
    asked = {}

    def ask(what, *args, **kwargs):
        asked[what] = kwargs
        return SimpleNamespace(config=told)

    monkeypatch.setattr(at, "ask", ask)
    copy_configuration(at, "a", "b", "", {"size": 5})
    given = asked["create_collection"]
    assert [given[name] for name in (
        "shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload",
    )] == [3, 2, 2, True]  # fmt: skip
    assert (given["hnsw_config"].m, given["hnsw_config"].ef_construct) == (7, 33)
    assert given["optimizers_config"].indexing_threshold == 77
    assert (given["quantization_config"], given["metadata"]) == (quantized, {"team": "search"})


# -- what was not translated -------------------------------------------------------------------


@pytest.fixture(params=[1, 2, 3, 100])
def both(request, at, monkeypatch):
    """A collection ``a`` of seven points, its shadow ``b``, and pages of a few points."""
    monkeypatch.setattr(module, "_PAGE", request.param)
    vectors = {"text": params(2), "image": params(2)}
    words = {"words": m.SparseVectorParams()}
    at.ask("create_collection", "a", vectors_config=vectors, sparse_vectors_config=words)
    sparse = m.SparseVector(indices=[1, 5], values=[0.5, 2])
    held = [
        {"text": [1, 1], "image": [1, 2]}, {"text": [2, 2]}, {"image": [3, 4]}, {},
        {"text": [5, 5], "words": sparse}, {"words": sparse}, {"text": [7, 7], "image": [7, 8]},
    ]  # fmt: skip
    at.ask("upsert", "a", points=[
        m.PointStruct(id=n, vector=v, payload={"n": n}) for n, v in enumerate(held)
    ])  # fmt: skip
    copy_configuration(at, "a", "b", "text", {"size": 3})
    return held


def translated(at, *ids):
    at.ask("upsert", "b", points=[
        m.PointStruct(id=n, vector={"text": [n, n, n]}, payload={"n": n}) for n in ids
    ])  # fmt: skip


def test_other_vectors_and_points_without_this_one_come_along(at, both):
    translated(at, 0, 1, 4, 6)
    for _ in range(2):  # repeated, it changes nothing
        carry(at, "a", "b", HAVING, LACKING, ["image", "words"])
        assert points(at, "b") == {
            n: (v | ({"text": [n, n, n]} if "text" in v else {}), {"n": n})
            for n, v in enumerate(both)
        }


def test_without_other_vectors_only_points_that_lack_this_one_do(at, both):
    translated(at, 0, 1, 4, 6)
    before = points(at, "b")
    carry(at, "a", "b", HAVING, LACKING, [])
    assert points(at, "b") == before | {n: ({}, {"n": n}) for n in (2, 3, 5)}


def test_points_that_came_meanwhile_are_named(at, both):
    translated(at, 0, 1, 4)  # 6 came after the rows were read, and has an image
    with pytest.raises(StorageError, match=r"1 points that came after .*first: 6\).*run the job"):
        carry(at, "a", "b", HAVING, LACKING, ["image", "words"])
    translated(at, 6)
    carry(at, "a", "b", HAVING, LACKING, ["image", "words"])
    assert points(at, "b")[6] == (both[6] | {"text": [6, 6, 6]}, {"n": 6})


def test_other_failures_of_carrying_are_told_as_they_are(at, both, monkeypatch):
    translated(at, 0, 1, 4, 6)
    real = at.ask

    def ask(what, *args, **kwargs):
        if what == "update_vectors":
            raise StorageError("update vectors", "no room", "an answer")
        return real(what, *args, **kwargs)

    monkeypatch.setattr(at, "ask", ask)
    with pytest.raises(StorageError, match="no room"):
        carry(at, "a", "b", HAVING, LACKING, ["image", "words"])


def test_points_that_went_are_pruned_and_translated_ones_never(at, both):
    translated(at, 0, 1, 4, 6)
    carry(at, "a", "b", HAVING, LACKING, ["image", "words"])
    prune(at, "a", "b", LACKING)
    assert set(points(at, "b")) == set(range(7))
    at.ask("delete", "a", m.PointIdsList(points=[0, 2, 3, 5]))
    prune(at, "a", "b", LACKING)
    assert set(points(at, "b")) == {0, 1, 4, 6}
    at.ask("delete", "b", m.PointIdsList(points=[0, 1, 4, 6]))
    prune(at, "a", "b", LACKING)  # of nothing
    assert points(at, "b") == {}


# -- sums --------------------------------------------------------------------------------------


def point(key, vector, payload=None):
    return SimpleNamespace(id=key, vector=vector, payload=payload)


POINTS = [
    point(1, {"t": [3.0, 4.0], "o": [1.0, 2.0]}, {"a": 1, "b": [None]}),
    point("0000000a-0000-0000-0000-000000000000", {"o": [0.0, 0.0]}, {}),
    point(3, None, None),
]


def total(points=POINTS, start="", scaled=("t",), size=2):
    pages = (points[n : n + size] for n in range(0, len(points), size))
    return sum_of(start, pages, set(scaled))


def changed(number, **about):
    out = [SimpleNamespace(**vars(one)) for one in POINTS]
    vars(out[number]).update(about)
    return out


def test_a_sum_is_of_the_points_and_not_of_their_pages_or_keys_order():
    assert total(size=1) == total(size=3)
    assert total(changed(0, payload={"b": [None], "a": 1})) == total()
    assert total(changed(0, vector={"o": [1.0, 2.0], "t": [3.0, 4.0]})) == total()
    assert sum_of("x", iter(()), set()) == total([], start="x")


@pytest.mark.parametrize(
    ("number", "about"),
    [
        (0, {"id": 2}), (0, {"payload": {"a": 1}}), (0, {"payload": {"a": "1", "b": [None]}}),
        (0, {"vector": {"t": [3.0, 4.0], "o": [1.0, 2.0000002]}}),
        (0, {"vector": {"t": [4.0, 3.0], "o": [1.0, 2.0]}}), (0, {"vector": {"t": [3.0, 4.0]}}),
        (0, {"vector": {"u": [3.0, 4.0], "o": [1.0, 2.0]}}), (1, {"vector": None}),
        (1, {"id": "0000000b-0000-0000-0000-000000000000"}), (2, {"payload": {}}), (2, {"id": "3"}),
    ],
)  # fmt: skip
def test_a_sum_moves_with_whatever_changes(number, about):
    assert total(changed(number, **about)) != total()


def test_a_sum_moves_with_its_start_a_point_more_and_their_order():
    assert len({total(), total(start="x"), total(POINTS[:2]), total(POINTS[::-1])}) == 4


@pytest.mark.parametrize("scale", [0.2, 1.0, 1e-3, 1e6])
def test_a_scaled_vector_counts_as_what_it_is_at_unit_length(scale):
    longer = changed(0, vector={"t": [3.0 * scale, 4.0 * scale], "o": [1.0, 2.0]})
    assert total(longer) == total()
    assert (total(longer, scaled=()) == total(scaled=())) == (scale == 1)
    several = [point(1, {"t": [[3.0, 4.0], [0.0, 0.0], [0.0, 5.0]]})]
    shorter = [point(1, {"t": [[3.0 * scale, 4.0 * scale], [0.0, 0.0], [0.0, 1.0]]})]
    assert total(several) == total(shorter)  # each row of several vectors by itself
    unnamed = [point(1, [3.0, 4.0])], [point(1, [3.0 * scale, 4.0 * scale])]
    assert total(unnamed[0], scaled=("",)) == total(unnamed[1], scaled=("",))


# -- indexes -----------------------------------------------------------------------------------


class Indexing:
    """A connection to a collection whose states follow each other."""

    models, address = m, Address.parse("qdrant://db/docs")

    def __init__(self, *states, schema=None):
        self.states, self.schema, self.asked = iter(states), schema or {}, []

    def ask(self, what, name, *args, **more):
        if what == "get_collection":
            status = None if name == "a" else next(self.states)
            return SimpleNamespace(payload_schema=self.schema, status=status)
        return self.asked.append((what, name, *args, more))


@pytest.fixture
def naps(monkeypatch):
    taken = []
    monkeypatch.setattr(module.time, "sleep", taken.append)
    return taken


def test_the_payload_is_indexed_as_it_was_with_parameters_where_there_are_some(naps):
    params = m.TextIndexParams(type="text", min_token_len=3)
    schema = {
        "lang": SimpleNamespace(params=None, data_type="keyword"),
        "body": SimpleNamespace(params=params, data_type="text"),
    }
    at = Indexing("green", schema=schema)
    index(at, "a", "b")
    assert at.asked == [
        ("create_payload_index", "b", "lang", {"field_schema": "keyword", "wait": True}),
        ("create_payload_index", "b", "body", {"field_schema": params, "wait": True}),
    ]
    assert naps == []


@pytest.mark.parametrize("last", ["green", "grey"])
def test_it_is_waited_for_as_long_as_it_is_optimised(last, naps):
    at = Indexing("yellow", "yellow", "yellow", last)
    index(at, "a", "b")
    assert len(naps) == 3
    assert next(at.states, None) is None


@pytest.mark.parametrize("states", [["red"], ["yellow", "red"]])
def test_a_collection_that_failed_is_told(states, naps):
    with pytest.raises(StorageError, match="index 'b' of qdrant:.*status red.*log says why"):
        index(Indexing(*states), "a", "b")
