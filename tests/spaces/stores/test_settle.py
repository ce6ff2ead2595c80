"""Settling syncs what is new or changed, once, and nothing else."""

import os

import pytest

from isthmus.spaces.stores import settle as module
from isthmus.spaces.stores.settle import settle


@pytest.fixture
def synced(monkeypatch):
    """Names of what was synced, in order."""
    found = []
    monkeypatch.setattr(module, "sync_folder", lambda path: found.append(path.name))
    return found


def test_only_what_is_new_or_changed_is_synced(tmp_path, synced):
    home, known = tmp_path / "home", {}
    (home / "deep").mkdir(parents=True)
    (home / "a").write_text("1")
    (home / "deep" / "b").write_text("2")
    settle(home, known)
    assert synced == ["a", "home", "b", "deep", tmp_path.name]
    synced.clear()
    settle(home, known)
    assert synced == [tmp_path.name]
    synced.clear()
    (home / "deep" / "b").write_text("22")
    settle(home, known)
    assert synced == ["b", "deep", tmp_path.name]


def test_a_change_that_keeps_the_size_is_told_by_its_time(tmp_path, synced):
    home, known = tmp_path / "home", {}
    home.mkdir()
    (home / "a").write_text("1")
    settle(home, known)
    synced.clear()
    (home / "a").write_text("2")
    os.utime(home / "a", ns=(1, 1))
    settle(home, known)
    assert synced == ["a", "home", tmp_path.name]


def test_files_that_vanish_are_passed_over(tmp_path, monkeypatch):
    home, known = tmp_path / "home", {}
    home.mkdir()
    for name in "ab":
        (home / name).write_text(name)
    real = module.sync_folder

    def gone(path):
        if path.name == "a":
            path.unlink()
        real(path)

    monkeypatch.setattr(module, "sync_folder", gone)
    settle(home, known)
    assert list(known) == [str(home / "b")]
