"""Job: carried, proved, taken into service and back; changes found and carried."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import STORES, connect, create
from isthmus.spaces.stores.store import Rows
from isthmus.testing import file_store
from isthmus.upgrade import carry
from isthmus.upgrade.carry import mapped
from isthmus.upgrade.job import Job

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


def rewrite(place, x):
    with connect(place) as store:
        store.upsert(Rows(IDS, x, TITLES))


def content(place):
    with connect(place) as store:
        rows = store.fetch(store.ids(), payload=True)
        return rows.ids.tolist(), rows.vectors, list(rows.payload)


def is_mapped(place, bridge, ids=IDS, x=X, titles=TITLES):
    """Whether the collection holds exactly the bridge's images of x, bit for bit."""
    order = np.argsort(ids)
    got = content(place)
    return (
        got[0] == ids[order].tolist()
        and np.array_equal(got[1], mapped(bridge, x[order]))
        and got[2] == [titles[i] for i in order]
    )


def test_the_whole_way_and_back(place, bridge):
    before = content(place)
    job = Job.start(place, bridge, batch=64)
    assert (job.estimate.rows, job.estimate.dim, job.estimate.new_dim) == (N, DX, DY)
    assert job.estimate.bytes == N * DY * 4
    seen, said = [], []
    status = job.run(progress=seen.append, tell=said.append)
    assert status.state == "ready"
    assert said == ["moving the vectors in and building their index", "proving it"]
    assert seen == [0, 64, 128, 192, 256, 300]
    proof = status.verified
    assert (proof["rows"], proof["sample"], proof["identical"]) == (N, N, N)
    after = content(place)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert job.cutover().state == "live"
    assert is_mapped(place, bridge)
    assert job.run().state == job.cutover().state == "live"  # both are done
    for _ in range(2):
        assert job.rollback().state == "rolled back"
        back = content(place)
        assert back[0] == before[0]
        np.testing.assert_array_equal(back[1], before[1])
        assert back[2] == before[2]
    for _ in range(2):
        assert job.drop().state == "dropped"
    assert job.run().state == "ready"  # begun again
    job.cutover()
    for _ in range(2):
        assert job.drop().state == "finished"
    assert job.run().state == "finished"
    assert is_mapped(place, bridge)
    with pytest.raises(StorageError, match="old vectors that were dropped"):
        job.rollback()


def test_the_same_call_finds_the_same_job(place, bridge, tmp_path):
    first = Job.start(place, bridge)
    again = Job.start(place, bridge)
    assert first.path == again.path
    assert first.path.parent.name == "isthmus-jobs"
    assert first.file == again.file
    assert again.estimate is None
    file = bridge.save(tmp_path / "b.isthmus")
    assert Job.start(place, file).file == first.file
    assert Job.open(first.path.name).file == Job.open(first.file.id).file == first.file
    other = isthmus.fit(X, Y, method="low_rank")
    assert Job.start(place, other).path != first.path
    with pytest.raises(StorageError, match="another job"):
        Job.start(place, other, job=first.path)


def test_a_job_explains_itself(place, bridge):
    job = Job.start(place, bridge, job="my job")
    job.run()
    assert sorted(p.name for p in job.path.iterdir()) == [
        "README.txt", "bridge.isthmus", "job.json", "journal.jsonl",
    ]  # fmt: skip
    page = (job.path / "README.txt").read_text()
    for fact in (job.file.id, place, "affine", "my job'", "--rollback", "--resume", "password"):
        assert fact in page
    facts = json.loads((job.path / "job.json").read_text())
    assert facts["source"] == place
    assert facts["bridge"]["target"]["dim"] == DY
    assert isthmus.load(job.path / "bridge.isthmus").name == "affine"


def test_to_another_collection(place, bridge, tmp_path):
    to = f"filestore://{tmp_path}/other"
    job = Job.start(place, bridge, to=to, batch=64)
    status = job.run()
    assert (status.state, status.next) == ("ready", {})
    assert is_mapped(to, bridge)
    assert Job.start(place, bridge, to=to).run().state == "ready"
    with pytest.raises(InputError, match="Point your service at"):
        job.cutover()
    full = f"filestore://{tmp_path}/full"
    fill(full)
    with pytest.raises(StorageError, match="300 rows of 10"):
        Job.start(place, bridge, to=full).run()


def test_part_of_a_collection(place, bridge, tmp_path):
    with pytest.raises(InputError, match="filter and no --to"):
        Job.start(f"{place}?filter=even", bridge)
    to = f"filestore://{tmp_path}/even"
    Job.start(f"{place}?filter=even", bridge, to=to).run()
    assert is_mapped(to, bridge, IDS[::2], X[::2], TITLES[::2])


@pytest.mark.parametrize("ids", [IDS, None])
def test_from_a_file(bridge, tmp_path, ids):
    np.savez(tmp_path / "old.npz", vectors=X, **({} if ids is None else {"ids": ids}))
    with pytest.raises(InputError, match="Say where its vectors go with --to"):
        Job.start(tmp_path / "old.npz", bridge)
    to = f"filestore://{tmp_path}/docs"
    assert Job.start(tmp_path / "old.npz", bridge, to=to, batch=70).run().state == "ready"
    assert is_mapped(to, bridge, np.arange(N) if ids is None else ids, titles=[{}] * N)


def interrupted(job, rows):
    """Run until ``rows`` rows are done, then Ctrl-C."""

    def stop(done):
        if done >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(progress=stop)


def test_an_interrupted_run_goes_on(place, bridge):
    job = Job.start(place, bridge, batch=50)
    interrupted(job, 150)
    assert job.status().state == "unfinished"
    assert (job.status().done, job.status().rows) == (150, N)
    seen = []
    assert Job.open(job.path).run(progress=seen.append).state == "ready"
    assert seen == [150, 200, 250, 300]  # nothing was written twice
    job.cutover()
    assert is_mapped(place, bridge)


def changed(place):
    """Add rows at both ends and between, change two, delete three; what the collection is then."""
    x, ids, titles = X.copy(), IDS.copy(), list(TITLES)
    x[7] *= 1.5
    x[200] = np.nextafter(x[200], 9)
    new = np.array(["A-first", "a-151x", "é-9999"])
    with connect(place) as store:
        store.upsert(Rows(ids[[7, 200]], x[[7, 200]], [titles[7], titles[200]]))
        store.upsert(Rows(new, X[:3] + 1, TITLES[:3]))
        store.delete(ids[[0, 60, 299]])
    keep = np.delete(np.arange(N), [0, 60, 299])
    return (
        np.concatenate([ids[keep], new]), np.concatenate([x[keep], X[:3] + 1]),
        [*(titles[i] for i in keep), *TITLES[:3]],
    )  # fmt: skip


@pytest.mark.parametrize("moment", ["while it is scanned", "while cut short", "after the proof"])
def test_changes_are_carried_too(place, bridge, moment, faults):
    faults("collections changed meanwhile")
    job = Job.start(place, bridge, batch=50)
    now = None
    if moment == "while it is scanned":

        def meddle(done):
            nonlocal now
            if done == 150 and now is None:
                now = changed(place)

        status = job.run(progress=meddle)
    else:
        if moment == "while cut short":
            interrupted(job, 150)
        else:
            job.run()
        now = changed(place)
        if moment == "after the proof":
            with pytest.raises(StorageError, match="changed since the job was proved.*--resume"):
                job.cutover()
        status = job.resume()
    assert (status.state, status.passes) == ("ready", 2)
    job.cutover()
    assert is_mapped(place, bridge, *now)


def test_a_later_pass_writes_only_what_changed(place, bridge, monkeypatch):
    job = Job.start(place, bridge, batch=50)
    job.run()
    with connect(place) as store:
        store.upsert(Rows(IDS[[7]], X[[7]] * 2, [TITLES[7]]))
    written = []
    real = file_store.FileStore.upsert
    monkeypatch.setattr(
        file_store.FileStore, "upsert", lambda s, rows: (written.append(len(rows)), real(s, rows))
    )
    job.run()
    assert written == [50]


def test_other_columns_of_a_shadow_collection_are_carried_as_they_are_now(place, bridge):
    job = Job.start(place, bridge, batch=50)
    job.run()
    titles = [*TITLES]
    titles[7] = {"title": "corrected", "even": 0}
    with connect(place) as store:
        store.upsert(Rows(IDS[[7]], X[[7]], [titles[7]]))
    job.run()
    job.cutover()
    assert is_mapped(place, bridge, titles=titles)


def test_a_collection_that_never_stays_still(place, bridge, faults):
    faults("collections changed meanwhile")
    job = Job.start(place, bridge, batch=100)

    def busy(done):
        with connect(place) as store:
            store.upsert(Rows(IDS[[0]], X[[0]] + done, [TITLES[0]]))

    with pytest.raises(StorageError, match="Pause what writes to it"):
        job.run(progress=busy)
    assert job.status().passes == carry.PASSES
    assert job.run().state == "ready"


def test_rows_that_are_not_finite(place, bridge, monkeypatch):
    monkeypatch.setattr(file_store, "checked", lambda store, rows, dim: rows)
    x = X.copy()
    x[4], x[90, 3] = np.nan, np.inf
    with connect(place) as store:
        store.upsert(Rows(IDS[[4, 90]], x[[4, 90]], TITLES[:2]))
    job = Job.start(place, bridge, batch=50)
    with pytest.raises(InputError, match=r"'B-4'.*--drop-invalid"):
        job.run()
    status = job.run(drop_invalid=True)
    assert (status.state, status.rejected) == ("ready", 2)
    job.cutover()
    assert is_mapped(
        place, bridge, np.delete(IDS, [4, 90]), np.delete(X, [4, 90], axis=0),
        [t for i, t in enumerate(TITLES) if i not in (4, 90)],
    )  # fmt: skip


def test_the_proof_can_fail(place, bridge, monkeypatch):
    real = file_store.FileStore.upsert

    def careless(store, rows):
        moved = rows.vectors.copy()
        moved[0, 0] += 0.01
        real(store, replace(rows, vectors=moved))

    job = Job.start(place, bridge, batch=50)
    with monkeypatch.context() as patch:
        patch.setattr(file_store.FileStore, "upsert", careless)
        with pytest.raises(StorageError, match="6 of 300 vectors that are not the bridge's"):
            job.run()
    with pytest.raises(StorageError, match="not yet proved"):
        job.cutover()
    job.drop()
    with monkeypatch.context() as patch:
        patch.setattr(file_store.FileStore, "upsert", lambda store, rows: None)
        with pytest.raises(StorageError, match="0 ids that are not the 300"):
            job.run()
    assert job.run().state == "ready"  # what was lost is written again


def test_a_shadow_removed_by_hand(place, bridge):
    job = Job.start(place, bridge, batch=50)
    interrupted(job, 150)
    with connect(place) as store:
        store.drop(job.file.id)
    assert job.run().state == "ready"
    job.cutover()
    assert is_mapped(place, bridge)


def test_strangers_in_the_shadow_are_removed(place, bridge):
    job = Job.start(place, bridge, batch=50)
    interrupted(job, 150)
    with connect(place) as store:
        shadow = store.shadow(job.file.id, dim=DY, metric="euclidean")
        shadow.upsert(Rows(np.array(["stranger"]), Y[:1], [{}]))
    assert job.run().state == "ready"
    job.cutover()
    assert is_mapped(place, bridge)


@pytest.mark.parametrize("act", ["cutover", "rollback", "drop"])
@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_an_act_cut_short_is_ended_by_the_next(place, bridge, monkeypatch, act, moment):
    job = Job.start(place, bridge)
    job.run()
    if act == "rollback":
        job.cutover()
    real, link = getattr(file_store.FileStore, act), file_store._link

    def dies(store, name):
        if moment == "after":
            real(store, name)
        elif moment == "between":
            with monkeypatch.context() as inner:
                inner.setattr(file_store.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError))
                real(store, name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(file_store.FileStore, act, dies)
        with pytest.raises((KeyboardInterrupt, OSError)):
            getattr(job, act)()
    assert file_store._link is link
    status = job.status()
    assert status.state == act
    assert status.next == {"end it": f"isthmus upgrade --{act} {job.path}"}
    again = getattr(job, act)()
    assert again.state == {"cutover": "live", "rollback": "rolled back", "drop": "dropped"}[act]
    if act == "cutover":
        assert is_mapped(place, bridge)
    else:
        np.testing.assert_array_equal(content(place)[1], X[np.argsort(IDS)])


def cut_short(job, monkeypatch, error):
    """Begin a cutover that ends in ``error`` before the store did anything."""

    def ends(store, name):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(file_store.FileStore, "cutover", ends)
        with pytest.raises(type(error)):
            job.cutover()


def test_resume_ends_a_cutover_cut_short(place, bridge, monkeypatch):
    job = Job.start(place, bridge)
    job.run()
    cut_short(job, monkeypatch, KeyboardInterrupt())
    assert job.resume().state == "live"
    assert is_mapped(place, bridge)


def test_rows_written_after_the_cutover_are_counted_when_it_is_undone(place, bridge):
    job = Job.start(place, bridge)
    job.run()
    job.cutover()
    with connect(place) as store:
        store.upsert(Rows(np.array(["new"]), Y[:1], [{}]))
    status = job.rollback()
    assert status.lost == 1
    assert "1 rows written since the cutover have no old vector" in str(status)


def test_bits_depend_on_the_vector_alone():
    """Else a row carried in another batch, above all one alone, would differ in its last bit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 64)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    bridge = isthmus.fit(x, x @ turn, method="orthogonal")
    whole = mapped(bridge, x)
    for some in ([5], [299, 3], np.arange(17, 280), np.random.default_rng(0).permutation(N)):
        np.testing.assert_array_equal(mapped(bridge, x[some]), whole[some])
    np.testing.assert_allclose(whole, bridge.transform(x), atol=1e-4)


@pytest.mark.parametrize("then", ["drop", "resume", "cutover"])
def test_a_cutover_that_the_store_refused_never_happened(place, bridge, monkeypatch, then):
    job = Job.start(place, bridge)
    job.run()

    cut_short(job, monkeypatch, StorageError("cut over", "a locked file", "one that is free"))
    assert job.status().state == "ready"
    changed = X.copy()
    changed[5] = 2
    rewrite(place, changed)
    if then == "drop":
        assert job.drop().state == "dropped"
    elif then == "resume":
        assert job.resume().state == "ready"
        assert job.cutover().state == "live"
        assert is_mapped(place, bridge, x=changed)
        return
    else:
        with pytest.raises(StorageError, match="changed since the job was proved"):
            job.cutover()
    np.testing.assert_array_equal(content(place)[1], changed[np.argsort(IDS)])


@pytest.mark.parametrize("then", ["drop", "resume"])
def test_a_cutover_cut_short_is_not_taken_up_once_what_serves_has_changed(
    place, bridge, monkeypatch, then
):
    job = Job.start(place, bridge)
    job.run()
    cut_short(job, monkeypatch, KeyboardInterrupt())
    assert job.status().state == "cutover"
    changed = X.copy()
    changed[7] = -2
    rewrite(place, changed)
    assert getattr(job, then)().state == {"drop": "dropped", "resume": "ready"}[then]
    np.testing.assert_array_equal(content(place)[1], changed[np.argsort(IDS)])


def test_rows_written_since_are_known_though_the_rollback_was_cut_short(place, bridge, monkeypatch):
    job = Job.start(place, bridge)
    job.run()
    job.cutover()
    with connect(place) as store:
        store.upsert(Rows(np.array(["since"]), Y[:1], [{}]))
    real = file_store.FileStore.rollback

    def dies(store, name):
        real(store, name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(file_store.FileStore, "rollback", dies)
        with pytest.raises(KeyboardInterrupt):
            job.rollback()
    assert job.resume().state == "rolled back"
    with pytest.raises(StorageError, match="1 rows written after the cutover.*'since'"):
        job.resume()
