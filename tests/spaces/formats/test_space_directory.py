import io
import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces import manifest as manifests
from isthmus.spaces.directory import write_space
from isthmus.spaces.formats import space_directory
from isthmus.spaces.formats.contents import Keys

V = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
IDS = [f"i{k}" for k in range(6)]
SHARDS = pytest.mark.parametrize("name", ["00000.npy", "00001.ids.parquet"])


@pytest.fixture
def path(tmp_path):
    return write_space(tmp_path / "s", V, IDS, rows_per_shard=4).path


def whole(path):
    space = isthmus.open(path)
    return space.ids, space.vectors()


def replace(path, name, data):
    """Put ``data`` in the place of a file of the first shard and let the manifest agree."""
    (path / "shards" / name).write_bytes(data)
    file = path / "manifest-000001.json"
    written = json.loads(file.read_bytes())
    del written["checksum"]
    what = "ids" if "ids" in name else "vectors"
    written["shards"][0][what].update(bytes=len(data), checksums=[zlib.crc32(data)])
    file.write_text(json.dumps(written | {"checksum": manifests._checksum(written)}))


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@SHARDS
def test_a_missing_file_is_named(path, name):
    (path / "shards" / name).unlink()
    with pytest.raises(FormatError, match=rf"read {name}: got a missing shard.*Restore"):
        whole(path)


@SHARDS
def test_a_file_that_goes_away_after_opening_is_named(path, name):
    space = isthmus.open(path)
    (path / "shards" / name).unlink()
    with pytest.raises(StorageError, match=rf"read {name}: got No such file"):
        space.vectors() if name.endswith("npy") else space.ids


@SHARDS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "a truncated file of .*Copy or write it again"),
        (lambda data: data + b"\0", "a file of .* bytes; expected the .* first written.*Restore"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "a damaged block 0 of 1 .*Restore"),
    ],
    ids=["shorter", "longer", "one bit"],
)
def test_a_file_that_is_not_the_one_written_is_named(path, name, change, message):
    file = path / "shards" / name
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(FormatError, match=rf"read {name}: got {message}"):
        whole(path)


@pytest.mark.parametrize("place", ["outside.npy", "s/00000.npy", "s/shards/00001.npy"])
def test_links_are_refused_wherever_they_lead(path, tmp_path, place):
    shard = path / "shards" / "00000.npy"
    (tmp_path / place).write_bytes(shard.read_bytes())
    shard.unlink()
    shard.symlink_to(tmp_path / place)
    with pytest.raises(FormatError, match=r"read 00000\.npy: got a link out.*Put a copy"):
        isthmus.open(path)


def test_a_link_to_the_whole_space_is_followed(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    np.testing.assert_array_equal(whole(tmp_path / "link")[1], V)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("00000.npy", npy(V[:3].repeat(2, 1)), r"\(3, 4\) of float32; expected \(4, 2\)"),
        ("00000.npy", npy(V[:4].astype("f8")), r"\(4, 2\) of float64; expected .*of float32"),
        ("00000.npy", npy(V[:4].astype(">f4")), r"of >f4; expected"),
        ("00000.npy", npy(np.asfortranarray(V[:4])), r"expected \(4, 2\)"),
        ("00000.npy", b"junk" * 50, r"open 00000\.npy: .*header"),
        ("00000.ids.parquet", parquet(key=list("abcd")), r"\['key'\]; expected one named 'id'"),
        ("00000.ids.parquet", parquet(id=list("abc")), r"ids \(3,\) .*as the manifest says.*Rest"),
        ("00000.ids.parquet", parquet(id=[1, 2, 3, 4]), "of int64; expected .*of object"),
        ("00000.ids.parquet", parquet(id=[[1.0]] * 4), r"ids \(4, 1\) of float64"),
        ("00000.ids.parquet", parquet(id=["a", None, "c", "d"]), "1 rows without an id.*: 1"),
        ("00000.ids.parquet", b"junk" * 50, r"open 00000\.ids\.parquet: .*Parquet"),
    ],
)  # fmt: skip
def test_a_shard_and_a_manifest_that_disagree_are_named(path, name, data, message):
    replace(path, name, data)
    with pytest.raises(FormatError, match=message) as caught:
        whole(path)
    assert name in str(caught.value)


@pytest.mark.parametrize("ids", [[1.5] * 4, [b"a"] * 4, [{"a": 1}] * 4])
def test_ids_of_no_kind_are_refused(path, ids):
    replace(path, "00000.ids.parquet", parquet(id=ids))
    with pytest.raises(InputError, match="expected all ids text, or all integers"):
        isthmus.open(path).ids  # noqa: B018


def test_ids_repeated_in_another_shard_are_found(path):
    replace(path, "00000.ids.parquet", parquet(id=["i4", "a", "b", "c"]))
    assert isthmus.open(path).defects().duplicates == ("i4",)


@pytest.mark.parametrize("names", [{"vectors": "v"}, {"ids": "id"}])
def test_names_of_columns_are_refused(path, names):
    with pytest.raises(FormatError, match="expected no names: a space directory has its own"):
        isthmus.open(path, **names)


@pytest.mark.parametrize("read", ["take", "read"])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_every_block_that_a_row_spans_is_verified(tmp_path, read, block):
    """A row may be longer than a block: those in its middle are read as well."""
    wide = np.zeros((1, 2_500_000), np.float32)
    path = write_space(tmp_path / "s", wide).path
    shard = path / "shards" / "00000.npy"
    data = bytearray(shard.read_bytes())
    data[block * manifests.BLOCK_BYTES + 200] ^= 1
    shard.write_bytes(data)
    column = space_directory.read(path, Keys()).vectors
    with pytest.raises(FormatError, match=f"damaged block {block} of 3"):
        column.take(np.array([0])) if read == "take" else column.read(0, 1)
    assert column.take(np.array([], dtype=int)).shape == (0, 2_500_000)
