"""Two folders swap names; wherever the swap is cut, mending leaves both and only both."""

from pathlib import Path

import pytest

from isthmus.spaces.stores import exchange as module
from isthmus.spaces.stores.exchange import exchange, mend


@pytest.fixture
def pair(tmp_path):
    """Two folders that say which they are, and a free name."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    return tmp_path / "a", tmp_path / "b", tmp_path / "aside"


@pytest.fixture(params=["at once", "in three steps"])
def way(request, monkeypatch):
    if request.param == "in three steps":
        monkeypatch.setattr(module, "_in_one_step", lambda *_: False)
    return request.param


def told(folder):
    """What lies under each name."""
    return {entry.name: (entry / "who").read_text() for entry in folder.iterdir()}


def test_the_names_are_swapped_and_swapped_back(pair, way, tmp_path):
    first, second, aside = pair
    for wanted in ({"a": "b", "b": "a"}, {"a": "a", "b": "b"}):
        exchange(first, second, aside=aside)
        assert told(tmp_path) == wanted
        mend(first, second, aside=aside)
        assert told(tmp_path) == wanted


@pytest.mark.parametrize("names", [("ä b", "'\"`"), ("-x", "\U0001f600"), ("a" * 250, "b" * 250)])
def test_any_names_will_do(names, way, tmp_path):
    first, second = (tmp_path / name for name in names)
    first.mkdir()
    second.mkdir()
    (first / "x").touch()
    exchange(first, second, aside=tmp_path / "aside")
    assert [entry.name for entry in second.iterdir()] == ["x"]
    assert not list(first.iterdir())


@pytest.mark.parametrize(
    ("renames", "cut", "mended"),
    [
        (0, {"a": "a", "b": "b"}, {"a": "a", "b": "b"}),
        (1, {"aside": "a", "b": "b"}, {"a": "a", "b": "b"}),
        (2, {"aside": "a", "a": "b"}, {"a": "b", "b": "a"}),
    ],
)
def test_a_swap_cut_at_each_rename_is_undone_or_completed(
    renames, cut, mended, pair, tmp_path, killed_after
):
    first, second, aside = pair
    killed_after(renames, lambda: exchange(first, second, aside=aside))
    assert told(tmp_path) == cut
    for _ in range(2):  # a second time there is nothing to mend
        mend(first, second, aside=aside)
        assert told(tmp_path) == mended


def test_at_once_there_is_no_moment_without_a_name(pair, tmp_path, monkeypatch):
    first, second, aside = pair
    if not module._in_one_step(first, second):
        pytest.skip("no exchange of names in one step here")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("renamed"))
    exchange(first, second, aside=aside)
    assert told(tmp_path) == {"a": "a", "b": "b"}  # swapped twice


def test_a_swap_with_what_is_not_there_can_be_undone(pair, way, tmp_path):
    first, _, aside = pair
    with pytest.raises(FileNotFoundError):
        exchange(first, tmp_path / "none", aside=aside)
    mend(first, tmp_path / "none", aside=aside)
    assert told(tmp_path) == {"a": "a", "b": "b"}


def test_what_lies_in_the_way_is_never_overwritten(pair, tmp_path, monkeypatch):
    first, second, aside = pair
    monkeypatch.setattr(module, "_in_one_step", lambda *_: False)
    aside.mkdir()
    (aside / "who").write_text("someone's")
    whole = {"a": "a", "b": "b", "aside": "someone's"}
    for act in (exchange, mend):
        with pytest.raises(OSError, match="not empty"):
            act(first, second, aside=aside)
        assert told(tmp_path) == whole


@pytest.mark.parametrize("lacking", ["the system", "the call", "the library"])
def test_systems_without_the_call_take_three_steps(lacking, pair, tmp_path, monkeypatch):
    first, second, aside = pair

    def library(*_, **__):
        if lacking == "the library":
            raise OSError("no library")
        return object()

    if lacking == "the system":
        monkeypatch.setattr(module.sys, "platform", "darwin")
    else:
        monkeypatch.setattr(module.ctypes, "CDLL", library)
    assert not module._in_one_step(first, second)
    exchange(first, second, aside=aside)
    assert told(tmp_path) == {"a": "b", "b": "a"}


def test_the_names_reach_the_disk(pair, way, tmp_path, monkeypatch):
    first, second, aside = pair
    synced = []
    monkeypatch.setattr(module, "sync_folder", synced.append)
    exchange(first, second, aside=aside)
    assert synced == [tmp_path]
    mend(first, second, aside=aside)
    assert synced == [tmp_path]
    second.rename(aside)
    mend(first, second, aside=aside)
    assert synced == [tmp_path, tmp_path]
