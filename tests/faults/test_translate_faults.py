"""A full disk, damaged jobs and Ctrl-C: typed, tidy, and right after the rerun."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, StorageError
from isthmus.engine import Processes
from isthmus.spaces import durable
from isthmus.upgrade.translate import translate

N, DIM = 6000, 64


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    rng = np.random.default_rng(7)
    x = (rng.normal(size=(N, DIM)) * np.linspace(3, 0.3, DIM) + 0.5).astype(np.float32)
    np.savez(folder / "old.npz", vectors=x, ids=[f"é{i}" for i in range(N)])
    isthmus.fit(x, x[:, ::-1] * 2, method="affine").save(folder / "b.isthmus")
    return folder


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """Nothing here cuts the power, which is all that fsync is for."""
    monkeypatch.setattr(durable.os, "fsync", lambda fd: None)


@pytest.fixture(scope="module")
def ends(collection):
    return collection / "old.npz", collection / "b.isthmus"


@pytest.fixture(scope="module")
def calm(ends, tmp_path_factory):
    return tree(translate(*ends, tmp_path_factory.mktemp("calm") / "new", rows_per_shard=500).path)


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def unfinished(ends, path, shards=4):
    """A job that was stopped after so many of its twelve shards."""

    def stop(done):
        if done > 500 * shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate(*ends, path, rows_per_shard=500, progress=stop)
    assert len(list((path / "writing").glob("[0-9]*.json"))) == shards
    return path / "writing"


@pytest.mark.parametrize("engine", [None, Processes(2)], ids=str)
def test_a_disk_that_runs_full(ends, small_disk, tmp_path, calm, engine, faults):
    faults("full disks")
    target = small_disk / "new"
    with pytest.raises(StorageError, match="No space left on device"):
        translate(*ends, target, rows_per_shard=500, engine=engine)
    with pytest.raises(FormatError, match="still being written"):
        isthmus.open(target)
    records = sorted(file.stem for file in (target / "writing").glob("[0-9]*.json"))
    assert 0 < len(records) < 12
    # With more room the finished shards count, and the rest is written.
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    before = {file: file.stat().st_mtime_ns for file in (target / "writing").glob("*.npy")}
    assert len(before) == len(records)  # nothing half written
    translate(*ends, target, rows_per_shard=500, engine=engine)
    assert tree(target) == calm


def test_a_bit_flipped_in_a_finished_shard_is_never_read_as_sound(ends, tmp_path, calm, faults):
    faults("flipped bits")
    writing = unfinished(ends, tmp_path / "new")
    record = json.loads((writing / "00002.json").read_text())
    file = writing / record["vectors"]["file"]
    data = bytearray(file.read_bytes())
    data[-9] ^= 4
    file.write_bytes(data)
    moved = translate(*ends, tmp_path / "new", rows_per_shard=500)
    assert {name for name, data in tree(moved.path).items() if data != calm[name]} == {
        "shards/00002.npy"
    }
    with pytest.raises(FormatError, match=r"00002\.npy.*damaged block 0"):
        moved.vectors()


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"\0" * 40, b"[1, 2", b"[" * 100_000, b'{"rows": -1}', b'"' * 9]
)
def test_a_damaged_record_costs_its_shard_only(ends, tmp_path, calm, text, faults):
    faults("corrupted job files")
    writing = unfinished(ends, tmp_path / "new")
    (writing / "00001.json").write_bytes(text)
    kept = json.loads((writing / "00002.json").read_text())["vectors"]["file"]
    written = (writing / kept).stat().st_mtime_ns
    translate(*ends, tmp_path / "new", rows_per_shard=500)
    assert tree(tmp_path / "new") == calm
    assert (tmp_path / "new" / "shards" / "00002.npy").stat().st_mtime_ns == written


@pytest.mark.parametrize("file", ["vectors", "ids"])
def test_a_finished_shard_that_lost_its_file_is_written_anew(ends, tmp_path, calm, file, faults):
    faults("lost shards")
    writing = unfinished(ends, tmp_path / "new")
    record = json.loads((writing / "00001.json").read_text())
    (writing / record[file]["file"]).unlink()
    translate(*ends, tmp_path / "new", rows_per_shard=500)
    assert tree(tmp_path / "new") == calm


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"\0" * 40, b"[" * 100_000, b"null",
        b'{"facts": {}, "generation": "1", "first": 0}',
        b'{"facts": {}, "generation": -1, "first": 0}',
        b'{"facts": [], "generation": 1, "first": 0}',
        b'{"facts": {}, "generation": true, "first": 0}',
    ],
)  # fmt: skip
def test_a_damaged_job_is_named_with_its_cure(ends, tmp_path, calm, text, faults):
    faults("corrupted job files")
    writing = unfinished(ends, tmp_path / "new")
    (writing / "job.json").write_bytes(text)
    before = tree(tmp_path / "new")
    with pytest.raises(FormatError, match=r"damaged writing/job\.json.*Remove .*writing"):
        translate(*ends, tmp_path / "new", rows_per_shard=500)
    assert tree(tmp_path / "new") == before
    shutil.rmtree(writing)
    translate(*ends, tmp_path / "new", rows_per_shard=500)
    assert tree(tmp_path / "new") == calm


def test_a_worker_s_bridge_in_the_job_is_not_trusted(ends, tmp_path, calm, faults):
    """The driver writes it anew: what lay there, from whom, does not matter."""
    faults("corrupted job files")
    writing = unfinished(ends, tmp_path / "new")
    (writing / "bridge.isthmus").write_bytes(b"garbage")
    translate(*ends, tmp_path / "new", rows_per_shard=500, engine=Processes(1))
    assert tree(tmp_path / "new") == calm


def test_ctrl_c_stops_driver_and_workers(ends, tmp_path, faults):
    """As a terminal sends it: to the whole group. One line is said, no traceback."""
    faults("Ctrl-C")
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import isthmus.upgrade.translate as t, isthmus\n"
        "real = t.translate\n"
        "isthmus.translate = lambda *a, **o: real(*a, **{**o, 'rows_per_shard': 60})\n"
        "sys.argv[0] = 'isthmus'\n"
        "from isthmus.cli.main import main; main()\n"
    )
    command = [
        sys.executable, "-c", code, "translate", ends[0], "-b", ends[1], "-o", tmp_path / "new",
        "--engine", "processes", "--workers", "2", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while len(list((tmp_path / "new" / "writing").glob("[0-9]*.json"))) < 5:
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said == ("", "Interrupted. Run the same command again to go on.\n")
    assert 5 <= len(list((tmp_path / "new" / "writing").glob("[0-9]*.json"))) < 99
    calm = translate(*ends, tmp_path / "calm", rows_per_shard=60)
    moved = translate(*ends, tmp_path / "new", rows_per_shard=60)
    assert tree(moved.path) == tree(calm.path)
