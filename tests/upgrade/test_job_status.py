"""Status of a job: every state from a journal written by hand, and what can be done then."""

from types import SimpleNamespace

import pytest

from isthmus.core.errors import FormatError
from isthmus.upgrade import job_folder, job_status
from isthmus.upgrade.job_journal import NAME, Journal
from isthmus.upgrade.job_status import Status, found, jobs

PASS = ("pass", {"number": 1, "stamp": "a"})
RANGE = ("range", {"last": 9, "rows": 10, "sum": "s", "written": 8, "rejected": [3, 4]})
PASSED = ("passed", {"removed": 0})
PROOF = ("verified", {"rows": 8, "sample": 8, "identical": 8, "stamp": "a"})
RUN = [PASS, RANGE, PASSED, PROOF]


def act(name, *, done=True, live=False, **more):
    return (name, {"done": done, "live": live, **more})


def file(to=None):
    return SimpleNamespace(
        id="ab12", created="2024-05-06", source="faiss:///docs", to=to, rows=12,
        bridge={"method": "affine"},
    )  # fmt: skip


def written(folder, steps):
    folder.mkdir(exist_ok=True)
    with Journal(folder) as journal:
        for step, facts in steps:
            journal.add(step, **facts)
    return folder


STATES = {
    "new": ([], "jobs --resume"),
    "unfinished": ([PASS, RANGE], "jobs --resume"),
    "ready": (RUN, "upgrade --cutover"),
    "cutover": ([*RUN, act("cutover", done=False)], "upgrade --cutover"),
    "live": ([*RUN, act("cutover", done=False), act("cutover", live=True)], "upgrade --rollback"),
    "rolled back": (
        [*RUN, act("cutover", live=True), act("rollback", done=False, live=True, rows=12),
         act("rollback", rows=8)],
        "jobs --resume",
    ),
    "dropped": ([*RUN, act("drop", done=False), act("drop")], "jobs --resume"),
    "finished": ([*RUN, act("cutover", live=True), act("drop", live=True)], None),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_every_state_and_what_comes_next(tmp_path, state):
    steps, command = STATES[state]
    found = Status.of(written(tmp_path / "a job", steps), file())
    assert found.state == state
    first = next(iter(found.next.values()), None)
    assert (first and first.startswith(f"isthmus {command}")) is (command and True)
    assert first is None or first.endswith(f"'{tmp_path}/a job'")  # quoted for a shell
    assert f"a job: {state}" in str(found)
    assert found.as_dict()["next"] == found.next
    assert found.rows == 12
    if steps and state not in ("dropped", "finished"):
        assert (found.done, found.rejected, found.passes) == (10, 2, 1)
    assert found.lost == (4 if state == "rolled back" else 0)
    assert ("4 rows written since the cutover" in str(found)) is (state == "rolled back")


def test_a_running_and_a_paused_job_say_so(tmp_path):
    folder = written(tmp_path / "job", [PASS, RANGE])
    with Journal(folder):
        assert Status.of(folder, file()).state == "running"
        assert "--pause" in str(Status.of(folder, file()))
    (folder / job_folder.PAUSE).touch()
    paused = Status.of(folder, file())
    assert paused.state == "paused"
    assert "10 of about 12 rows, pass 1" in str(paused)


def test_a_proof_to_rounding_is_not_called_bit_for_bit(tmp_path):
    near = ("verified", {**PROOF[1], "identical": 5})
    text = str(Status.of(written(tmp_path / "job", [*RUN[:-1], near]), file()))
    assert "of 8 drawn at random 5 are the bridge's bit for bit, the rest to rounding" in text
    assert "2 rows left out" in text


def test_another_collection_is_not_cut_over(tmp_path):
    ready = Status.of(written(tmp_path / "job", RUN), file(to="faiss:///copy"))
    assert ready.state == "ready"
    assert ready.next == {}
    assert "-> faiss:///copy" in str(ready)
    assert "Point your service at it" in str(ready)


def test_a_damaged_folder_is_a_state_and_its_name_no_line_of_its_own(tmp_path):
    folder = tmp_path / "job\nlive"
    folder.mkdir()
    (folder / NAME).write_text("rubbish\nand more\n")
    with pytest.raises(FormatError):
        Status.of(folder, file())
    damaged = Status.in_folder(folder)
    assert (damaged.state, damaged.next) == ("damaged", {})
    assert str(damaged).splitlines()[0].endswith("job?live: damaged")
    assert [one.state for one in jobs(tmp_path)] == ["damaged"]


def test_jobs_are_found_by_folder_name_and_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert jobs() == []
    assert found(tmp_path / "nothing") == tmp_path / "nothing"
    one = written(job_status.JOBS, []) / "docs-ab12"
    written(one, RUN)
    (job_status.JOBS / "notes").mkdir()
    monkeypatch.setattr(job_folder, "read", lambda folder: file())
    (told,) = jobs()
    assert (told.state, told.id) == ("ready", "ab12")
    from pathlib import Path

    assert found(Path("docs-ab12")) == found(Path("ab12")) == one
    assert found(Path("other")) == Path("other")
