"""The whole way and back over every store: interrupted, changed meanwhile, cut over and undone."""

import json
from importlib.util import find_spec
from uuid import UUID

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import StorageError
from isthmus.spaces.stores import STORES, connect, create
from isthmus.spaces.stores.store import Rows
from isthmus.upgrade.job import Job

N, BATCH = 120, 25
X = (np.random.default_rng(3).normal(size=(N, 8)) * np.linspace(3, 0.3, 8)).astype(np.float32)
PLACES = {
    "chroma": "chroma://{folder}/chroma/docs",
    "faiss": "faiss://{folder}/docs.faiss",
    "lancedb": "lancedb://{folder}/lance/docs",
    "milvus": "milvus://{folder}/base.db/docs",
    "qdrant": "qdrant://{folder}/qdrant/docs",
    "sqlite-vec": "sqlite-vec://{folder}/file.db/docs",
    "usearch": "usearch://{folder}/docs.usearch",
}


def test_every_store_is_tried():
    assert {*PLACES, "pgvector"} == set(STORES)  # pgvector: tests/faults


def ids_of(kind):
    numbers = np.arange(N) * 2
    if kind == "int":
        return numbers
    return np.array([str(UUID(int=n)) if kind == "uuid" else f"d{n:04}" for n in numbers])


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    traits = STORES[request.param]
    if missing := [name for name in traits.packages if find_spec(name) is None]:
        pytest.skip(f"not installed: {missing[0]}")
    found = PLACES[request.param].format(folder=tmp_path)
    titles = [{"title": f"row {i}"} for i in range(N)] if traits.payload else None
    with create(found, dim=8, metric="euclidean", id_kind=traits.ids[0]) as store:
        store.upsert(Rows(ids_of(traits.ids[0]), X, titles))
    return found


def content(store, *, payload=True):
    ids = store.ids()
    rows = store.fetch(ids, payload=payload)
    carried = json.dumps([dict(one) for one in rows.payload], sort_keys=True) if payload else ""
    return ids.tolist(), rows.vectors, carried


def test_the_whole_way_and_back(place, tmp_path):
    bridge = isthmus.fit(X, X[:, ::-1] * 2, method="affine")
    traits = STORES[place.partition(":")[0]]
    ids, payload = ids_of(traits.ids[0]), traits.payload
    job = Job.start(place, bridge, batch=BATCH, job=tmp_path / "job")

    def stop(done):
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(progress=stop)
    assert job.status().done == 50
    with connect(place) as store:
        moved = store.fetch(ids[[3]], payload=payload)
        store.upsert(Rows(moved.ids, moved.vectors * 2, moved.payload))
        store.delete(ids[[7, 100]])
    status = job.run()
    assert (status.state, status.rejected) == ("ready", 0)
    with connect(place) as store:
        before = content(store, payload=payload)
    assert len(before[0]) == N - 2
    assert job.cutover().state == "live"
    with connect(place) as store:
        after = content(store, payload=payload)
    assert (after[0], after[2]) == (before[0], before[2])
    np.testing.assert_allclose(after[1], bridge.transform(before[1]), rtol=1e-4, atol=1e-4)
    assert job.rollback().state == "rolled back"
    with connect(place) as store:
        back = content(store, payload=payload)
    assert (back[0], back[2]) == (before[0], before[2])
    np.testing.assert_array_equal(back[1], before[1])
    assert job.run().state == "ready"
    job.cutover()
    assert job.drop().state == "finished"


def test_from_any_store_to_another(place, tmp_path):
    """Other columns go along where both ends have them."""
    bridge = isthmus.fit(X, X[:, ::-1] * 2, method="affine")
    kind = STORES[place.partition(":")[0]].ids[0]
    to = f"faiss://{tmp_path}/copy" if kind == "int" else f"sqlite-vec://{tmp_path}/new.db/copy"
    if kind != "int" and find_spec("sqlite_vec") is None:
        pytest.skip("not installed: sqlite_vec")
    job = Job.start(place, bridge, to=to, batch=BATCH, job=tmp_path / "job")
    assert job.run().state == "ready"
    with connect(to) as store:
        got = store.fetch(ids_of(kind))
    np.testing.assert_allclose(got.vectors, bridge.transform(X), rtol=1e-4, atol=1e-4)


def ready(place, tmp_path):
    job = Job.start(place, isthmus.fit(X, X[:, ::-1] * 2, method="affine"), job=tmp_path / "job")
    assert job.run().state == "ready"
    return job


def test_what_was_written_while_the_new_vectors_served_is_not_lost_by_going_on(place, tmp_path):
    job, traits = ready(place, tmp_path), STORES[place.partition(":")[0]]
    job.cutover()
    since = np.array([9**9 if traits.ids[0] == "int" else str(UUID(int=9**9))])
    if traits.shadow == "column":
        pytest.skip("a row's other columns are in both")
    with connect(place) as store:
        store.upsert(Rows(since, X[:1], [{"title": "since"}] if traits.payload else None))
    assert job.rollback().lost == 1
    for _ in range(2):
        with pytest.raises(StorageError, match="1 rows written after the cutover"):
            job.resume()
    with connect(place) as store:
        shadow = store.shadow(job.file.id, dim=8, metric="euclidean")
        kept = shadow.fetch(since, payload=traits.payload)
        if traits.payload:
            assert kept.payload[0]["title"] == "since"
        store.upsert(Rows(since, X[:1], [{"title": "since"}] if traits.payload else None))
    assert job.resume().state == "ready"


def test_rows_that_others_wrote_to_a_new_collection_stay_in_it(place, tmp_path):
    kind = STORES[place.partition(":")[0]].ids[0]
    if kind != "int":
        pytest.skip("one kind of ids is enough")
    to, bridge = f"faiss://{tmp_path}/copy", isthmus.fit(X, X[:, ::-1] * 2, method="affine")
    job = Job.start(place, bridge, to=to, batch=BATCH, job=tmp_path / "job")
    job.run()
    with connect(to) as store:
        store.upsert(Rows(np.array([9**9]), X[:1]))
    with connect(place) as store:
        store.delete(ids_of(kind)[:2])
    assert job.resume().state == "ready"
    with connect(to) as store:
        assert store.ids().tolist() == [*ids_of(kind)[2:].tolist(), 9**9]


def test_lancedb_rows_without_a_vector_are_brought_up_to_date(tmp_path):
    lancedb, pa = pytest.importorskip("lancedb"), pytest.importorskip("pyarrow")

    def rows(ids, vectors, titles):
        flat = np.concatenate([np.zeros(8, "f4") if v is None else v for v in vectors])
        mask = pa.array([v is None for v in vectors])
        array = pa.FixedSizeListArray.from_arrays(pa.array(flat), 8, mask=mask)
        return pa.table({"id": ids, "vector": array, "title": titles})

    db = lancedb.connect(tmp_path / "lance")
    names = [f"d{i:03}" for i in range(N)]
    table = rows([*names, "nul1", "nul2"], [*X, None, None], [*names, "nul1", "nul2"])
    db.create_table("docs", table, on_bad_vectors="null")
    job = ready(f"lancedb://{tmp_path}/lance/docs", tmp_path)
    docs = db.open_table("docs")
    docs.update(where="id = 'nul1'", values={"title": "new"})
    docs.delete("id = 'nul2'")
    docs.add(rows(["nul3"], [None], ["added"]), on_bad_vectors="null")
    with pytest.raises(StorageError, match="changed since the job was proved"):
        job.cutover()
    job.resume()
    job.cutover()
    found = db.open_table("docs").search().where("vector IS NULL").select(["id", "title"]).to_list()
    assert sorted((r["id"], r["title"]) for r in found) == [("nul1", "new"), ("nul3", "added")]


def test_qdrant_counts_points_and_vectors_that_are_not_translated(tmp_path):
    client = pytest.importorskip("qdrant_client")
    m, folder = client.models, str(tmp_path / "qdrant")

    def at(change):
        connection = client.QdrantClient(path=folder)
        found = change(connection)
        connection.close()
        return found

    def fill(c):
        sizes = {"a": m.VectorParams(size=8, distance=m.Distance.EUCLID),
                 "b": m.VectorParams(size=2, distance=m.Distance.COSINE)}  # fmt: skip
        c.create_collection("docs_1", vectors_config=sizes)
        points = [m.PointStruct(id=i, vector={"a": x.tolist(), "b": [3.0, 4.0]}, payload={"t": i})
                  for i, x in enumerate(X)]  # fmt: skip
        lone = [m.PointStruct(id=i, vector={"b": [1.0, 1.0]}, payload={"t": i}) for i in (900, 902)]
        c.upsert("docs_1", points + lone)
        alias = m.CreateAlias(collection_name="docs_1", alias_name="docs")
        c.update_collection_aliases([m.CreateAliasOperation(create_alias=alias)])

    at(fill)
    job = ready(f"qdrant://{folder}/docs?vector=a", tmp_path)
    assert job.resume().state == "ready"  # nothing changed, though scaled anew when opened
    changes = [
        lambda c: c.update_vectors("docs", [m.PointVectors(id=5, vector={"b": [0.0, 1.0]})]),
        lambda c: c.set_payload("docs", {"t": "changed"}, [900]),
        lambda c: c.delete("docs", [902]),
        lambda c: c.upsert("docs", [m.PointStruct(id=901, vector={"b": [7.0, 0.0]})]),
    ]
    for change in changes:
        at(change)
        with pytest.raises(StorageError, match="changed since the job was proved"):
            job.cutover()
        job.resume()
    job.cutover()
    found = at(lambda c: c.retrieve("docs", [5, 900, 901, 902], with_vectors=["b"]))
    assert {p.id: p.payload for p in found} == {5: {"t": 5}, 900: {"t": "changed"}, 901: {}}
    np.testing.assert_allclose(found[0].vector["b"], [0, 1], atol=1e-6)
