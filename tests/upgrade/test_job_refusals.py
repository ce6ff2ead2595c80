"""What a job refuses before anything is written; one at a time, pauses, and lists."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, SpaceMismatch, StorageError
from isthmus.spaces.directory import write_space
from isthmus.spaces.stores import STORES, connect, create
from isthmus.spaces.stores.store import Rows
from isthmus.testing import file_store
from isthmus.upgrade.file_source import FileSource
from isthmus.upgrade.job import Job, estimate
from isthmus.upgrade.job_status import jobs

RNG = np.random.default_rng(3)
N, DX, DY = 300, 10, 6
X = (RNG.normal(size=(N, DX)) * np.linspace(3, 0.3, DX) + 0.5).astype(np.float32)
Y = (X @ RNG.normal(size=(DX, DY)) + 0.05 * RNG.normal(size=(N, DY))).astype(np.float32)
IDS = np.array([f"{'aBé'[i % 3]}-{i}" for i in range(N)])
TITLES = [{"title": f"row {i}", "even": int(i % 2 == 0)} for i in range(N)]


@pytest.fixture(scope="module")
def bridge():
    return isthmus.fit(X, Y, method="affine")


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    monkeypatch.setitem(STORES, file_store.SCHEME, file_store.TRAITS)
    monkeypatch.setitem(sys.modules, f"isthmus.spaces.stores.{file_store.SCHEME}", file_store)
    monkeypatch.setattr("isthmus.spaces.files.os.fsync", lambda fd: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def place(tmp_path):
    return fill(f"filestore://{tmp_path}/docs")


def fill(place, metric="euclidean", x=X):
    with create(place, dim=x.shape[1], metric=metric, id_kind="string") as store:
        store.upsert(Rows(IDS, x, TITLES))
    return place


def interrupted(job, rows):
    """Run until ``rows`` rows are done, then Ctrl-C."""

    def stop(done):
        if done >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(progress=stop)


def untouched(place, tmp_path):
    return not list(tmp_path.glob("docs_isthmus*")) and not (tmp_path / "isthmus-jobs").exists()


def test_the_wrong_bridge(tmp_path, faults):
    faults("wrong bridges", 3)
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(DX, DX)))[0].astype(np.float32)
    x = (X * np.geomspace(3, 0.1, DX) + rng.normal(size=DX)).astype(np.float32)
    place = fill(f"filestore://{tmp_path}/sided", x=x)
    backwards = isthmus.fit(x @ rotation, x, method="orthogonal")
    foreign = isthmus.fit(x @ rotation.T, x[:, :DY], method="affine")
    narrow = isthmus.fit(Y, X, method="affine")
    for wrong, said in ((backwards, "used backwards"), (foreign, "another enc"), (narrow, "dim 6")):
        with pytest.raises(SpaceMismatch, match=said):
            Job.start(place, wrong)
    assert Job.start(place, isthmus.fit(x, x @ rotation, method="orthogonal")).estimate


def test_what_is_declared_is_refused_unread(tmp_path, place, monkeypatch, faults):
    faults("wrong bridges", 4)
    sides = isthmus.open(X, encoder="old"), isthmus.open(Y, encoder="new")
    bridge, back = (isthmus.fit(*ends, method="affine") for ends in (sides, sides[::-1]))
    for name, encoder in (("old", "old"), ("late", "new"), ("third", "third")):
        write_space(tmp_path / name, X, IDS, encoder=encoder)
    to = f"filestore://{tmp_path}/copy"

    def read(*args, **options):
        raise AssertionError("read")

    with monkeypatch.context() as patch:
        for owner, name in (
            (file_store.FileStore, "fetch"), (file_store.FileStore, "scan"),
            (FileSource, "fetch"), (FileSource, "scan"),
        ):  # fmt: skip
            patch.setattr(owner, name, read)
        for source, wrong, said in (
            (place, back, "of dim 10; expected dim 6.*used backwards"),
            (tmp_path / "old", back, "of dim 10; expected dim 6.*used backwards"),
            (tmp_path / "late", bridge, "of encoder new; expected encoder old.*used backwards"),
            (tmp_path / "third", bridge, "of encoder third; expected encoder old.*Fit a bridge"),
        ):
            with pytest.raises(SpaceMismatch, match=f"(?s){said}"):
                estimate(source, wrong, to=to)
        with pytest.raises(AssertionError, match="read"):  # nothing but the vectors can tell here
            estimate(place, bridge)
        patch.setitem(STORES, file_store.SCHEME, replace(file_store.TRAITS, metrics=("inner",)))
        with pytest.raises(InputError, match="metric"):
            estimate(place, bridge)
    assert untouched(place, tmp_path)


def test_a_bridge_of_another_encoder_on_resume(place, bridge, faults):
    """The old vectors were replaced by others meanwhile: not mixed into the shadow."""
    faults("wrong bridges")
    job = Job.start(place, bridge, batch=50)
    interrupted(job, 150)
    with connect(place) as store:
        store.upsert(Rows(IDS, X[:, ::-1] - 40, TITLES))
    with pytest.raises(SpaceMismatch):
        job.run()


def test_norms_that_a_store_lost(tmp_path, bridge):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    place = fill(f"filestore://{tmp_path}/docs", metric="cosine")
    with pytest.raises(SpaceMismatch, match="depends on their length"):
        Job.start(place, bridge)
    assert untouched(place, tmp_path)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(DX, DX)))[0].astype(np.float32)
    fitted_on_unit = isthmus.fit(unit, unit @ turn[:, :DY], method="affine")
    assert Job.start(place, fitted_on_unit).run().state == "ready"
    # Without an intercept directions go to directions, whatever the length.
    spread = X - X.mean(axis=0)
    plain = isthmus.fit(spread, spread @ turn, method="orthogonal")
    plain.map.intercept_ = np.zeros_like(plain.map.intercept_)
    plain.map.origin_ = np.zeros_like(plain.map.origin_)
    other = fill(f"filestore://{tmp_path}/spread", metric="cosine", x=spread)
    assert Job.start(other, plain).run().state == "ready"


def test_metrics(tmp_path, place, monkeypatch):
    dotted = isthmus.fit(
        isthmus.open(X, metric="cosine"), isthmus.open(Y, metric="dot"), method="affine"
    )
    found = estimate(place, dotted)
    assert found.metric == "inner"
    assert any("searched by euclidean" in text for text in found.warnings)
    assert any("searched by inner, the old ones by euclidean" in text for text in found.warnings)
    only = replace(file_store.TRAITS, metrics=("euclidean",))
    monkeypatch.setitem(STORES, file_store.SCHEME, only)
    with pytest.raises(InputError, match="searches by: euclidean"):
        Job.start(place, dotted)
    assert untouched(place, tmp_path)


def test_cosine_in_a_store_that_has_the_inner_product_alone(tmp_path, monkeypatch):
    """The new vectors are scaled to length 1, so that the index ranks by their cosine."""
    only = replace(file_store.TRAITS, metrics=("euclidean", "inner"), normalises=())
    monkeypatch.setitem(STORES, file_store.SCHEME, only)
    place = fill(f"filestore://{tmp_path}/docs", metric="inner")
    both = (isthmus.open(side, metric="cosine") for side in (X, Y))
    bridge = isthmus.fit(*both, method="affine")
    job = Job.start(place, bridge)
    assert (job.estimate.metric, job.estimate.unit) == ("inner", True)
    assert any("scaled to unit length" in text for text in job.estimate.warnings)
    assert not any("compared by cosine" in text for text in job.estimate.warnings)
    assert job.run().state == "ready"
    job.cutover()
    with connect(place) as store:
        moved = store.fetch(IDS).vectors
        assert store.facts().metric == "inner"
    wanted = bridge.transform(X)
    assert np.allclose(moved, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)
    assert Job.open(job.path, source=place).status().state == "live"


def test_kinds_of_id_and_empty_collections(place, bridge, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(STORES, file_store.SCHEME, replace(file_store.TRAITS, ids=("int",)))
        with pytest.raises(InputError, match="string ids; expected ids that file store takes: int"):
            Job.start(place, bridge, to=f"filestore://{tmp_path}/x")
    empty = f"filestore://{tmp_path}/empty"
    create(empty, dim=DX, metric=None, id_kind="int")
    with pytest.raises(InputError, match="without vectors"):
        Job.start(empty, bridge)
    with pytest.raises(InputError, match="at least 1"):
        Job.start(place, bridge, batch=0)


def test_an_estimate_changes_nothing(place, bridge, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    found = estimate(place, bridge)
    assert (found.rows, found.bytes) == (N, N * DY * 4)
    assert found.seconds > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_with_other_things(place, bridge, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(StorageError, match="Nothing was touched"):
        Job.start(place, bridge, job=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_pause(place, bridge):
    job = Job.start(place, bridge, batch=50)

    def pause(done):
        if done == 100:
            assert Job.open(job.path).pause().state == "running"

    assert job.run(progress=pause).state == "paused"
    assert job.run().state == "paused"  # a pause is lifted by hand
    assert job.status().done == 100
    assert job.resume().state == "ready"


def test_two_at_once(place, bridge, faults):
    faults("rival writers")
    job = Job.start(place, bridge, batch=50)
    said = []

    def rival(done):
        if done == 100:
            for act in (job.run, job.cutover, job.rollback, job.drop):
                with pytest.raises(StorageError, match="another process") as error:
                    act()
                said.append(error.value)

    assert job.run(progress=rival).state == "ready"
    assert len(said) == 4
    assert "--pause" in str(said[0])


def test_all_jobs(place, bridge, tmp_path):
    assert jobs() == []
    first = Job.start(place, bridge)
    second = Job.start(place, bridge, to=f"filestore://{tmp_path}/other")
    second.run()
    (tmp_path / "isthmus-jobs" / "notes").mkdir()
    assert {(s.id, s.state) for s in jobs()} == {
        (first.file.id, "new"), (second.file.id, "ready"),
    }  # fmt: skip
    (second.path / "job.json").write_text("{}")
    assert {s.state for s in jobs()} == {"new", "damaged"}
