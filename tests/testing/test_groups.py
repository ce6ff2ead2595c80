"""Every element belongs to its group, and to no other; what the checks act on is what it is called.

A group is told here by what it keeps of a space, never by how its element was made.
"""

from itertools import product

import numpy as np
import pytest

from isthmus.core.card import GROUPS, closure
from isthmus.testing.groups import element, elements, farthest, hard_rows, related

ROWS, DIM = 40, 6
LINEAR = sorted(closure(("invertible_linear",)))


def data():
    return related(ROWS, DIM, np.random.default_rng(1))[0]


def same_ratio(x, moved, axis):
    ratio = moved / x
    return bool((ratio > 0).all() and np.allclose(ratio, ratio.mean(axis=axis, keepdims=True)))


def linear(x, moved):
    """moved = x A, with an A that loses no rank."""
    a = np.linalg.lstsq(x, moved, rcond=None)[0]
    return bool(np.allclose(x @ a, moved) and np.linalg.matrix_rank(a) == x.shape[1])


KEEPS = {
    "permutation": lambda x, moved: sorted(x.T.tolist()) == sorted(moved.T.tolist()),
    "orthogonal": lambda x, moved: bool(np.allclose(moved @ moved.T, x @ x.T, rtol=0, atol=1e-10)),
    "isotropic_scale": lambda x, moved: same_ratio(x, moved, (0, 1)),
    "axis_scale": lambda x, moved: same_ratio(x, moved, 0),
    "row_scale": lambda x, moved: same_ratio(x, moved, 1),
    "translation": lambda x, moved: bool(np.allclose(np.diff(moved, axis=0), np.diff(x, axis=0))),
    "invertible_linear": linear,
    "affine": lambda x, moved: linear(np.diff(x, axis=0), np.diff(moved, axis=0)),
}


def test_every_group_is_tested():
    assert set(KEEPS) == set(GROUPS)


@pytest.mark.parametrize(("group", "acting"), list(product(GROUPS, repeat=2)))
def test_an_element_belongs_to_the_groups_that_contain_its_own(group, acting):
    """Those that the card says contain it, and no other: each element is far from special."""
    x = data()
    for act in elements(acting, DIM, ROWS):
        assert KEEPS[group](x, act(x)) == (acting in closure((group,)))


@pytest.mark.parametrize("group", GROUPS)
def test_an_element_moves_the_data_far(group):
    x = data()
    before = x.copy()
    for act in elements(group, DIM, ROWS):
        assert np.linalg.norm(act(x) - x) > 0.5 * np.linalg.norm(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("group", GROUPS)
def test_elements_differ_and_come_again(group):
    x = data()
    moved, again = ([act(x) for act in elements(group, DIM, ROWS)] for _ in range(2))
    np.testing.assert_array_equal(moved, again)
    if group == "isotropic_scale":
        assert len(moved) == 1
    else:
        one, two = moved
        assert np.linalg.norm(one - two) > 0.2 * np.linalg.norm(x)


@pytest.mark.parametrize("group", LINEAR)
def test_a_linear_element_keeps_sums(group):
    x, y = related(ROWS, DIM, np.random.default_rng(2))
    for act in elements(group, DIM, ROWS):
        np.testing.assert_allclose(act(x + 2 * y), act(x) + 2 * act(y), atol=1e-10)


@pytest.mark.parametrize("group", sorted(closure(("affine",))))
def test_an_affine_element_keeps_midpoints(group):
    x, y = related(ROWS, DIM, np.random.default_rng(3))
    for act in elements(group, DIM, ROWS):
        np.testing.assert_allclose(act((x + y) / 2), (act(x) + act(y)) / 2, atol=1e-10)


def test_an_affine_element_moves_the_origin():
    for act in elements("affine", DIM, ROWS):
        assert np.linalg.norm(act(np.zeros((1, DIM)))) > 1


@pytest.mark.parametrize("dim", [2, 3, 6, 25])
def test_a_permutation_leaves_no_column_in_place(dim):
    for seed in range(20):
        act = element("permutation", dim, 1, np.random.default_rng(seed))
        moved = act(np.arange(dim)[None])[0]
        assert sorted(moved) == list(range(dim))
        assert (moved != np.arange(dim)).all()


def test_a_permutation_parts_neighbouring_columns():
    """What depends on the order of columns round the circle is not invariant."""

    def neighbours(x):
        return float((x * np.roll(x, 1, axis=1)).sum())

    x = data()
    for act in elements("permutation", DIM, ROWS):
        assert abs(neighbours(act(x)) / neighbours(x) - 1) > 1e-3


def test_an_unknown_group_is_named():
    with pytest.raises(KeyError, match="'moebius'.*affine.*translation"):
        element("moebius", DIM, ROWS, np.random.default_rng(0))


def test_farthest_stops_at_the_first_gap_that_is_enough():
    gaps = iter([0.1, 0.5, 0.9, 0.2])
    assert farthest(gaps, enough=0.5) == 0.5
    assert list(gaps) == [0.9, 0.2]


def test_farthest_is_the_largest_where_none_is_enough():
    assert farthest(iter([0.1, 0.9, 0.2]), enough=np.inf) == 0.9
    assert farthest([], enough=1.0) == 0.0


@pytest.mark.parametrize("gaps", [[np.nan], [0.1, np.nan, 0.2], [np.nan, 0.1]])
def test_farthest_keeps_a_gap_that_is_no_number(gaps):
    """A method that answers NaN has moved by no known amount: below no limit, nor above one."""
    assert np.isnan(farthest(gaps, enough=1.0))


def test_related_spaces_are_related_more_than_shuffled_ones():
    x, y = related(200, DIM, np.random.default_rng(4), target_dim=9)
    assert (x.shape, y.shape) == ((200, DIM), (200, 9))
    assert related(20, DIM, np.random.default_rng(4))[1].shape == (20, DIM)

    def explained(y):
        """Share of the variance of y that is linear in x, on rows not fitted."""
        a, b = x - x[:100].mean(axis=0), y - y[:100].mean(axis=0)
        w = np.linalg.lstsq(a[:100], b[:100], rcond=None)[0]
        return 1 - ((b[100:] - a[100:] @ w) ** 2).sum() / (b[100:] ** 2).sum()

    assert explained(y) > 0.5
    assert explained(y[np.random.default_rng(5).permutation(200)]) < 0.1


def test_related_spaces_are_anisotropic_and_off_centre():
    for side in related(2000, DIM, np.random.default_rng(6)):
        spread = np.linalg.svd(side - side.mean(axis=0), compute_uv=False)
        assert spread[0] > 3 * spread[-1]
        assert np.linalg.norm(side.mean(axis=0)) > 0.5


def spread(column, x):
    """How far a column varies beside those of x."""
    return column.std() / x.std(axis=0)


HARD = {
    "a dependent column": lambda x, hard: (
        (np.linalg.matrix_rank(hard), np.linalg.matrix_rank(hard[:, :-1])) == (DIM - 1, DIM - 1)
    ),
    "two directions": lambda x, hard: np.linalg.matrix_rank(hard) == 2,
    "a constant column": lambda x, hard: np.ptp(hard[:, 3]) == 0 and hard[0, 3] != 0,
    "a huge column": lambda x, hard: (spread(hard[:, 3], x) > 1e3).all(),
    "a tiny column": lambda x, hard: (
        np.ptp(hard[:, 3]) > 0 and (spread(hard[:, 3], x) < 1e-3).all()
    ),
    "a far row": lambda x, hard: (
        np.linalg.norm(hard[7]) > 100 * np.linalg.norm(np.delete(hard, 7, axis=0), axis=1).max()
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_rows_are_what_they_are_called(name):
    x = data()
    before, kinds = x.copy(), hard_rows(x)
    assert set(kinds) == set(HARD)
    np.testing.assert_array_equal(x, before)
    assert kinds[name].shape == x.shape
    assert HARD[name](x, kinds[name])
    assert not HARD[name](x, x)


@pytest.mark.parametrize("name", sorted(set(HARD) - {"two directions"}))
def test_hard_rows_differ_in_one_row_or_column(name):
    changed = hard_rows(data())[name] != data()
    assert min(changed.any(axis=0).sum(), changed.any(axis=1).sum()) == 1
