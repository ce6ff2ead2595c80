import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.core.errors import FormatError

V = np.random.default_rng(0).standard_normal((33, 2)).astype(np.float16)


def laion(root, kind="img", shards=11):
    (root / f"{kind}_emb").mkdir(parents=True)
    (root / "metadata").mkdir(exist_ok=True)
    for k in range(shards):
        np.save(root / f"{kind}_emb" / f"{kind}_emb_{k}.npy", V[3 * k : 3 * k + 3])
        ids = [f"k{i}" for i in range(3 * k, 3 * k + 3)]
        table = pa.table({"caption": ids, "key": ids})
        pq.write_table(table, root / "metadata" / f"metadata_{k}.parquet")


@pytest.mark.parametrize("inner", ["", "img_emb"])
def test_laion_layout(tmp_path, inner):
    laion(tmp_path)
    space = isthmus.open(tmp_path / inner)
    np.testing.assert_array_equal(space.vectors(), V)  # shard 10 comes after 9, not after 1
    assert space.ids.tolist() == [f"k{i}" for i in range(33)]
    assert isthmus.open(tmp_path, ids="caption").ids[4] == "k4"


def test_two_sets_are_ambiguous(tmp_path):
    laion(tmp_path, "img")
    laion(tmp_path, "text")
    with pytest.raises(FormatError, match=r"\['img_emb', 'text_emb'\].*Open one of them"):
        isthmus.open(tmp_path)


def test_plain_shards(tmp_path):
    np.save(tmp_path / "0.npy", V[:20])
    np.save(tmp_path / "1.npy", V[20:])
    space = isthmus.open(tmp_path)
    np.testing.assert_array_equal(space.vectors(), V)
    assert space.id_kind == "range"
    pq.write_table(pa.table({"id": range(100, 120)}), tmp_path / "0.parquet")
    with pytest.raises(FormatError, match=r"no metadata for 1\.npy"):
        isthmus.open(tmp_path)
    pq.write_table(pa.table({"id": range(120, 130)}), tmp_path / "1.parquet")
    with pytest.raises(FormatError, match=r"10 rows in 1\.parquet.*13 of 1\.npy"):
        isthmus.open(tmp_path)
    pq.write_table(pa.table({"id": range(120, 133)}), tmp_path / "1.parquet")
    assert isthmus.open(tmp_path).ids.tolist() == list(range(100, 133))
    pq.write_table(pa.table({"id": list("abcdefghijklm")}), tmp_path / "1.parquet")
    with pytest.raises(FormatError, match="one kind"):
        isthmus.open(tmp_path)


@pytest.mark.parametrize("other", [V[:, :1], V[0], V.astype(np.float32)])
def test_unlike_shards(tmp_path, other):
    np.save(tmp_path / "0.npy", V)
    np.save(tmp_path / "1.npy", other)
    with pytest.raises(FormatError, match=r"1\.npy of"):
        isthmus.open(tmp_path)


def test_a_truncated_shard_is_named(tmp_path):
    np.save(tmp_path / "0.npy", V)
    np.save(tmp_path / "1.npy", V)
    (tmp_path / "1.npy").write_bytes((tmp_path / "1.npy").read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"1\.npy: got a truncated"):
        isthmus.open(tmp_path)
