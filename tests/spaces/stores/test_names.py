"""Names change places by single calls, and say after any cut which file serves."""

import contextlib
import os
from pathlib import Path

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import names as module
from isthmus.spaces.stores.names import JOURNAL, Names, fitting, new_file


class Cut(BaseException):
    """The process dies here."""


@pytest.fixture
def names(tmp_path):
    """A collection's file that says "old", and the shadow of the job j that says "new"."""
    (tmp_path / "c.faiss").write_text("old")
    found = Names(tmp_path / "c.faiss", "c")
    found.of("j").write_text("new")
    return found


def said(names):
    return {e.name.removeprefix("c.faiss"): e.read_text() for e in names.path.parent.iterdir()}


@contextlib.contextmanager
def cut_after(calls, monkeypatch):
    """Die instead of the call to the file system after so many."""
    left = [calls]

    def counted(real):
        def call(*args, **kwargs):
            if not left[0]:
                raise Cut
            left[0] -= 1
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", counted(os.link))
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        with pytest.raises(Cut):
            yield


def test_a_cutover_and_its_rollback(names):
    assert names.state("j") == "shadow"
    names.cutover("j")
    assert said(names) == {"": "new", "_isthmus_j_old": "old"}
    assert names.state("j") == "live"
    names.cutover("j")  # a second time there is nothing to do
    names.rollback("j")
    names.rollback("j")
    assert said(names) == {"": "old", "_isthmus_j": "new"}


@pytest.mark.parametrize("calls", range(3))
def test_a_cut_cutover_leaves_one_that_serves_and_is_ended_by_repeating(names, calls, monkeypatch):
    with cut_after(calls, monkeypatch):
        names.cutover("j")
    assert names.path.read_text() == "old"
    assert names.state("j") == "shadow"
    names.cutover("j")
    assert said(names) == {"": "new", "_isthmus_j_old": "old"}


@pytest.mark.parametrize("calls", range(4))
def test_a_cut_rollback_is_ended_by_repeating(names, calls, monkeypatch):
    names.cutover("j")
    with cut_after(calls, monkeypatch):
        names.rollback("j")
    assert names.path.read_text() == "new"
    assert names.state("j") == "live"
    names.rollback("j")
    assert said(names) == {"": "old", "_isthmus_j": "new"}


def test_what_never_was_can_neither_be_cut_over_nor_rolled_back(names):
    with pytest.raises(StorageError, match="no shadow of the job 'k'"):
        names.cutover("k")
    with pytest.raises(StorageError, match="no old vectors of the job 'k'.*never happened"):
        names.rollback("k")


def test_a_file_replaced_half_way_is_not_guessed_at(names):
    names.of("j", "_old").write_text("older")
    with pytest.raises(StorageError, match="both a shadow and old vectors"):
        names.state("j")


@pytest.mark.parametrize("job", ["", "a/b", "x_old", "x_back", "x" + JOURNAL])
def test_jobs_whose_names_would_be_another_files_are_refused(names, job):
    with pytest.raises(InputError, match="a name without '/'"):
        names.of(job)


@pytest.mark.parametrize("sign", ["n", "é", "\u4e2d"])
def test_names_are_as_long_as_file_systems_keep_them(names, sign):
    fits = names.path.with_name(sign * (255 // len(sign.encode())))
    fitting(fits).touch()
    with pytest.raises(InputError, match="takes 25[678] bytes; expected at most 255.*a shorter na"):
        fitting(fits.with_name(fits.name + sign))
    with pytest.raises(InputError, match="takes 256 bytes"):  # its journal's name
        Names(names.path.with_name("n" * 240), "n")
    longest = "j" * (255 - len("c.faiss_isthmus__back"))
    assert names.state(longest) == "absent"
    with pytest.raises(InputError, match="at most 255.*or its job"):
        names.state(longest + "j")


def test_jobs_are_those_with_any_file_and_no_others(names):
    for ending in ("k" + JOURNAL, "m_old", "n_back"):
        (names.path.parent / f"c.faiss_isthmus_{ending}").touch()
    (names.path.parent / "d.faiss_isthmus_z").touch()
    assert names.jobs() == ("j", "k", "m", "n")


def test_dropping_leaves_what_serves_and_other_jobs(names):
    names.of("k").write_text("other")
    names.of("j", JOURNAL).touch()
    names.drop("j")
    assert said(names) == {"": "old", "_isthmus_k": "other"}


def test_a_second_name_of_the_served_file_is_taken_back(names, monkeypatch):
    with cut_after(2, monkeypatch):
        names.cutover("j")
    assert names.of("j", "_old").samefile(names.path)
    names.begin_again()
    assert said(names) == {"": "old", "_isthmus_j": "new"}


def test_a_draft_is_gone_unless_it_was_renamed_and_dead_ones_are_tidied(tmp_path):
    path = tmp_path / "c"
    (tmp_path / ".c.isthmus-dead.tmp").touch()
    (tmp_path / ".cc.isthmus-other.tmp").touch()

    def die():
        with new_file(path) as draft:
            draft.write_text("half")
            raise Cut

    with pytest.raises(Cut):
        die()
    with new_file(path) as draft:
        draft.write_text("whole")
        draft.replace(path)
    assert sorted(e.name for e in tmp_path.iterdir()) == [".cc.isthmus-other.tmp", "c"]
    assert path.read_text() == "whole"


def test_flushing_syncs_the_file(tmp_path, monkeypatch):
    (tmp_path / "c").touch()
    synced = []
    monkeypatch.setattr(module.os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    module.flush(tmp_path / "c")
    assert synced == [(tmp_path / "c").stat().st_ino]
