"""Translate, disturbed: full disks, Ctrl-C, kill -9 and rivals leave no row lost or doubled."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces import durable
from isthmus.upgrade.translate import translate

RNG = np.random.default_rng(7)
N, DX, DY = 600, 10, 7
X = (RNG.normal(size=(N, DX)) * np.linspace(3, 0.3, DX) + 0.5).astype(np.float32)
Y = (X @ RNG.normal(size=(DX, DY)) + 0.05 * RNG.normal(size=(N, DY))).astype(np.float32)
TEXT, NUMBERS = np.array([f"é{i}" for i in range(N)]), np.arange(N) * 3 - 50


@pytest.fixture(scope="module")
def bridge():
    return isthmus.fit(X, Y, method="affine")


@pytest.fixture
def old(tmp_path):
    np.savez(tmp_path / "old.npz", vectors=X, ids=TEXT)
    return tmp_path / "old.npz"


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """A process killed loses nothing it wrote; only a power cut needs what fsync costs."""
    monkeypatch.setattr(durable.os, "fsync", lambda fd: None)


def exact(bridge):
    return X.astype(np.float64) @ bridge.map.coef_ + bridge.map.intercept_


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def threads():
    return [t for t in threading.enumerate() if t.name == "isthmus-disk"]


@pytest.mark.parametrize("error", [RuntimeError("callback"), KeyboardInterrupt()])
def test_a_progress_callback_that_raises_leaves_a_job_to_go_on_with(tmp_path, bridge, error):
    undisturbed = tree(translate(X, bridge, tmp_path / "a" / "new", rows_per_shard=50).path)
    calls = []

    def advance(done):
        calls.append(done)
        if done > 200:
            raise error

    with pytest.raises(type(error)):
        translate(X, bridge, tmp_path / "b" / "new", rows_per_shard=50, progress=advance)
    assert not threads()
    with pytest.raises(FormatError, match="still being written"):
        isthmus.open(tmp_path / "b" / "new")
    again = []
    translate(X, bridge, tmp_path / "b" / "new", rows_per_shard=50, progress=again.append)
    assert tree(tmp_path / "b" / "new") == undisturbed
    # Finished shards were not written anew.
    assert again == [*range(250, N + 1, 50), N]


@pytest.mark.parametrize("changed", ["vectors", "ids", "bridge"])
def test_an_unfinished_job_is_never_mixed_with_another(tmp_path, bridge, changed):
    def stop(done):
        if done > 200:
            raise KeyboardInterrupt

    x, ids, other = X.copy(), NUMBERS.copy(), bridge
    with pytest.raises(KeyboardInterrupt):
        translate(
            isthmus.open(x, ids=ids), bridge, tmp_path / "n", rows_per_shard=50, progress=stop
        )
    if changed == "vectors":
        x = x[::-1].copy()
    elif changed == "ids":
        ids = ids[::-1].copy()
    else:
        other = isthmus.fit(X, Y, method="affine", seed=1)
        other.pairs = bridge.pairs
    with pytest.raises(StorageError, match="unfinished job with other settings"):
        translate(isthmus.open(x, ids=ids), other, tmp_path / "n", rows_per_shard=50)
    moved = translate(isthmus.open(X, ids=NUMBERS), bridge, tmp_path / "n", rows_per_shard=50)
    np.testing.assert_allclose(moved.vectors(), exact(bridge), atol=1e-4)


@pytest.mark.parametrize("at", [0, 1, 9, 17, 24, 25])
def test_a_full_disk(tmp_path, monkeypatch, bridge, at, faults):
    """Wherever in the job the disk runs full: typed, tidy, the generation before untouched."""
    faults("full disks")
    # 26 writes: the job, then rows and record of twelve shards, and the manifest.
    target = translate(X, bridge, tmp_path / "new", dtype="float16").path
    before = tree(target)
    real, left = os.write, [at]

    def write(fd, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "write", write)
        with pytest.raises(StorageError, match="No space left on device"):
            translate(X, bridge, target, rows_per_shard=50)
    assert not threads()
    np.testing.assert_array_equal(isthmus.open(target).vectors().dtype, np.float16)
    now = tree(target)
    assert now.items() >= before.items()
    extra = sorted(set(now) - set(before))
    assert all(name.startswith("writing") for name in extra)
    assert not [name for name in extra if "tmp" in name]
    shards = [name for name in extra if name.endswith(".npy")]
    records = [name for name in extra if Path(name).stem.isdigit()]
    assert len(shards) == len(records)  # nothing half written
    moved = translate(X, bridge, target, rows_per_shard=50)
    np.testing.assert_allclose(moved.vectors(), exact(bridge), atol=1e-4)
    assert not (target / "writing").exists()


def test_a_real_limit_on_file_size(tmp_path, bridge, old, faults):
    faults("full disks")
    file = bridge.save(tmp_path / "b.isthmus")
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "sys.argv = ['isthmus', *sys.argv[1:]]\n"
        "from isthmus.cli.main import main; main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "translate", old, "-b", file, "-o", tmp_path / "new"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 6, run.stderr
    assert "StorageError" in run.stderr
    assert "Traceback" not in run.stderr
    assert not list((tmp_path / "new").rglob("*.npy"))


def test_a_read_only_place(tmp_path, bridge, faults):
    faults("refused writes")
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere: the next test stands in")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        translate(X, bridge, tmp_path / "locked" / "new")


@pytest.mark.parametrize("failing", ["open", "mkdir"])
def test_a_refusing_system(tmp_path, monkeypatch, bridge, failing, faults):
    faults("refused writes")
    real = getattr(os, failing)

    def refuse(path, *args, **options):
        if str(path).startswith(str(tmp_path / "new")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, refuse)
        with pytest.raises(StorageError, match="Permission denied"):
            translate(X, bridge, tmp_path / "new")
    assert not list(tmp_path.rglob("*.npy"))


def test_an_unwritable_reject_file_leaves_no_generation(tmp_path, bridge):
    x = X.copy()
    x[4] = np.nan
    (tmp_path / "new.rejects.csv").mkdir()
    with pytest.raises(StorageError, match="rejects"):
        translate(x, bridge, tmp_path / "new", drop_invalid=True)
    with pytest.raises(FormatError):
        isthmus.open(tmp_path / "new")
    (tmp_path / "new.rejects.csv").rmdir()
    assert len(translate(x, bridge, tmp_path / "new", drop_invalid=True)) == N - 1


# -- real processes ------------------------------------------------------------------------------

#: Imports once, then forks a process for each target it is told; tells how each one ended.
_NURSERY = """
import os, sys, time, traceback
from isthmus.upgrade.translate import translate
import isthmus.spaces.formats.npz, pyarrow.parquet
from isthmus.bridges.bridge import load
bridge = load(sys.argv[2])
os.fsync = lambda fd: None
def slowly(done):
    time.sleep(0.004)
def work(target):
    try:
        translate(sys.argv[1], bridge, target, rows_per_shard=10, progress=slowly)
    except BaseException as error:
        os._exit(getattr(error, "exit_code", 99))
    os._exit(0)
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
    def __init__(self, old, file):
        self.process = subprocess.Popen(
            [sys.executable, "-c", _NURSERY, old, file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, text):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(self, target):
        return self.ask(f"start {target}")

    def wait(self, pid):
        return self.ask(f"wait {pid}")


@pytest.fixture
def nursery(tmp_path, bridge, old):
    found = Nursery(old, bridge.save(tmp_path / "b.isthmus"))
    yield found
    found.process.kill()
    found.process.communicate()


def test_kill_9_at_any_moment(tmp_path, bridge, old, nursery, faults):
    began = time.perf_counter()
    assert nursery.wait(nursery.start(tmp_path / "calm")) == 0
    whole = time.perf_counter() - began
    calm = tree(tmp_path / "calm")
    draw = random.Random(time.time_ns())
    states = []
    for moment in range(12):
        target = tmp_path / f"killed{moment}"
        pid = nursery.start(target)
        # One in each twelfth of the run, and one past its end.
        time.sleep(whole * (moment + draw.random()) / 11)
        os.kill(pid, signal.SIGKILL)
        ended = nursery.wait(pid)
        assert ended in (0, -signal.SIGKILL)
        states.append((len(list(target.glob("writing/0*.json"))), ended))
        committed = bool(list(target.glob("manifest-*.json")))
        moved = translate(old, bridge, target, rows_per_shard=10)
        if len(list(target.glob("manifest-*.json"))) == 2:
            # All was done before the signal came: an equal second generation.
            assert committed
            assert tree(target).items() >= calm.items()
        else:
            assert tree(target) == calm, states
        assert moved.ids.tolist() == TEXT.tolist()
    # The signals must have met the work: unfinished jobs of several lengths.
    assert len({count for count, ended in states if ended and 0 < count < 60}) >= 3, states
    faults("kills of a driver on threads", len(states))


def test_ctrl_c_leaves_a_job_to_go_on_with(tmp_path, bridge, old, faults):
    faults("Ctrl-C")
    file = bridge.save(tmp_path / "b.isthmus")
    calm = tree(translate(old, bridge, tmp_path / "calm", rows_per_shard=10).path)
    code = (
        "import signal, sys, time, isthmus\n"
        # Whoever runs the tests in the background has told its children to ignore Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import isthmus.upgrade.translate as t\n"
        "real = t.translate\n"
        "def slowly(done):\n"
        "    print(done, flush=True, file=sys.__stdout__); time.sleep(0.05)\n"
        "isthmus.translate = lambda s, b, p, **o: real(\n"
        "    s, b, p, **{**o, 'progress': slowly, 'rows_per_shard': 10})\n"
        "sys.argv[0] = 'isthmus'\n"
        "from isthmus.cli.main import main; main()\n"
    )
    command = [sys.executable, "-c", code, "translate", old, "-b", file, "-o", tmp_path / "new"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(12):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said == "Interrupted. Run the same command again to go on.\n"
    assert 3 < len(list((tmp_path / "new" / "writing").glob("*.npy"))) < 40
    translate(old, bridge, tmp_path / "new", rows_per_shard=10)
    assert tree(tmp_path / "new") == calm


def test_two_at_once_share_the_job_or_one_is_refused(tmp_path, bridge, nursery, faults):
    faults("rival writers")
    assert nursery.wait(nursery.start(tmp_path / "calm")) == 0
    calm = tree(tmp_path / "calm")
    both = [nursery.start(tmp_path / "new") for _ in range(2)]
    ends = [nursery.wait(pid) for pid in both]
    assert 0 in ends
    assert set(ends) <= {0, StorageError.exit_code}
    found = tree(tmp_path / "new")
    assert found.items() >= calm.items()
    moved = isthmus.open(tmp_path / "new")
    assert moved.ids.tolist() == TEXT.tolist()
    np.testing.assert_allclose(moved.vectors(), exact(bridge), atol=1e-4)


def test_two_threads_at_once(tmp_path, bridge, faults):
    faults("rival writers")
    failed = []

    def work():
        try:
            translate(X, bridge, tmp_path / "new", rows_per_shard=10)
        except StorageError as error:
            failed.append(error)

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(failed) < 2
    np.testing.assert_allclose(isthmus.open(tmp_path / "new").vectors(), exact(bridge), atol=1e-4)


@pytest.mark.parametrize("kind", ["file", "array"])
def test_work_already_done_is_not_done_again(tmp_path, bridge, old, kind):
    """A kill after the commit, then the same command: the same bytes, no second generation."""
    source = old if kind == "file" else isthmus.open(X)
    first = tree(translate(source, bridge, tmp_path / "new", rows_per_shard=50).path)
    seen = []
    again = translate(source, bridge, tmp_path / "new", rows_per_shard=50, progress=seen.append)
    assert tree(again.path) == first
    assert seen == [N]
    assert (
        translate(source, bridge, tmp_path / "new", dtype="float16").provenance["generation"] == 2
    )


def test_a_source_changed_in_any_row_is_translated_anew(tmp_path, bridge):
    many = np.tile(X, (10, 1))  # more rows than the sample that is looked at
    np.save(tmp_path / "x.npy", many)
    translate(tmp_path / "x.npy", bridge, tmp_path / "new")
    many[1] *= 2
    np.save(tmp_path / "x.npy", many)
    moved = translate(tmp_path / "x.npy", bridge, tmp_path / "new")
    assert moved.provenance["generation"] == 2
    np.testing.assert_allclose(moved.take([1])[0], bridge(many[1]), rtol=1e-4, atol=1e-5)
