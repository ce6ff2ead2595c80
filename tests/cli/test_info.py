import errno
import io
import os

import numpy as np
import pytest

from isthmus.bridges.file import is_bridge


def test_a_collection(cli, here, narrow):
    answer = cli("info", "old.npz")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    assert "rows                  400" in answer.out
    found = cli("info", "old.npz", "--json").json
    assert (found["kind"], found["rows"], found["dim"]) == ("description", 400, 12)


def test_a_bridge_of_any_name(cli, here, narrow):
    (here / "b.isthmus").rename(here / "bridge")
    answer = cli("info", "bridge")
    assert answer.code == 0
    narrow(answer.out)
    assert answer.out.startswith("bridge affine, fitted on ")
    assert "held-out pairs" in answer.out
    found = cli("info", "bridge", "--json").json
    assert (found["kind"], found["method"]) == ("bridge", "affine")


def test_vectors_of_any_name(cli, here, x):
    np.save(here / "x.npy", x)
    (here / "x.npy").rename(here / "x.isthmus")
    assert cli("info", "x.isthmus", "--json").json["rows"] == 400


def test_what_a_bridge_is_told_by(here, x):
    from safetensors.numpy import save_file

    save_file({"vectors": x}, here / "x.safetensors", metadata={"other": "isthmus"})
    (here / "empty").write_bytes(b"")
    assert is_bridge(here / "b.isthmus")
    assert not any(is_bridge(here / name) for name in ("x.safetensors", "empty", "old.npz", "no"))
    assert not is_bridge(here)


def test_a_truncated_bridge_is_called_one(here, refused):
    data = (here / "b.isthmus").read_bytes()
    (here / "b.isthmus").write_bytes(data[: len(data) // 2])
    assert "load bridge" in refused(5, "FormatError", "info", "b.isthmus")


def odd(kind, x):
    if kind == "zero":
        x[[3, 4]] = 0
    elif kind == "nan":
        x[5, 0] = np.nan
        x[7, 1] = np.inf
    elif kind == "all nan":
        x[:] = np.nan
    elif kind == "all zero":
        x[:] = 0
    elif kind == "constant":
        x[:, 2] = 5
    elif kind == "far":
        x += 1000
    elif kind == "huge":
        x *= np.float32(1e20)
    elif kind == "huge64":
        x = x.astype(np.float64) * 1e200
    elif kind == "tiny64":
        x = x.astype(np.float64) * 1e-200
    elif kind == "wide":
        x = np.random.default_rng(0).normal(size=(6, 50))
    elif kind == "one":
        x = x[:1]
    elif kind == "flat":
        x[:, 4:] = x[:, :1]
    return x


SAID = {
    "zero": "zero vectors in 2 rows (first ids: d3, d4)",
    "nan": "NaN or infinity in 2 rows (first ids: d5, d7)",
    "all nan": "NaN or infinity in 400 rows",
    "all zero": "zero vectors in 400 rows",
    "constant": "1 dimensions that never change",
    "far": "standard deviations off 0",
    "huge": "e+20",
    "huge64": "e+200",
    "tiny64": "none found",
    "wide": "6",
    "one": "1",
    "flat": "none found",
}


@pytest.mark.parametrize("kind", SAID)
def test_odd_collections_are_described(cli, save, narrow, x, ids, kind):
    x = odd(kind, x)
    save("odd.npz", x, ids[: len(x)])
    answer = cli("info", "odd.npz")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    assert SAID[kind] in " ".join(answer.out.split())
    assert cli("info", "odd.npz", "--json").json["rows"] == len(x)


def test_duplicate_ids_are_described(cli, save, x, ids):
    ids[9] = ids[2]
    save("odd.npz", x, ids)
    assert "repeated ids in 1 row (first ids: d2)" in cli("info", "odd.npz").out


def test_int8_needs_its_scale(cli, here, refused, x):
    np.save(here / "q.npy", (x * 10).astype(np.int8))
    assert "the scale" in refused(3, "InputError", "info", "q.npy")
    assert cli("info", "q.npy", "--scale", "0.1", "--json").json["stored"] == "int8"


def test_a_folder_without_vectors(refused, here):
    (here / "folder").mkdir()
    (here / "folder" / "notes.txt").write_text("none")
    assert "a folder without vectors" in refused(5, "FormatError", "info", "folder")


def test_a_file_of_no_known_format(refused, here):
    (here / "x.bin").write_bytes(bytes(range(200)))
    assert "a file of unknown format" in refused(5, "FormatError", "info", "x.bin")


def test_a_pickle_is_never_opened(refused, here):
    np.save(here / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused(5, "FormatError", "info", "o.npy")


def test_a_file_that_may_not_be_read(cli, here, monkeypatch):
    """Root reads everything, so the system is made to refuse."""
    real = io.open

    def refuse(file, *arguments, **options):
        if str(file).endswith("old.npz"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return real(file, *arguments, **options)

    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    answer = cli("info", "old.npz")
    assert (answer.code, answer.out) == (6, "")
    assert "StorageError" in answer.err
    assert "Permission denied" in answer.err
