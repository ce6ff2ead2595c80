"""The whole way and back over every store: interrupted, changed meanwhile, cut over and undone."""

import json
from importlib.util import find_spec
from uuid import UUID

import numpy as np
import pytest

import isthmus
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
