"""A job's folder: damaged files are told apart from torn ones, and no secret is in any of them."""

import json
import os
import sys

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError, IsthmusError, StorageError
from isthmus.spaces.stores import STORES, Address, connect, create
from isthmus.spaces.stores.store import Rows
from isthmus.testing import file_store
from isthmus.upgrade import job_folder, job_journal
from isthmus.upgrade.job import Job
from isthmus.upgrade.job_journal import Journal
from isthmus.upgrade.job_status import jobs

SECRET = "open-sesame-7"
X = (np.random.default_rng(3).normal(size=(60, 6)) * np.linspace(3, 0.3, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def bridge():
    return isthmus.fit(X, X[:, ::-1], method="affine")


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    monkeypatch.setitem(STORES, file_store.SCHEME, file_store.TRAITS)
    monkeypatch.setitem(sys.modules, f"isthmus.spaces.stores.{file_store.SCHEME}", file_store)
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def job(tmp_path, bridge):
    place = f"filestore://{tmp_path}/docs"
    with create(place, dim=6, metric=None, id_kind="int") as store:
        store.upsert(Rows(np.arange(60), X))
    return Job.start(place, bridge, batch=10, job="job")


def content(job, *, shadow):
    with connect(job.file.source) as store:
        if shadow:
            store = store.shadow(job.file.id, dim=6, metric=None)
        return store.ids().tolist(), store.fetch(store.ids()).vectors.tobytes()


def damaged(path, how):
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "garbage":
        path.write_bytes(np.random.default_rng(0).bytes(len(data)))
    elif how == "a flipped bit":
        path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    else:
        path.unlink()


HOW = ["truncated", "garbage", "a flipped bit", "missing"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["job.json", "bridge.isthmus"])
def test_a_damaged_file(job, name, how, faults):
    faults("corrupted job files")
    job.run()
    damaged(job.path / name, how)
    with pytest.raises(FormatError) as error:
        Job.open("job").run()
    assert f"job/{name}" in str(error.value)
    assert error.value.cure
    if name == "bridge.isthmus":  # what needs no bridge still goes
        assert Job.open("job").cutover().state == "live"
        assert Job.open("job").rollback().state == "rolled back"
    else:
        assert jobs(".")[0].state == "damaged"
        assert "job.json" in str(jobs(".")[0])


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_journal(job, how, faults):
    faults("corrupted job files")
    calm = job.run().state, content(job, shadow=True)
    damaged(job.path / "journal.jsonl", how)
    if how in ("garbage", "a flipped bit"):
        with pytest.raises(FormatError, match="journal.jsonl.*Remove") as error:
            Job.open("job").run()
        assert "damaged line" in str(error.value)
        (job.path / "journal.jsonl").unlink()  # the cure
    assert (Job.open("job").run().state, content(job, shadow=True)) == calm


def test_a_lost_journal_after_the_cutover(job, faults):
    faults("corrupted job files")
    job.run()
    job.cutover()
    served = content(job, shadow=False)
    (job.path / "journal.jsonl").unlink()
    assert Job.open("job").run().state == "live"
    assert content(job, shadow=False) == served
    job.rollback()
    assert content(job, shadow=False)[1] == X.tobytes()


def test_a_journal_cut_at_any_byte_loses_no_more_than_its_last_step(job):
    job.run()
    whole, wanted = (job.path / "journal.jsonl").read_bytes(), content(job, shadow=True)
    steps = job_journal.read(job.path)
    for end in range(0, len(whole), 37):
        (job.path / "journal.jsonl").write_bytes(whole[:end])
        assert job_journal.read(job.path) == steps[: whole[:end].count(b"\n")]
        assert job.run().state == "ready"
        assert content(job, shadow=True) == wanted


def test_a_step_that_isthmus_does_not_write(job):
    with Journal(job.path) as journal:
        journal.add("pass", number=1)  # without its stamp
        journal.add("paused")
    with pytest.raises(FormatError, match="wrong 'pass' in line 1"):
        job.run()


@pytest.mark.parametrize(
    "change",
    [{"id": "../../x"}, {"id": ""}, {"source": 3}, {"batch": 0}, {"batch": True}, {"rows": -1},
     {"bridge": {}}, {"bridge": []}, {"more": 1}, {"version": 2}, {"metric": []}, {"to": ""}],
    ids=str,
)  # fmt: skip
def test_facts_that_isthmus_does_not_write(job, change):
    path = job.path / "job.json"
    data = json.loads(path.read_text())
    data.pop("checksum")
    data |= change
    data["checksum"] = job_folder._crc(data)  # whoever forges one can add up
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match="job/job.json"):
        Job.open("job")


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '{"a": 1, "a": 1}', "é"])
def test_hostile_facts(job, text, faults):
    faults("corrupted job files")
    (job.path / "job.json").write_text(text)
    with pytest.raises(FormatError, match="job/job.json"):
        Job.open("job")


def test_no_job(tmp_path, job):
    for path in ("nowhere", tmp_path, tmp_path / "docs"):
        with pytest.raises(StorageError, match="no job there"):
            Job.open(path)


def test_a_folder_made_by_a_process_that_died_is_made_again(job, bridge):
    (job.path / "job.json").unlink()
    (job.path / ".job.json.abc.tmp").write_text("{")
    assert Job.start(job.file.source, bridge, batch=10, job="job").run().state == "ready"


# -- secrets -------------------------------------------------------------------------------------


def keyed(place, **secret):
    """The address with a password and a key, as a database behind a login would have them."""
    address = Address.parse(place)
    return f"filestore://me:{SECRET}@db{address.local}?api_key={SECRET}"


class Locked(file_store.FileStore):
    """Opens for those who know the password alone."""

    @classmethod
    def open(cls, address):
        if address.password != SECRET or address.options.get("api_key") != SECRET:
            raise StorageError(f"open {address.redacted}", "no password", "one")
        return super().open(address)


@pytest.fixture
def locked(monkeypatch, job):
    monkeypatch.setattr(file_store, "FileStore", Locked)
    return keyed(job.file.source)


def test_a_secret_is_never_written_and_is_asked_for_again(
    locked, bridge, tmp_path, monkeypatch, capsys
):
    job = Job.start(locked, bridge, batch=10, job="locked")
    assert job.run().state == "ready"
    job.cutover()
    job.rollback()
    said = [repr(job), str(job.status()), json.dumps(job.status().as_dict())]
    with pytest.raises(StorageError, match="no password") as error:
        Job.open("locked").run()
    said += [str(error.value), repr(error.value), str(error.value.__dict__)]
    with pytest.raises(InputError) as error:
        Job.open("locked", source=locked.replace("docs", "others"))
    said.append(str(error.value))
    assert Job.open("locked", source=locked).run().state == "ready"
    monkeypatch.setenv("ISTHMUS_SOURCE", locked)
    assert Job.open("locked").cutover().state == "live"
    monkeypatch.setenv("ISTHMUS_SOURCE", locked.replace("docs", "others"))  # another job's
    with pytest.raises(StorageError, match="no password"):
        Job.open("locked").rollback()
    for wrong in (f"FILESTORE://me:{SECRET}@db/x", f"filestore://me:{SECRET}@db:port/x"):
        with pytest.raises(IsthmusError) as error:
            Job.start(wrong, bridge, to=None)
        said.append(str(error.value))
        with pytest.raises(IsthmusError) as error:
            Job.start("x.npz", bridge, to=wrong)
        said.append(str(error.value))
    captured = capsys.readouterr()
    said += [captured.out, captured.err]
    said += [f.read_bytes().decode(errors="replace") for f in tmp_path.rglob("*") if f.is_file()]
    assert not [text for text in said if SECRET in text]
    assert sum("me@db" in text for text in said) > 2


def test_the_search_for_the_secret_would_find_it(job, tmp_path):
    (job.path / "README.txt").write_text(f"me:{SECRET}@db")
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert [f.name for f in files if SECRET in f.read_bytes().decode(errors="replace")] == [
        "README.txt"
    ]


def test_one_unreadable_job_does_not_hide_the_others(tmp_path):
    for name in ("bad\nname", "worse"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text("x")
    (tmp_path / "worse" / "journal.jsonl").mkdir()
    found = jobs(tmp_path)
    assert [one.state for one in found] == ["damaged", "damaged"]
    lines = "\n".join(map(str, found)).splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert sum(line.endswith(": damaged") for line in lines) == 2
