"""Upgrades of databases, disturbed: kill -9, lost connections, refused writes, changes, rivals.

After the rerun, ids, vectors and other columns are those of a run that was never disturbed.

    ISTHMUS_FAULTS=50 pytest tests/faults    50 moments a store (20 by default)
    ISTHMUS_SEED=7 pytest tests/faults       other moments
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ground import SECRET, Ground, N, vectors

import isthmus
from isthmus.core.errors import StorageError
from isthmus.spaces import durable
from isthmus.spaces.stores import connect
from isthmus.spaces.stores.store import Rows
from isthmus.upgrade.job import Job

MOMENTS = int(os.environ.get("ISTHMUS_FAULTS", "20"))
SEED = int(os.environ.get("ISTHMUS_SEED", "0"))
BATCH = 20

#: Imports once, then forks an upgrade for each job it is told; tells how each one ended.
NURSERY = """
import contextlib, os, sys, time, traceback
from isthmus.bridges.bridge import load
from isthmus.upgrade.job import Job
from isthmus.spaces.stores import connect
load(sys.argv[1])
connect(sys.argv[2]).close()  # whatever is imported late, is now
with contextlib.suppress(ImportError):
    import psycopg
os.fsync = lambda fd: None

def slowly(done):
    time.sleep(0.003)

def work(path):
    try:
        job = Job.open(path)
        job.run(progress=slowly)
        job.cutover()
        time.sleep(0.01)
        job.rollback()
        job.run(progress=slowly)
        code = 0
    except BaseException as error:
        traceback.print_exc()
        code = getattr(error, "exit_code", 99)
    os._exit(code)

print("ready", flush=True)
for line in sys.stdin:
    what, _, target = line.strip().partition(" ")
    if what == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(target), 0)[1]), flush=True)
    else:
        pid = os.fork()
        if pid == 0:
            work(target)
        print(pid, flush=True)
"""


class Nursery:
    def __init__(self, file, place):
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, file, place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, text):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(self, job):
        return self.ask(f"start {job.path}")

    def wait(self, pid):
        return self.ask(f"wait {pid}")


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    # A process killed loses nothing it wrote; only a power cut needs what fsync costs.
    monkeypatch.setattr(durable.os, "fsync", lambda fd: None)


@pytest.fixture(scope="module")
def bridge():
    x = vectors()
    return isthmus.fit(x, x[:, ::-1] * 2, method="affine")


@pytest.fixture(params=["FAISS", "pgvector"])
def ground(request, tmp_path):
    if request.param == "pgvector":
        return request.getfixturevalue("postgres")
    return Ground("FAISS", f"faiss://{tmp_path}/{{name}}.faiss", "int")


@pytest.fixture(scope="module")
def nursery(bridge, tmp_path_factory):
    """One for all tests here: its imports take seconds."""
    folder = tmp_path_factory.mktemp("nursery")
    place = Ground("", f"faiss://{folder}/{{name}}.faiss", "int").collection()
    found = Nursery(bridge.save(folder / "b.isthmus"), place)
    yield found
    found.process.kill()
    found.process.communicate()


def content(place):
    with connect(place) as store:
        rows = store.fetch(store.ids())
        return rows.ids.tolist(), rows.vectors.tobytes()


def shadow(place, job, dim=8):
    with connect(place) as store:
        found = store.shadow(job.file.id, dim=dim, metric="euclidean")
        rows = found.fetch(found.ids())
        return rows.ids.tolist(), rows.vectors.tobytes()


def steps(job):
    """Lines of the job's journal."""
    file = job.path / "journal.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_kill_9_at_any_moment(ground, bridge, nursery, tmp_path, faults):
    """Of a run, a cutover, a rollback and the run after it."""
    place, draw, met = ground.collection(), random.Random(SEED), []
    original = content(place)
    calm = Job.start(place, bridge, batch=BATCH, job=tmp_path / "calm")
    assert nursery.wait(nursery.start(calm)) == 0
    wanted, total = shadow(place, calm), steps(calm)
    assert wanted[0] == original[0]
    for moment in range(MOMENTS):
        place = ground.collection()
        job = Job.start(place, bridge, batch=BATCH, job=tmp_path / f"killed{moment}")
        pid, until = nursery.start(job), total * (moment + draw.random()) / MOMENTS
        began = time.monotonic()
        while steps(job) < int(until) and time.monotonic() - began < 20:
            time.sleep(0.001)
        time.sleep(0.006 * draw.random())
        os.kill(pid, signal.SIGKILL)
        assert nursery.wait(pid) in (0, -signal.SIGKILL)
        met.append(steps(job))
        assert nursery.wait(nursery.start(job)) == 0
        assert content(place) == original
        assert shadow(place, job) == wanted
        assert job.status().state == "ready"
        job.cutover()
        assert content(place) == wanted
    faults(f"kills of a driver upgrading {ground.name}", len(met))
    # The signals must have met the work.
    assert len({one for one in met if 0 < one < total}) >= MOMENTS // 2, met


def test_ctrl_c(ground, bridge, tmp_path, faults):
    faults("Ctrl-C")
    place, file = ground.collection(), bridge.save(tmp_path / "b.isthmus")
    code = (
        "import signal, sys, time\n"
        # Whoever runs the tests in the background has told its children to ignore Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import isthmus.upgrade.carry as c\n"
        "real = c.Carrier.note\n"
        "def slowly(self, *a, **o):\n"
        "    real(self, *a, **o); print(*a, flush=True); time.sleep(0.05)\n"
        "c.Carrier.note = slowly\n"
        "sys.argv[0] = 'isthmus'\n"
        "from isthmus.cli.main import main; main()\n"
    )
    command = [
        sys.executable, "-c", code, "upgrade", place, file, "--job", tmp_path / "job", "--batch",
        str(BATCH),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(6):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said.endswith("Interrupted. Run the same command again to go on.\n")
    job = Job.open(tmp_path / "job")
    assert job.status().state == "unfinished"
    assert 0 < job.status().done < N
    assert job.run().state == "ready"
    assert shadow(place, job)[0] == content(place)[0]


def test_two_at_once(ground, bridge, nursery, tmp_path, faults):
    """One wins cleanly, the other is told so."""
    faults("rival writers")
    job = Job.start(ground.collection(), bridge, batch=BATCH, job=tmp_path / "job")
    both = [nursery.start(job) for _ in range(2)]
    assert sorted(nursery.wait(pid) for pid in both) == [0, 6]
    assert job.status().state == "ready"


def test_rows_come_go_and_change_while_it_is_scanned(ground, bridge, tmp_path, faults):
    faults("collections changed meanwhile")
    place, x = ground.collection(), vectors()
    job = Job.start(place, bridge, batch=BATCH, job=tmp_path / "job")
    begun = []

    def meddle(done):
        if done >= 100 and not begun:
            begun.append(done)
            with connect(place) as store:
                new = np.array([1, 4000] if ground.kind == "int" else ["a", "éé"])
                store.upsert(Rows(new, x[:2] + 1))
                store.upsert(Rows(ground.ids[[3]], x[[3]] * 2))
                store.delete(ground.ids[[5, 300]])

    status = job.run(progress=meddle)
    assert begun
    faults("rows added meanwhile", 2)
    assert (status.state, status.passes) == ("ready", 2)
    now = connect(place)
    ids = now.ids()
    got = now.shadow(job.file.id, dim=8, metric="euclidean")
    assert got.ids().tolist() == ids.tolist()
    want = bridge.transform(now.fetch(ids).vectors)
    np.testing.assert_allclose(got.fetch(ids).vectors, want, rtol=1e-4, atol=1e-4)
    got.close()
    now.close()


@pytest.mark.parametrize("full", ["the store", "the job"])
def test_a_disk_that_runs_full(bridge, small_disk, tmp_path, faults, full):
    """The old vectors serve on, and with more room the same job ends as if nothing had been."""
    faults("full disks")
    folder, job = (small_disk, tmp_path) if full == "the store" else (tmp_path, small_disk)
    place = Ground("FAISS", f"faiss://{folder}/{{name}}.faiss", "int").collection()
    # Small batches, so that what is still to be noted is more than a page of memory has left.
    job = Job.start(place, bridge, batch=5, job=job / "job")
    before, ballast = content(place), small_disk / "ballast"

    def fill(done):
        if done == 100:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(512)):
                    pass

    with pytest.raises(StorageError, match="No space left on device"):
        job.run(progress=fill)
    assert content(place) == before
    assert job.status().state == "unfinished"
    assert 100 <= job.status().done < N
    ballast.unlink()
    assert job.run().state == "ready"
    moved = np.frombuffer(shadow(place, job)[1], np.float32).reshape(N, 8)
    assert np.allclose(moved, bridge.transform(vectors()), rtol=1e-4, atol=1e-4)
    assert job.cutover().state == "live"
    assert job.rollback().state == "rolled back"
    assert content(place) == before


# -- what only a server can do -------------------------------------------------------------------


def cut(postgres):
    """End every connection of isthmus, as a server that restarts does."""
    postgres.server.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isthmus';"
    )


def written(folder):
    return "".join(
        file.read_bytes().decode(errors="replace") for file in folder.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize("moment", ["between batches", "within a batch"])
def test_a_lost_connection(postgres, secret, bridge, tmp_path, monkeypatch, moment, faults):
    faults("dropped connections")
    job = Job.start(secret, bridge, batch=BATCH, job=tmp_path / "job")

    def between(done):
        if done == 100:
            cut(postgres)

    if moment == "within a batch":
        from isthmus.spaces.stores.pgvector_link import Link

        real, calls = Link.copy_in, []

        def copy_in(link, text, parts):
            def slowly():
                for part in parts:
                    yield part[: len(part) // 2]
                    if len(calls) == 5:
                        cut(postgres)
                    yield part[len(part) // 2 :]

            calls.append(text)
            real(link, text, slowly())

        monkeypatch.setattr(Link, "copy_in", copy_in)
    with pytest.raises(StorageError, match="PostgreSQL") as error:
        job.run(progress=between if moment == "between batches" else None)
    assert SECRET not in str(error.value) + repr(error.value) + str(error.value.__dict__)
    assert error.value.__cause__ is None or SECRET not in str(error.value.__cause__)
    assert job.status().state == "unfinished"
    assert job.status().done in (80, 100)
    assert job.run().state == "ready"
    x = vectors()[np.argsort(postgres.ids)]
    assert np.frombuffer(shadow(secret, job)[1], np.float32).reshape(N, 8) == pytest.approx(
        bridge.transform(x), rel=1e-4, abs=1e-4
    )
    assert job.cutover().state == "live"
    assert job.rollback().state == "rolled back"
    assert content(secret) == (np.sort(postgres.ids).tolist(), x.tobytes())
    assert SECRET not in written(tmp_path) + str(job.status()) + repr(job)


def test_a_role_that_may_only_read(postgres, bridge, tmp_path, faults):
    faults("refused writes")
    place = postgres.collection()
    name = f"reader{postgres.made}"
    place_of_reader = place.replace("postgres@", f"{name}:{SECRET}@")
    sql = postgres.server.psql
    sql(f"CREATE ROLE {name} LOGIN; GRANT SELECT ON docs{postgres.made} TO {name};")
    before = content(place)
    job = Job.start(place_of_reader, bridge, batch=BATCH, job=tmp_path / "job")
    with pytest.raises(StorageError) as error:
        job.run()
    assert SECRET not in str(error.value)
    assert job.status().done == 0
    assert content(place) == before
    # Once it may write, the same job goes on.
    sql(f"ALTER TABLE docs{postgres.made} OWNER TO {name}; GRANT ALL ON SCHEMA public TO {name};")
    assert job.run().state == "ready"
    assert job.cutover().state == "live"


def test_writes_refused_half_way(postgres, bridge, tmp_path, faults):
    """As on a server that was made read-only, or fell back to a replica."""
    faults("refused writes")
    place = postgres.collection()
    job = Job.start(place, bridge, batch=BATCH, job=tmp_path / "job")

    def close(done):
        if done == 100:
            postgres.server.psql("ALTER SYSTEM SET default_transaction_read_only = on;")
            postgres.server.psql("SELECT pg_reload_conf();")
            time.sleep(0.1)

    try:
        with pytest.raises(StorageError, match="read-only"):
            job.run(progress=close)
    finally:
        postgres.server.psql(
            "SET default_transaction_read_only = off; "
            "ALTER SYSTEM RESET default_transaction_read_only;"
        )
        postgres.server.psql("SELECT pg_reload_conf();")
        time.sleep(0.1)
    assert 100 <= job.status().done < N
    assert job.run().state == "ready"
    assert shadow(place, job)[0] == content(place)[0]
