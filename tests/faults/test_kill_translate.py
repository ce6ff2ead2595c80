"""kill -9 of the driver and of a worker, at random moments of a translation, on every engine.

After the rerun, ids and vectors are those of a run that was never disturbed, byte for byte.

    ISTHMUS_FAULTS=20 pytest tests/faults    20 moments an engine (on Ray, whose workers take
                                             seconds to start, 5 by default)
    ISTHMUS_SEED=7 pytest tests/faults       other moments
"""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import isthmus
from isthmus.spaces import durable
from isthmus.upgrade.translate import translate

MOMENTS = {
    kind: int(os.environ.get("ISTHMUS_FAULTS", usual))
    for kind, usual in (("threads", 20), ("processes", 20), ("ray", 5))
}
SEED = int(os.environ.get("ISTHMUS_SEED", "0"))
N, SHARD = 600, 10
#: Workers killed in one run.
RUN = 4
ENGINES = ("threads", "processes", "ray")

#: Imports once, then forks a driver for each target it is told; tells how each one ended.
NURSERY = """
import os, sys, time
import isthmus.engine, isthmus.spaces.formats.npz, pyarrow.parquet
from isthmus.bridges.bridge import load
from isthmus.upgrade.translate import translate
source, file, kind, address, shard = sys.argv[1:]
bridge, real = load(file), os.fsync

def engine():
    if kind == "ray":
        return isthmus.engine.Ray(address, workers=2)
    return isthmus.engine.named(kind, workers=2)

def slowly(done):
    time.sleep(0.004)

def work(target):
    os.dup2(2, 1)  # Ray tells of killed workers on stdout, which is ours
    try:
        translate(source, bridge, target, rows_per_shard=int(shard), progress=slowly,
                  engine=engine())
        code = 0
    except BaseException as error:
        import traceback
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
    def __init__(self, collection, kind, address):
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, collection / "old.npz", collection / "b.isthmus", kind,
             address, str(SHARD)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, text):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    rng = np.random.default_rng(7)
    x = (rng.normal(size=(N, 10)) * np.linspace(3, 0.3, 10) + 0.5).astype(np.float32)
    np.savez(folder / "old.npz", vectors=x, ids=[f"é{i}" for i in range(N)])
    isthmus.fit(x, x[:, ::-1] * 2, method="affine").save(folder / "b.isthmus")
    translate(folder / "old.npz", folder / "b.isthmus", folder / "calm", rows_per_shard=SHARD)
    return folder


@pytest.fixture
def nursery(request, collection):
    address = request.getfixturevalue("ray_address") if request.param == "ray" else ""
    found = Nursery(collection, request.param, address)
    found.kind = request.param
    yield found
    found.process.kill()
    found.process.communicate()


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """A process killed loses nothing it wrote; only a power cut needs what fsync costs."""
    monkeypatch.setattr(durable.os, "fsync", lambda fd: None)


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def done(target):
    return len(list(target.glob("writing/[0-9]*.json")))


def committed(target):
    return bool(list(target.glob("manifest-*.json")))


def over(target, pid):
    """Whether the driver has committed, or is gone."""
    if committed(target) or not psutil.pid_exists(pid):
        return True
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(target, shards, pid):
    """Until so many shards are finished, or all is over."""
    while done(target) < shards and not over(target, pid):
        time.sleep(0.002)


def moments(draw, count):
    """Shards to be finished when the signal comes: one of all in each equal part of the run."""
    total = N // SHARD
    return [int(total * (number + draw.random()) / count) for number in range(count)]


def shares(kind):
    """How many moments the driver and a worker are killed at; threads die with the driver."""
    workers = 0 if kind == "threads" else MOMENTS[kind] * 2 // 5
    return MOMENTS[kind] - workers, workers


@pytest.mark.parametrize("nursery", ENGINES, indirect=True)
def test_a_killed_driver(collection, tmp_path, nursery, faults):
    calm, draw, met = tree(collection / "calm"), random.Random(SEED), []
    rounds = shares(nursery.kind)[0]
    for number, shards in enumerate(moments(draw, rounds)):
        target = tmp_path / f"killed{number}"
        pid = nursery.ask(f"start {target}")
        workers = psutil.Process(pid).children(recursive=True)
        wait_for(target, shards, pid)
        time.sleep(0.01 * draw.random())
        workers += psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        assert nursery.ask(f"wait {pid}") in (0, -signal.SIGKILL)
        met.append(done(target))
        moved = translate(
            collection / "old.npz", collection / "b.isthmus", target, rows_per_shard=SHARD
        )
        assert {name: data for name, data in tree(target).items() if "writing" not in name} == calm
        assert moved.ids.tolist() == [f"é{i}" for i in range(N)]
        alive = psutil.wait_procs(workers, timeout=10)[1]
        assert not alive, "workers outlived their driver"
    faults(f"kills of a driver on {nursery.kind}", len(met))
    print(f"{nursery.kind}: {len(met)} drivers killed, after {met} of {N // SHARD} shards")
    # The signals must have met the work: unfinished jobs of several lengths.
    assert len({count for count in met if 0 < count < N // SHARD}) >= rounds // 2, met


def workers_of(nursery, pid):
    """The processes that write shards, of this driver or, under Ray, of this test's cluster."""
    if nursery.kind == "processes":  # the driver's child is the server that forks them
        servers = {child.pid for child in psutil.Process(pid).children()}
        return [p for p in psutil.Process(pid).children(recursive=True) if p.ppid() in servers]
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "ray::_run" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("nursery", ENGINES[1:], indirect=True)
def test_a_killed_worker_costs_nothing(collection, tmp_path, nursery, faults):
    calm, draw, met = tree(collection / "calm"), random.Random(SEED + 1), []
    rounds = shares(nursery.kind)[1]
    # Several in one run, as starting workers takes far longer than what is to be disturbed.
    runs = [min(RUN, rounds - begun) for begun in range(0, rounds, RUN)]
    for number, kills in enumerate(runs):
        target = tmp_path / f"killed{number}"
        pid = nursery.ask(f"start {target}")
        for shards in moments(draw, kills):
            wait_for(target, shards, pid)
            while not (workers := workers_of(nursery, pid)) and not over(target, pid):
                time.sleep(0.002)
            if workers:
                draw.choice(workers).kill()
                met.append(done(target))
        assert nursery.ask(f"wait {pid}") == 0  # the driver goes on by itself
        assert tree(target) == calm
    faults(f"kills of a worker on {nursery.kind}", len(met))
    print(f"{nursery.kind}: {len(met)} workers killed, after {met} of {N // SHARD} shards")
    assert len({count for count in met if count < N // SHARD}) >= rounds // 2, met
