import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import FormatError, IsthmusError
from isthmus.spaces import manifest as module
from isthmus.spaces.directory import write_space

V = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
IDS = [f"i{k}" for k in range(10)]


@pytest.fixture
def space(tmp_path):
    return write_space(
        tmp_path / "s", V, IDS, rows_per_shard=4, metric="cosine", encoder="m", norm_policy="free",
        provenance={"from": "test"},
    ).path  # fmt: skip


def forge(path, change):
    """Change a manifest as an attacker would who also mends its checksum."""
    file = path / "manifest-000001.json"
    data = json.loads(file.read_bytes())
    del data["checksum"]
    change(data)
    file.write_text(json.dumps(data | {"checksum": module._checksum(data)}))


def test_round_trip(space):
    read = module.newest(space)
    assert (read.rows, read.dim, read.dtype, read.ids) == (10, 3, "float32", "string")
    assert (read.metric, read.encoder, read.norm_policy) == ("cosine", "m", "free")
    assert read.provenance == {"from": "test"}
    assert [s.rows for s in read.shards] == [4, 4, 2]
    assert read.as_json() == (space / "manifest-000001.json").read_bytes()
    forge(space, lambda data: None)
    assert module.newest(space) == read


@pytest.mark.parametrize(
    "name",
    ["../secret.npy", "/etc/passwd", "a/b.npy", "..", ".", "", "a\\b", ".hidden", "a\0b", 3, None],
)
def test_names_that_leave_the_folder_are_refused(space, name):
    (space / "secret.npy").write_bytes((space / "shards" / "00000.npy").read_bytes())
    forge(space, lambda data: data["shards"][0]["vectors"].update(file=name))
    with pytest.raises(FormatError, match="bare name"):
        isthmus.open(space)


@pytest.mark.parametrize("what", ["00000.npy", "00000.ids.parquet", "shards"])
def test_links_out_of_the_folder_are_refused(space, tmp_path, what):
    inside = space / "shards" / what if "." in what else space / "shards"
    outside = tmp_path / what
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(FormatError, match="link out of the space"):
        isthmus.open(space).ids  # noqa: B018


def wrong(**fields):
    return lambda data: data.update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong(version=2), "format version 2"),
        (wrong(version=None), "format version None"),
        (wrong(rows=11), "rows"),
        (wrong(rows=True), "rows"),
        (wrong(rows=1.0), "rows"),
        (wrong(dim=-3), "dim"),
        (wrong(dim=10**9), "dim"),
        (wrong(dim=4), "too small|expected"),
        (wrong(dtype="object"), "dtype"),
        (wrong(dtype="float64"), "expected"),
        (wrong(dtype=[]), "dtype"),
        (wrong(dtype="float16"), "float32.* expected"),
        (wrong(ids="range"), "ids"),
        (wrong(shards=[]), "rows"),
        (wrong(shards=3), "damaged"),
        (wrong(shards=[3]), "fields"),
        (wrong(metric=3), "texts"),
        (wrong(provenance=[]), "provenance"),
        (wrong(fingerprint=[]), "fingerprint"),
        (wrong(extra=1), "extra"),
        (wrong(generation=2), "generation 2"),
        (lambda d: d.pop("rows"), "rows"),
        (lambda d: d["shards"][0].update(extra=1), "fields"),
        (lambda d: d["shards"].__setitem__(1, d["shards"][0]), "twice"),
        (lambda d: d["shards"][0]["vectors"].update(checksums=[]), "checksums"),
        (lambda d: d["shards"][0]["vectors"].update(checksums=[-1]), "checksums"),
        (lambda d: d["shards"][0]["vectors"].update(bytes=-1), "size"),
        (lambda d: d["shards"][0]["vectors"].update(bytes=10**15), "size"),
    ],
)  # fmt: skip
def test_forged_fields(space, change, message):
    forge(space, change)
    with pytest.raises(FormatError, match=message):
        isthmus.open(space)


@pytest.fixture(scope="module", autouse=True)
def _pristine(tmp_path_factory):
    PRISTINE.path = tmp_path_factory.mktemp("pristine") / "s"
    write_space(PRISTINE.path, V, rows_per_shard=4)


PRISTINE = SimpleNamespace(path=None)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_mutation_is_noticed(tmp_path_factory, at, noise):
    path = tmp_path_factory.mktemp("fuzz") / "s"
    shutil.copytree(PRISTINE.path, path)
    file = path / "manifest-000001.json"
    data = bytearray(file.read_bytes())
    before = json.loads(bytes(data))
    at %= len(data)
    data[at : at + len(noise)] = noise
    file.write_bytes(data)
    try:
        isthmus.open(path).vectors()
    except IsthmusError:
        return
    assert json.loads(bytes(data)) == before  # only white space, or the same byte


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"version": 1}']
)
def test_no_manifest_at_all(space, content):
    (space / "manifest-000001.json").write_bytes(content)
    with pytest.raises(FormatError, match="manifest-000001"):
        isthmus.open(space)


def test_a_huge_manifest_is_refused_by_size(space, monkeypatch):
    monkeypatch.setattr(module, "_SIZE_LIMIT", 10)
    with pytest.raises(FormatError, match="at most 10 bytes"):
        isthmus.open(space)


def test_a_damaged_generation_gives_way_to_the_one_before(space):
    write_space(space, V * 2)
    file = space / "manifest-000002.json"
    np.testing.assert_array_equal(isthmus.open(space).vectors(), V * 2)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=r"manifest-000002.*Generation 1 is used instead"):
        again = isthmus.open(space)
    np.testing.assert_array_equal(again.vectors(), V)
