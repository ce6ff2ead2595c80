import errno
import json
import os
import sys

import numpy as np
import pytest

import isthmus
from isthmus.spaces import durable
from isthmus.spaces.directory import write_space

GO = ("translate", "old.npz", "-b", "b.isthmus", "-o", "moved")


def test_a_collection(cli, here, x, ids, narrow):
    answer = cli(*GO)
    bridge, moved = isthmus.load("b.isthmus"), isthmus.open("moved")
    low = int((bridge.confidence(x) < 0.05).sum())
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "moved: 400 vectors of 8 dimensions",
        f"  confidence is below 0.05 for {low} of 400 rows looked at, {low / 400:.1%} "
        "(5% are usual)",
    ]
    narrow(answer.out)
    np.testing.assert_allclose(moved.vectors(), bridge.transform(x), rtol=1e-4, atol=1e-4)
    assert moved.ids.tolist() == ids.tolist()


def test_json(cli, here):
    found = cli(*GO, "--json", "--dtype", "float16").json
    assert {k: found[k] for k in ("kind", "path", "rows", "dim", "dtype")} == {
        "kind": "translation", "path": "moved", "rows": 400, "dim": 8, "dtype": "float16",
    }  # fmt: skip
    assert {**found["confidence"], "doubtful": 0} == {"rows": 400, "doubtful": 0, "below": 0.05}


def test_rows_unlike_the_fitted_ones_are_counted(cli, here, save, x):
    x[:100] *= -2  # still in the source's frame, but farther out than any that was fitted
    x[7] = np.nan
    save("old.npz", x)
    answer = cli(*GO, "--json", "--drop-invalid")
    low = int((isthmus.load("b.isthmus").confidence(np.delete(x, 7, axis=0)) < 0.05).sum())
    assert low > 60
    assert answer.json["confidence"] == {"rows": 399, "doubtful": low, "below": 0.05}


def test_a_bridge_that_knows_nothing_of_its_rows_says_nothing_of_them(cli, here):
    bridge = isthmus.load("b.isthmus")
    bridge.familiarity = None
    bridge.save("b.isthmus")
    assert cli(*GO, "--json").json["confidence"] is None
    assert cli(*GO).out == "moved: 400 vectors of 8 dimensions\n"


def test_bad_rows(refused, save, x):
    x[[2, 30]] = np.nan
    save("old.npz", x)
    said = refused(3, "InputError", *GO)
    assert "NaN or infinity in 2 of 400 rows (first ids: 'd2', 'd30')" in said
    assert "--drop-invalid" in said


@pytest.mark.parametrize("out", ["moved", "moved/", "./moved", "sub/.."])
def test_bad_rows_are_left_out_on_request(cli, here, save, monkeypatch, x, out):
    x[[2, 30]] = np.nan
    source = here / save("old.npz", x)
    bridge = here / "b.isthmus"
    if out == "sub/..":
        (here / "work" / "sub").mkdir(parents=True)
        monkeypatch.chdir(here / "work")
        (here / "work" / "sub").rmdir()
        out = "."
    answer = cli("translate", source, "-b", bridge, "-o", out, "--drop-invalid")
    assert answer.code == 0, answer.err
    name = "work" if out == "." else "moved"
    assert f"left out 2 invalid rows: {name}.rejects.csv" in answer.err
    wanted = "row,id,reason\n2,d2,NaN or infinity\n30,d30,NaN or infinity\n"
    assert (here / f"{name}.rejects.csv").read_text() == wanted
    assert len(isthmus.open(here / name)) == 398


def test_the_wrong_width(refused, save, x):
    save("old.npz", x[:, :5])
    said = refused(4, "SpaceMismatch", *GO)
    assert "dim 5" in said
    assert "dim 12" in said


def test_backwards(refused, cli, save, x):
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    save("old.npz", x * np.linspace(2, 0.1, 12))
    save("turned.npz", (x * np.linspace(2, 0.1, 12)) @ rotation)
    cli("fit", "old.npz", "turned.npz", "-o", "b.isthmus", "--method", "orthogonal")
    assert cli(*GO).code == 0
    said = refused(4, "SpaceMismatch", "translate", "turned.npz", "-b", "b.isthmus", "-o", "back")
    assert "the bridge is being used backwards" in said


def test_a_foreign_space(refused, save, x):
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(12, 12)))[0]
    save("old.npz", (x @ rotation).astype(np.float32))
    said = refused(4, "SpaceMismatch", *GO)
    assert "backwards" not in said
    assert "another encoder, a rotated copy" in said


def test_duplicate_ids(refused, save, x, ids):
    ids[9] = ids[2]
    save("old.npz", x, ids)
    assert "(first: 'd2')" in refused(3, "InputError", *GO)


def test_float16_overflow(refused, cli, here, save, x):
    x *= 1e6
    save("big.npz", x)
    cli("fit", "big.npz", "big.npz", "-o", "b.isthmus", "--method", "affine")
    said = refused(3, "InputError", "translate", "big.npz", *GO[2:], "--dtype", "float16")
    assert "beyond 6.55e+04" in said
    assert cli("translate", "big.npz", *GO[2:]).code == 0


@pytest.mark.parametrize("dtype", ["int8", "float8", "number"])
def test_an_unknown_dtype(refused, dtype):
    said = refused(3, "InputError", *GO, "--dtype", dtype)
    assert "one of float16, float32, float64" in said


def test_a_folder_that_is_not_ours(refused, here):
    (here / "moved").mkdir()
    (here / "moved" / "thesis.txt").write_text("years")
    assert "nothing was touched" in refused(6, "StorageError", *GO)
    assert "file that exists" in refused(6, "StorageError", *GO[:-1], "new.npz")


def test_a_place_under_a_file(refused):
    refused(6, "StorageError", *GO[:-1], "new.npz/moved")


def test_a_full_disk(cli, here, monkeypatch):
    assert cli(*GO).code == 0
    before = isthmus.open("moved").vectors()
    with monkeypatch.context() as patch:

        def full(fd, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(durable.os, "write", full)
        answer = cli(*GO, "--dtype", "float64")  # the same again would have nothing to write
    assert (answer.code, answer.out) == (6, "")
    assert "No space left on device" in answer.err
    np.testing.assert_array_equal(isthmus.open("moved").vectors(), before)
    assert not list(here.rglob("*.tmp"))
    assert cli(*GO).code == 0


def test_ctrl_c(cli, here, monkeypatch):
    from isthmus.cli import translate as verb

    def interrupted(label, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "progress", interrupted)
    answer = cli(*GO)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err == "Interrupted. Run the same command again to go on.\n"


def test_an_engine_by_name(cli, refused, monkeypatch):
    assert cli(*GO, "--engine", "threads", "--workers", "3").code == 0
    assert "one of threads, processes, ray" in refused(3, "InputError", *GO, "--engine", "spark")
    assert "at least 1" in refused(3, "InputError", *GO, "--workers", "0")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "isthmus[ray]" in refused(7, "MissingExtra", *GO, "--engine", "ray")


# -- damaged collections -------------------------------------------------------------------------


@pytest.fixture
def shards(here, x, ids):
    write_space(here / "old", x, ids, rows_per_shard=150)
    return here / "old"


OLD = ("translate", "old", "-b", "b.isthmus", "-o", "moved")


def test_a_flipped_bit(cli, shards):
    file = shards / "shards" / "00001.npy"
    data = bytearray(file.read_bytes())
    data[-9] ^= 4
    file.write_bytes(data)
    for arguments in (OLD, ("info", "old"), ("fit", "old", "new.npz", "-o", "x")):
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (5, "")
        assert "00001.npy" in answer.err
        assert "block 0" in " ".join(answer.err.split())


@pytest.mark.parametrize("name", ["00001.npy", "00002.ids.parquet"])
def test_a_truncated_shard(refused, shards, name):
    file = shards / "shards" / name
    file.write_bytes(file.read_bytes()[:-5])
    assert name in refused(5, "FormatError", *OLD)
    file.unlink()
    assert name in refused(5, "FormatError", *OLD)


@pytest.mark.parametrize("name", ["../../new.npz", "/etc/passwd", "a/b.npy", "..", ""])
def test_a_manifest_that_leads_elsewhere(refused, shards, name):
    import zlib

    manifest = shards / "manifest-000001.json"
    data = json.loads(manifest.read_text())
    data.pop("checksum")
    data["shards"][0]["vectors"]["file"] = name
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    data["checksum"] = zlib.crc32(canonical.encode())  # whoever forges one can add up
    manifest.write_text(json.dumps(data))
    assert "is not a bare name" in refused(5, "FormatError", *OLD)


def test_a_job_that_was_never_finished(refused, here):
    (here / "old" / "writing").mkdir(parents=True)
    (here / "old" / "writing" / "job.json").write_text("{}")
    assert "still being written" in refused(5, "FormatError", *OLD)


BAD = {
    "ragged": "1 vectors of 1 numbers among those of 2 (first ids 'b')",
    "null": "1 vectors null (first ids 'b')",
    "null numbers": "1 vectors with null numbers (first ids 'b')",
    "text": "0 columns of vectors among ['id', 'vector']",
}


@pytest.mark.parametrize("kind", BAD)
def test_vectors_in_parquet_that_are_none(refused, here, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    if kind == "ragged":
        rows[1] = [3.0]
    elif kind == "null":
        rows[1] = None
    elif kind == "null numbers":
        rows[1] = [3.0, None]
    elif kind == "text":
        rows = ["a", "b", "c"]
    pq.write_table(pa.table({"id": ["a", "b", "c"], "vector": rows}), here / "old.parquet")
    for arguments in (("info", "old.parquet"), ("translate", "old.parquet", *GO[2:])):
        said = refused(5, "FormatError", *arguments)
        assert "old.parquet" in said
        assert BAD[kind] in said
