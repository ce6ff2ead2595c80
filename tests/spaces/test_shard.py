import json

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.directory import SpaceWriter, write_space

V = np.arange(8, dtype=np.float32).reshape(4, 2)


def staged(writer):
    return sorted(p.name for p in writer.staging.iterdir())


def written(writer, *blocks, rows=4):
    """The space of one shard made of these blocks."""
    with writer.shard(0, rows) as shard:
        for block in blocks:
            shard.write(*block)
    return writer.commit()


# -- what is written ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_any_byte_order_arrives_as_the_same_numbers(tmp_path, dtype, order):
    other = np.dtype(dtype).newbyteorder(order)
    space = written(SpaceWriter(tmp_path / "s", dim=2, dtype=other), (V.astype(other),))
    np.testing.assert_array_equal(space.vectors(), V)
    again = write_space(tmp_path / "t", iter([V.astype(other)]))
    np.testing.assert_array_equal(again.vectors(), V)
    with next((tmp_path / "s").glob("shards/*.npy")).open("rb") as file:
        np.lib.format.read_magic(file)
        assert np.lib.format.read_array_header_1_0(file)[2].str[0] == "<"


@pytest.mark.parametrize("kind", ["range", "int", "string"])
def test_blocks_without_rows_add_nothing(tmp_path, kind):
    ids = {"range": None, "int": np.arange(4), "string": np.array(list("abcd"))}[kind]
    none = None if ids is None else ids[:0]
    writer = SpaceWriter(tmp_path / "s", dim=2, ids=kind)
    space = written(writer, (V[:0], none), (V, ids), (V[:0], none))
    np.testing.assert_array_equal(space.vectors(), V)
    assert space.ids.tolist() == (list(range(4)) if ids is None else ids.tolist())


def test_ids_of_growing_width_are_not_cut(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=2, ids="string")
    parts = (["a"], ["bcd", "é" * 300], np.array(["\N{GRINNING FACE}"], dtype=object))
    starts = (0, 1, 3)
    blocks = [(V[s : s + len(p)], np.asarray(p)) for s, p in zip(starts, parts, strict=True)]
    space = written(writer, *blocks)
    assert space.ids.tolist() == ["a", "bcd", "é" * 300, "\N{GRINNING FACE}"]


def test_extreme_integer_ids_come_back(tmp_path):
    ids = np.array([-(2**63), 2**63 - 1, 0, -1])
    assert written(SpaceWriter(tmp_path / "s", dim=2, ids="int"), (V, ids)).ids.tolist() == [*ids]


def test_ids_are_kept_as_they_were_when_written(tmp_path):
    writer, ids = SpaceWriter(tmp_path / "s", dim=2, ids="int"), np.arange(4)
    with writer.shard(0, 4) as shard:
        shard.write(V, ids)
        ids[:] = 9
    assert writer.commit().ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("number", "fits"), [(65504, True), (65519, True), (65520, False)])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_the_largest_number_of_half_precision(tmp_path, dtype, number, fits):
    """65520 lies halfway to what would be the next number, and rounds to infinity."""
    writer = SpaceWriter(tmp_path / "s", dim=2, dtype="float16")
    block = np.full((4, 2), number, dtype=dtype)
    if fits:
        assert (written(writer, (block,)).vectors() == 65504).all()
    else:
        with pytest.raises(InputError, match=r"4 rows with numbers beyond 6.55e\+04"):
            written(writer, (block,))


def test_rows_that_overflow_are_named_by_their_place_in_the_shard(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=2, dtype="float16")
    block = np.array([[1, 2], [np.inf, -1e5]])
    with pytest.raises(InputError, match=r"1 rows .*\(first: 3\)"):
        written(writer, (V[:2],), (block,))
    named = SpaceWriter(tmp_path / "t", dim=2, dtype="float16", ids="string")
    with pytest.raises(InputError, match=r"1 rows .*\(first: d\)"):
        written(named, (V[:2], np.array(["a", "b"])), (block, np.array(["c", "d"])))


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["complex128", "U9", "O", "M8[s]"])
def test_what_are_no_real_numbers_is_refused(tmp_path, dtype):
    writer = SpaceWriter(tmp_path / "s", dim=2)
    with pytest.raises(InputError, match="write shard 0: got vectors of dtype"):
        written(writer, (V.astype(dtype),))
    assert staged(writer) == ["job.json"]


@pytest.mark.parametrize("rows", [[[1.0, 2.0], [3.0, 4.0]], [np.zeros(2)]])
def test_rows_in_place_of_blocks_are_refused(tmp_path, rows):
    with pytest.raises(InputError, match="expected blocks"):
        write_space(tmp_path / "s", rows)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "ids",
    [
        *([1.0, 2, 3, 4], [True] * 4, range(4), [b"\xff"] * 4, [["a"]] * 4),
        *(["a", "b", "c"], ["a", "b", "c", None], ["a", "b", "c", "\ud800"]),
    ],
)
def test_ids_that_name_no_rows_are_refused(tmp_path, ids):
    writer = SpaceWriter(tmp_path / "s", dim=2, ids="string")
    with pytest.raises(InputError, match="write shard 0: got "):
        written(writer, (V, np.asarray(ids)))
    assert staged(writer) == ["job.json"]


@pytest.mark.parametrize("bad", [V[:1] + 1e9, V[:1].astype(complex)])
def test_a_refused_block_leaves_the_shard_as_it_was(tmp_path, bad):
    writer = SpaceWriter(tmp_path / "s", dim=2, dtype="float16", ids="int")
    with writer.shard(0, 4) as shard:
        shard.write(V[:2], np.array([5, 6]))
        with pytest.raises(InputError):
            shard.write(bad, np.array([7]))
        shard.write(V[2:], np.array([8, 9]))
    space = writer.commit()
    assert space.ids.tolist() == [5, 6, 8, 9]
    np.testing.assert_array_equal(space.vectors(), V)


# -- other writers -----------------------------------------------------------------------------


def test_the_first_of_two_equal_shards_is_kept(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=2, ids="int")
    for ids in (np.arange(4), np.arange(4)):
        with writer.shard(0, 4) as shard:
            shard.write(V, ids)
    assert len(staged(writer)) == 4  # the job, the record, vectors and ids
    with pytest.raises(StorageError, match="other rows"), writer.shard(0, 4) as shard:
        shard.write(V, np.arange(4) + 1)  # other ids alone
    assert len(staged(writer)) == 4
    assert writer.commit().ids.tolist() == [0, 1, 2, 3]


def test_a_shard_whose_rows_are_gone_is_written_anew(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=2)
    with writer.shard(0, 4) as shard:
        shard.write(V)
    next(writer.staging.glob("*.npy")).unlink()
    assert writer.done() == []
    np.testing.assert_array_equal(written(writer, (V * 2,)).vectors(), V * 2)


@pytest.mark.parametrize("record", ["", "{}", "[1]", json.dumps({"rows": 4})])
def test_a_damaged_record_is_written_anew(tmp_path, record):
    writer = SpaceWriter(tmp_path / "s", dim=2)
    writer.record(0).write_text(record)
    assert writer.done() == []
    np.testing.assert_array_equal(written(writer, (V,)).vectors(), V)
