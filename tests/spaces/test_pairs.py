import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import InputError, PairingError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 3)), RNG.standard_normal((4, 2))


def test_join_keeps_the_order_of_the_source():
    pairs = isthmus.pair(isthmus.open(X, ids=list("abcdef")), isthmus.open(Y, ids=list("fxab")))
    assert pairs.ids.tolist() == ["a", "b", "f"]
    assert pairs.left_over == (3, 1)
    np.testing.assert_array_equal(pairs.x, X[[0, 1, 5]])
    np.testing.assert_array_equal(pairs.y, Y[[2, 3, 0]])
    blocks = list(pairs.blocks(rows=2))
    assert [len(x) for x, _ in blocks] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([y for _, y in blocks]), pairs.y)
    assert "3 pairs" in repr(pairs)


def test_without_ids_by_position():
    pairs = isthmus.pair(X, X[:, :1])
    assert pairs.rows_target.tolist() == list(range(6))
    with pytest.raises(PairingError, match="6 and 4 rows without ids"):
        isthmus.pair(X, Y)


def test_ids_of_different_kinds():
    text = isthmus.open(X, ids=list("123456"))
    with pytest.raises(PairingError, match=r"\('1' against 7\).*astype\(str\)"):
        isthmus.pair(text, isthmus.open(Y, ids=[7, 1, 2, 3]))
    with pytest.raises(PairingError, match=r"'array' has no ids of its own"):
        isthmus.pair(text, Y)


def test_nothing_in_common():
    with pytest.raises(PairingError, match=r"no common id .*'a', 'b'.* against 'p', 'q'"):
        isthmus.pair(isthmus.open(X, ids=list("abcdef")), isthmus.open(Y, ids=list("pqrs")))


@pytest.mark.parametrize("ids", [list("aabc"), [1, 1, 2, 3]])
def test_duplicates_are_named(ids):
    other = isthmus.open(X[:4], ids=list("abcd") if ids[0] == "a" else [1, 2, 3, 4], name="clean")
    broken = isthmus.open(Y, ids=ids, name="broken")
    for a, b in ((other, broken), (broken, other)):
        with pytest.raises(InputError, match=f"'broken'.*first: {ids[0]!r}"):
            isthmus.pair(a, b)


def test_split_share_and_leftovers():
    n = 20_000
    pairs = isthmus.pair(np.zeros((n, 1)), np.zeros((n, 1)))
    train, test = pairs.split(0.3)
    assert abs(len(test) / n - 0.3) < 0.02
    assert sorted([*train.ids, *test.ids]) == list(range(n))
    assert pairs.split(0.3, seed=1)[1].ids.tolist() != test.ids.tolist()


@given(
    st.lists(
        st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1),
        min_size=30,
        unique=True,
    )
)
@settings(max_examples=25, deadline=None)
def test_an_id_lands_on_its_side_whatever_else_is_there(texts):
    def sides(ids):
        space = isthmus.open(np.zeros((len(ids), 1)), ids=ids)
        return set(isthmus.pair(space, space).split(0.5)[1].ids.tolist())

    whole = sides(texts)
    part = sides([*texts[::-1][:25], "another"])
    assert part - {"another"} == whole & set(texts[::-1][:25])


def test_groups_stay_whole():
    n = 1000
    groups = np.arange(n) // 10
    train, test = isthmus.pair(np.zeros((n, 1)), np.zeros((n, 1))).split(0.3, groups=groups)
    assert not set(groups[train.rows_source]) & set(groups[test.rows_source])
    assert len(test) % 10 == 0
    # Without groups they are torn apart, so the check above can fail.
    train, test = isthmus.pair(np.zeros((n, 1)), np.zeros((n, 1))).split(0.3)
    assert set(groups[train.rows_source]) & set(groups[test.rows_source])


def test_refused_splits():
    pairs = isthmus.pair(X, X)
    for wrong in ({"test": 0}, {"test": 1}, {"groups": [1]}, {"groups": [1] * 6}):
        with pytest.raises(InputError, match="split"):
            pairs.split(**wrong)


def test_scattered_parquet_rows_are_decoded_once(tmp_path, monkeypatch):
    n = 64
    order = RNG.permutation(n)
    vectors = RNG.standard_normal((n, 2))
    table = pa.table({"id": order, "v": list(vectors[order])})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=8)
    target = isthmus.open(tmp_path / "t.parquet")
    pairs = isthmus.pair(isthmus.open(vectors, ids=range(n)), target)
    decoded = []
    column = target.vector_column
    load = column._load
    monkeypatch.setattr(column, "_load", lambda g: decoded.append(g) or load(g))
    np.testing.assert_array_equal(np.concatenate([y for _, y in pairs.blocks(rows=4)]), vectors)
    assert len(decoded) <= 8


@given(
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    seed=st.integers(0, 1000),
    block=st.integers(1, 30),
)
@settings(max_examples=40, deadline=None)
def test_bad_and_zero_rows_against_a_plain_look(dtype, seed, block):
    rng = np.random.default_rng(seed)
    sides = []
    for dim in (3, 2):
        v = rng.choice([0, 1, -1, 2], size=(20, dim)).astype(dtype)  # many sums of 0, some rows 0
        v[rng.random(v.shape) < 0.04] = rng.choice([np.nan, np.inf, -np.inf])
        v[rng.random(v.shape) < 0.1] = np.finfo(dtype).max  # sums that overflow are no defect
        sides.append(v)
    pairs = isthmus.pair(isthmus.open(sides[0]), isthmus.open(sides[1]))
    pairs.blocks = lambda: type(pairs).blocks(pairs, rows=block)
    good = np.isfinite(sides[0]).all(axis=1) & np.isfinite(sides[1]).all(axis=1)
    assert pairs.zero_vectors == tuple(int((~v.any(axis=1)).sum()) for v in sides)
    kept, rejected = pairs.finite()
    assert kept.ids.tolist() == np.flatnonzero(good).tolist()
    assert rejected.ids.tolist() == np.flatnonzero(~good).tolist()
    assert rejected.rows_source.tolist() == rejected.rows_target.tolist() == rejected.ids.tolist()
    kept.check_finite()
    if not good.all():
        with pytest.raises(InputError, match=rf"NaN or infinity in {(~good).sum()} of 20"):
            pairs.check_finite()


def test_a_million_ids_join_in_about_a_second():
    n = 1_000_000
    order = RNG.permutation(n)
    v = np.zeros((n, 1), np.float16)
    a, b = isthmus.open(v, ids=np.arange(n)), isthmus.open(v, ids=order)
    began = time.perf_counter()
    pairs = isthmus.pair(a, b)
    assert time.perf_counter() - began < 5  # a loop over rows takes longer
    np.testing.assert_array_equal(order[pairs.rows_target], np.arange(n))


@pytest.mark.skipif("ISTHMUS_DATA" not in os.environ, reason="debian vectors: set ISTHMUS_DATA")
def test_real_vectors():
    folder = Path(os.environ["ISTHMUS_DATA"]) / "debian"
    pairs = isthmus.pair(folder / "en-lsa256.npz", folder / "en-minilm384.npz")
    assert len(pairs) == 61_486
    assert pairs.left_over == (0, 0)
    assert pairs.x.dtype == np.float16
    with np.load(folder / "en-minilm384.npz") as truth:
        np.testing.assert_array_equal(pairs.y, truth["vectors"])
        np.testing.assert_array_equal(pairs.ids, truth["ids"])
