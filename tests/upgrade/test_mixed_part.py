"""Part: against a plain dict, emptied and filled anew, and rows of another kind or precision."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.upgrade.mixed_part import Part


def held(part):
    return dict(zip(part.ids.tolist(), map(tuple, part.vectors.tolist()), strict=True))


@pytest.mark.parametrize("text", [False, True])
def test_any_row_of_changes_leaves_what_a_dict_would_hold(text):
    # Catches a slot not moved with the last row, ids cut to an earlier width, and a stale block.
    rng, part, plain = np.random.default_rng(0), Part(), {}
    for step in range(60):
        keys = [f"k{step * 7 + i}" if text else step * 7 + i for i in range(rng.integers(1, 6))]
        rows = rng.normal(size=(len(keys), 3))
        part.add(np.array(keys), rows)
        plain |= dict(zip(keys, map(tuple, rows.tolist()), strict=True))
        some = rng.permutation(list(plain))[: rng.integers(0, len(plain) + 1)].tolist()
        gone = part.remove(some)
        assert [tuple(row) for row in gone.tolist()] == [plain.pop(key) for key in some]
        assert held(part) == plain
        assert len(part) == len(plain)
        assert all(key in part for key in plain)
        assert not any(key in part for key in some)


def test_nothing_is_there_before_the_first_row():
    part = Part()
    assert (len(part), part.ids.tolist(), part.vectors.shape, 0 in part) == (0, [], (0, 0), False)
    assert part.remove([]).shape == (0, 0)
    part.check(np.ones((1, 5)))  # no width yet, so any will do


@pytest.mark.parametrize(("ids", "width"), [([5], 4), ([5], 1), (["five"], 3), (["z"], 2)])
@pytest.mark.parametrize("before", [[1, 2], ["a", "b"]])
def test_an_emptied_part_takes_rows_of_any_width_and_kind_of_id(before, ids, width):
    # A width of one was spread over the old width without a word; other widths and kinds raised.
    part = Part()
    part.add(np.array(before), np.ones((2, 3), np.float32))
    part.remove(before)
    rows = np.full((1, width), 7.0, np.float32)
    part.add(np.array(ids), rows)
    assert held(part) == {ids[0]: (7.0,) * width}
    assert part.vectors.dtype == np.float32


@pytest.mark.parametrize("first", [np.float32, np.float64])
def test_rows_of_another_precision_round_none_that_are_there(first):
    second = np.float64 if first == np.float32 else np.float32
    one, two = np.full((2, 3), 1 / 3, first), np.full((1, 3), 1 / 7, second)
    part = Part()
    part.add(np.array([1, 2]), one)
    part.add(np.array([3]), two)
    assert (part.vectors[:2] == one).all()
    assert (part.vectors[2] == two).all()


@pytest.mark.parametrize(
    ("ids", "width", "got"),
    [([3], 2, "2 dimensions"), ([3, 3], 3, "an id twice"), ([9, 1], 3, "an id twice")],
)
def test_what_is_refused_changes_nothing(ids, width, got):
    part = Part()
    part.add(np.array([1, 2]), np.eye(3)[:2])
    before = held(part)
    with pytest.raises(InputError, match=got):
        part.add(np.array(ids), np.ones((len(ids), width)))
    assert held(part) == before
    assert 9 not in part


@pytest.mark.parametrize(
    ("ids", "got"), [([1, 9, 2], r"not there \(9\)"), ([2, 1, 2], "an id twice")]
)
def test_a_removal_that_is_refused_takes_nothing(ids, got):
    # Row 1 was gone before the KeyError that said nothing but 9.
    part = Part()
    part.add(np.array([1, 2]), np.eye(3)[:2])
    before = held(part)
    with pytest.raises(InputError, match=got):
        part.remove(ids)
    assert held(part) == before
