import errno
import os
from pathlib import Path

import pytest

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces import files
from isthmus.spaces.files import atomic_write, check_folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def raising(error):
    def check(_written):
        raise error

    return check


@pytest.mark.parametrize("data", [b"", b"new", bytes(1 << 20)])
@pytest.mark.parametrize("old", [None, b"older and longer than new"])
def test_the_file_holds_exactly_the_data(tmp_path, old, data):
    path = tmp_path / "f"
    if old is not None:
        path.write_bytes(old)
    atomic_write(path, data, operation="save")
    assert path.read_bytes() == data
    assert names(tmp_path) == ["f"]


def test_the_check_sees_the_whole_file_while_the_old_one_stands(tmp_path):
    path, seen = tmp_path / "f", []
    path.write_bytes(b"old")
    atomic_write(
        path,
        b"new",
        operation="save",
        check=lambda written: seen.append((written.read_bytes(), path.read_bytes())),
    )
    assert seen == [(b"new", b"old")]


@pytest.mark.parametrize(
    "error",
    [
        FormatError("read", "this", "that"),
        StorageError("save", "other bytes", "the bytes just written", "Check the disk."),
        KeyboardInterrupt(),
    ],
)
def test_what_the_check_raises_comes_out_and_the_old_file_stays(tmp_path, error):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(type(error)) as caught:
        atomic_write(path, b"new", operation="save", check=raising(error))
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_file_that_the_check_cannot_read_is_a_storage_error(tmp_path):
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")
    with pytest.raises(StorageError, match="save: got .*No such file"):
        atomic_write(tmp_path / "f", b"new", operation="save", check=raising(gone))
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, step):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "f"
    path.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(StorageError, match=r"save: got .*f: No space left.*nothing was changed"):
        atomic_write(path, b"new", operation="save")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_folder_that_cannot_be_synced_is_not_said_to_be_unchanged(tmp_path, monkeypatch):
    def refuse(_folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files, "sync_folder", refuse)
    with pytest.raises(StorageError, match="Permission denied") as caught:
        atomic_write(tmp_path / "f", b"new", operation="save")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert "nothing was changed" not in str(caught.value)


def test_places_that_cannot_be_written_are_storage_errors(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for place in ("folder", "no/f", "file/f", "x" * 256):
        with pytest.raises(StorageError, match="save: got "):
            atomic_write(tmp_path / place, b"new", operation="save")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_folder_is_a_storage_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        atomic_write(tmp_path / "f", b"new", operation="save")


def test_the_longest_name_a_folder_takes_can_be_written(tmp_path):
    atomic_write(tmp_path / ("x" * 255), b"new", operation="save")
    assert names(tmp_path) == ["x" * 255]


@pytest.mark.parametrize("path", ["", ".", "/", "a\0b", "lancedb://me:sesame@db/t"])
def test_what_is_no_path_of_a_file_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="save: got ") as caught:
        atomic_write(Path(path), b"new", operation="save")
    assert "sesame" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_folder_is_checked_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    Path("link").symlink_to(tmp_path / "gone" / "f")
    for good in ("f", "./f", "link", str(tmp_path / "f"), "."):
        check_folder(Path(good), operation="fit")
    for bad in ("no/f", "file/f", "loop/f", "no/../f", "x" * 300 + "/f"):
        with pytest.raises(StorageError, match="fit: got "):
            check_folder(Path(bad), operation="fit")
    with pytest.raises(StorageError, match="no folder no; expected an existing folder"):
        check_folder(Path("no/f"), operation="fit")
