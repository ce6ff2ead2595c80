"""The journal of a job: whole lines or none, one writer, damage told from a torn end."""

import json

import pytest

from isthmus.core.errors import FormatError, StorageError
from isthmus.upgrade import job_journal
from isthmus.upgrade.job_journal import NAME, Journal, busy, read


@pytest.fixture
def three(tmp_path):
    with Journal(tmp_path) as journal:
        for number in range(3):
            journal.add("pass", number=number, ids=["é", number])
    return tmp_path


def test_steps_come_back_as_they_were_written(three):
    found = read(three)
    assert [(one["step"], one["number"], one["ids"]) for one in found] == [
        ("pass", number, ["é", number]) for number in range(3)
    ]
    with Journal(three) as journal:
        assert journal.steps == found
        journal.add("paused")
        assert journal.steps == read(three)
    assert [one["step"] for one in read(three)] == ["pass"] * 3 + ["paused"]


def test_no_journal_is_no_step(tmp_path):
    assert read(tmp_path) == []
    assert not busy(tmp_path)


def test_cut_anywhere_it_holds_the_whole_lines_and_the_next_writer_goes_on(three):
    data = (three / NAME).read_bytes()
    ends = [at + 1 for at, sign in enumerate(data) if sign == ord("\n")]
    for cut in range(len(data)):
        (three / NAME).write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        assert len(read(three)) == whole
        with Journal(three) as journal:
            journal.add("paused")
        assert [one["step"] for one in read(three)] == ["pass"] * whole + ["paused"]


def test_a_flipped_bit_in_any_line_but_the_last_is_damage_and_says_which(three):
    data = (three / NAME).read_bytes()
    first, second = data.index(b"\n"), data.index(b"\n", data.index(b"\n") + 1)
    for place in (0, first // 2, first - 3, first + 5, second - 12):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        (three / NAME).write_bytes(spoilt)
        line = 1 if place < first else 2
        for opened in (read, Journal):
            with pytest.raises(FormatError, match=f"a damaged line {line} of 3") as raised:
                opened(three)
            assert "run the job again" in str(raised.value)
        assert (three / NAME).read_bytes() == spoilt


@pytest.mark.parametrize("text", ["[1]", "{}", '{"step":1}', "null"])
def test_a_line_that_is_no_step_is_damage_though_its_sum_is_right(three, text):
    whole = (three / NAME).read_bytes()
    body = text.encode()
    line = body[:-1] + b',"crc":"' + f"{job_journal.zlib.crc32(body):08x}".encode() + b'"}\n'
    (three / NAME).write_bytes(line + whole)
    with pytest.raises(FormatError, match="a damaged line 1 of 4"):
        read(three)


def test_one_writer_at_a_time_and_readers_see_that_one_is_there(three):
    assert not busy(three)
    with Journal(three) as journal:
        assert busy(three)
        with pytest.raises(StorageError, match="another process that is at it") as raised:
            Journal(three)
        assert "--pause" in str(raised.value)
        journal.add("paused")
    assert not busy(three)
    assert len(read(three)) == 4


def test_what_json_cannot_hold_is_not_half_written(three):
    before = (three / NAME).read_bytes()
    with Journal(three) as journal:
        for fact in (float("nan"), {1, 2}):
            with pytest.raises((ValueError, TypeError)):
                journal.add("range", sum=fact)
        assert len(journal.steps) == 3
    assert (three / NAME).read_bytes() == before


def test_every_line_is_json_for_other_tools(three):
    lines = (three / NAME).read_text("utf-8").splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]
