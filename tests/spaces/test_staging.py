"""Staging: what lies in the way is refused, kept or tidied; a living writer loses nothing."""

import json
import os
from dataclasses import asdict

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.directory import SpaceWriter, write_space
from isthmus.spaces.durable import DurableFile, keep_alive
from isthmus.spaces.manifest import Shard
from isthmus.spaces.staging import (
    JOB_BRIDGE,
    check_target,
    discard,
    holds,
    read_job,
    remove_leftovers,
)

V = np.arange(8, dtype=np.float32).reshape(4, 2)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def stored(path, data=b"abc"):
    """A finished file of that name, and its record."""
    file = DurableFile(path)
    file.write(data)
    record = file.finish()
    file.close()
    return record


# -- targets -----------------------------------------------------------------------------------


def test_new_paths_empty_folders_and_space_directories_may_be_written(tmp_path):
    check_target(tmp_path / "new", "write")
    check_target(tmp_path / "new" / "deeper", "write")
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty", "write")
    write_space(tmp_path / "space", V)
    check_target(tmp_path / "space", "write")


def test_what_a_first_writer_left_unfinished_is_no_obstacle(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=2, resumable=True)
    writer.close()
    assert names(tmp_path / "s") == ["writing"]
    check_target(tmp_path / "s", "write")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.write_bytes(b"x"), "a file that exists"),
        (lambda p: (p.mkdir(), (p / "a.txt").touch()), "a folder with other things in it"),
        (lambda p: (p.mkdir(), (p / "writing").mkdir(), (p / "a").touch()), "a folder with other"),
    ],
)
def test_anything_else_is_refused_and_untouched(tmp_path, make, said):
    path = tmp_path / "there"
    make(path)
    before = names(tmp_path), names(path) if path.is_dir() else path.read_bytes()
    with pytest.raises(StorageError, match=rf"write: got {said}.*nothing was touched"):
        check_target(path, "write")
    assert before == (names(tmp_path), names(path) if path.is_dir() else path.read_bytes())


def test_an_address_of_a_database_is_no_path(tmp_path):
    with pytest.raises(InputError, match="begins like an address"):
        check_target("qdrant://here/items", "write")
    assert names(tmp_path) == []


# -- leavings ----------------------------------------------------------------------------------


def test_folders_of_dead_writers_go_and_those_of_living_ones_stay(tmp_path):
    for name in ("writing-1-dead", "writing-2-alive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.npy").touch()
    held = keep_alive(tmp_path / "writing-2-alive")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["writing-2-alive"]
    os.close(held)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_of_a_resumable_job_what_its_records_name_stays(tmp_path):
    folder = tmp_path / "writing"
    folder.mkdir()
    shard = Shard(4, stored(folder / "v.npy"), stored(folder / "v.ids.parquet"))
    (folder / "00000.json").write_text(json.dumps(asdict(shard)))
    (folder / "job.json").write_text("{}")
    for name in (JOB_BRIDGE, "torn.npy", "torn.ids.parquet", "00001.json.ab12.tmp"):
        (folder / name).touch()
    alive = DurableFile(folder / "alive.npy")
    remove_leftovers(tmp_path)
    kept = ["00000.json", JOB_BRIDGE, "job.json", "v.ids.parquet", "v.npy"]
    assert names(folder) == sorted([*kept, "alive.npy"])
    alive.close()
    remove_leftovers(tmp_path)
    assert names(folder) == sorted(kept)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rows": 4}', '{"rows": 1e999}'])
def test_a_damaged_record_goes_with_its_files(tmp_path, text):
    folder = tmp_path / "writing"
    folder.mkdir()
    stored(folder / "v.npy")
    (folder / "00000.json").write_text(text)
    (folder / "²3.json").write_text(text)  # no number of ours
    remove_leftovers(tmp_path)
    assert names(folder) == ["²3.json"]


def test_where_nothing_lies_nothing_is_done(tmp_path):
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


# -- jobs --------------------------------------------------------------------------------------


def test_a_jobs_file_is_read_back(tmp_path):
    job = {"facts": {"dim": 2}, "generation": 3, "first": 0}
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert read_job(tmp_path / "job.json") == job


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "3", "{}",
        '{"facts": {}, "generation": 1}',
        '{"facts": [], "generation": 1, "first": 0}',
        '{"facts": {}, "generation": true, "first": 0}',
        '{"facts": {}, "generation": -1, "first": 0}',
        '{"facts": {}, "generation": 1.5, "first": 0}',
    ],
)  # fmt: skip
def test_a_damaged_jobs_file_is_refused_with_the_cure(tmp_path, text):
    folder = tmp_path / "space" / "writing"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(text)
    with pytest.raises(FormatError, match="go on in space: .*damaged writing/job.json.*Remove "):
        read_job(folder / "job.json")


def test_a_jobs_folder_is_removed_though_a_worker_still_writes_there(tmp_path, monkeypatch):
    folder = tmp_path / "writing"
    folder.mkdir()
    (folder / "part.npy").touch()
    real, calls = os.rmdir, []

    def late(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 1:  # a file appears between the last look and the removal
            (folder / "late.npy").touch()
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "rmdir", late)
    discard(folder)
    assert not folder.exists()
    assert len(calls) == 2
    discard(folder)  # again: nothing to do


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda p: None, True),
        (lambda p: p.write_bytes(b"abd"), False),
        (lambda p: p.write_bytes(b"ab"), False),
        (lambda p: p.write_bytes(b"abcd"), False),
        (lambda p: p.unlink(), False),
        (lambda p: (p.unlink(), p.mkdir()), False),
    ],
)
def test_a_file_holds_what_was_recorded_to_the_last_bit(tmp_path, change, expected):
    path = tmp_path / "v.npy"
    record = stored(path)
    change(path)
    assert holds(path, record) is expected


def test_every_block_of_a_long_file_is_checked(tmp_path):
    path = tmp_path / "v.npy"
    data = bytearray(os.urandom(9 << 20))
    record = stored(path, data)
    assert len(record.checksums) == 3
    for place in (0, 5 << 20, len(data) - 1):
        bad = data.copy()
        bad[place] ^= 1
        path.write_bytes(bad)
        assert not holds(path, record)
