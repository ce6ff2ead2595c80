"""Survey: one pass in blocks gives what NumPy gives at once, and repeats are those of all pairs."""

import numpy as np
import pytest

import isthmus
from isthmus.measures import survey as module
from isthmus.measures.survey import exact_repeats, near_repeats, survey

NONE = np.zeros(0, int)


def cloud(n=300, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def seen(x, **options):
    return survey(isthmus.open(x), **{"unit_rows": False, **options})


def twins_of_all_pairs(x, within, unit_rows=False):
    """Rows within a distance of an earlier one, by brute force."""
    if unit_rows:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    return np.unique(np.nonzero(np.triu(apart <= within, 1))[1]).tolist()


@pytest.mark.parametrize("block", [1, 7, 4096])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_figures_are_those_of_all_finite_rows_at_once(dtype, block, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", block)
    x = (cloud() + 3).astype(dtype)
    x[5, 2], x[70, 0], x[8] = np.nan, -np.inf, 0
    x[:, 4] = 2.5
    x[8, 4] = 2.5
    found = seen(x)
    finite = np.isfinite(x).all(axis=1)
    rows = x[finite].astype(float)
    assert np.array_equal(np.isnan(found.norms), ~finite)
    assert found.norms[finite] == pytest.approx(np.linalg.norm(rows, axis=1))
    assert found.mean == pytest.approx(rows.mean(axis=0))
    assert found.sd == pytest.approx(rows.std(axis=0), abs=1e-12)
    assert found.constant.tolist() == [False] * 4 + [True, False]
    share = (rows**2 / (rows**2).sum(axis=1, keepdims=True)).mean(axis=0)
    assert found.share == pytest.approx(share)


def test_zero_rows_have_no_share_and_are_not_usable():
    x = np.array([[3.0, 4.0], [0.0, -0.0], [np.nan, 1.0], [5.0, 12.0]])
    found = seen(x)
    assert found.usable.tolist() == [True, False, False, True]
    assert found.share == pytest.approx([(9 / 25 + 25 / 169) / 2, (16 / 25 + 144 / 169) / 2])


@pytest.mark.parametrize("shift", [1e6, 1e12])
def test_a_large_offset_leaves_the_deviations(shift):
    x = cloud() * [1, 2, 3, 4, 5, 6] + shift
    assert seen(x).sd == pytest.approx(x.std(axis=0), rel=1e-6)


@pytest.mark.parametrize("before", [0.0, 1e-200, 1e-30, 1e-12])
@pytest.mark.parametrize("after", [1e-200, 1.0, 1e200])
def test_rows_of_any_size_may_follow_rows_of_another(before, after, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 100)
    x = cloud()
    x[:200] *= before
    x[200:] *= after
    x[290] = x[210] * (1 + 1e-6)
    with np.errstate(over="raise", invalid="raise"):
        found = seen(x)
        larger = max(before, after)
        assert found.sd / larger == pytest.approx((x / larger).std(axis=0), rel=1e-9)
        assert found.mean / larger == pytest.approx((x / larger).mean(axis=0), rel=1e-9)
        assert np.isfinite(found.sketch).all()
        if after >= before:
            later, first = near_repeats(isthmus.open(x), found, within=after * 1e-4, without=NONE)
            assert (290, 210) in zip(later.tolist(), first.tolist(), strict=True)


def test_both_ends_of_float64_do_not_overflow():
    x = np.where(cloud(50, 3) > 0, 1.7e308, -1.7e308)
    with np.errstate(over="raise", invalid="raise"):
        found = seen(x)
    assert np.isinf(found.norms).all()  # which no number holds
    assert found.mean / 1.7e308 == pytest.approx(np.sign(x).mean(axis=0))


def test_a_survey_of_nothing_finite_is_still_one():
    found = seen(np.full((3, 2), np.nan))
    assert not found.usable.any()
    assert not found.constant.any()
    assert (found.sd.tolist(), found.share.tolist(), found.unit) == ([0, 0], [0, 0], 1.0)
    assert exact_repeats(isthmus.open(np.full((3, 2), np.nan)), found)[0].tolist() == []


def test_one_row_is_constant_and_repeats_nothing():
    x = np.array([[1.0, 2.0]])
    found = seen(x)
    assert found.constant.all()
    assert found.sd.tolist() == [0, 0]
    assert exact_repeats(isthmus.open(x), found)[0].tolist() == []
    assert near_repeats(isthmus.open(x), found, within=1.0, without=NONE)[0].tolist() == []


def test_the_same_seed_gives_the_same_keys_and_another_gives_others():
    x = cloud()
    assert np.array_equal(seen(x, rng=3).keys, seen(x, rng=3).keys)
    assert not np.array_equal(seen(x, rng=3).keys, seen(x, rng=4).keys)
    assert len(np.unique(seen(x).keys)) == len(x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_exact_repeats_are_those_of_a_dictionary(dtype):
    # Few values, so that many rows repeat; zeros of both signs are one number.
    x = np.random.default_rng(1).integers(-1, 2, size=(400, 4)).astype(dtype)
    x[x == 0] *= np.random.default_rng(2).choice([-1, 1], size=(x == 0).sum()).astype(dtype)
    x[17, 0] = np.nan
    first, expected = {}, []
    for i, row in enumerate(x + dtype(0)):
        if np.isnan(row).any() or not row.any():
            continue
        j = first.setdefault(tuple(row.tolist()), i)
        expected += [(i, j)] if j < i else []
    later, earlier = exact_repeats(isthmus.open(x), seen(x))
    assert list(zip(later.tolist(), earlier.tolist(), strict=True)) == expected
    assert len(expected) > 300


def test_rows_that_differ_in_order_or_in_the_last_bit_repeat_nothing():
    row = cloud(1, 6)[0]
    x = np.stack([row, row[::-1], np.roll(row, 1), row * (1 + 2**-52), -row])
    assert exact_repeats(isthmus.open(x), seen(x))[0].tolist() == []


@pytest.mark.parametrize("unit_rows", [False, True])
@pytest.mark.parametrize("alike", [3, 60])
def test_near_repeats_are_those_of_all_pairs_however_many_are_alike(unit_rows, alike):
    x = cloud(400, 8)
    rng = np.random.default_rng(4)
    group = rng.permutation(400)[:alike]
    x[group] = x[group[0]] + 1e-5 * rng.normal(size=(alike, 8))
    if unit_rows:
        x[group] *= rng.uniform(1, 50, size=(alike, 1))
    space, found = isthmus.open(x), seen(x, unit_rows=unit_rows)
    later, earlier = near_repeats(space, found, within=1e-3, without=NONE)
    assert later.tolist() == twins_of_all_pairs(x, 1e-3, unit_rows) == sorted(group)[1:]
    assert (earlier < later).all()
    assert set(earlier.tolist()) <= set(group.tolist())


def test_copies_at_other_lengths_are_one_direction_and_not_one_place():
    x = cloud(300, 16)
    x[100:200] = x[100] * np.random.default_rng(5).uniform(1, 2, size=(100, 1))
    space = isthmus.open(x)
    later, _ = near_repeats(space, seen(x, unit_rows=True), within=1e-3, without=NONE)
    assert later.tolist() == list(range(101, 200))
    later, _ = near_repeats(space, seen(x), within=1e-4, without=NONE)
    assert later.tolist() == twins_of_all_pairs(x, 1e-4)


def test_rows_left_out_are_neither_later_nor_earlier():
    x = cloud(50)
    x[[10, 20, 30]] = x[5] + 1e-9 * np.arange(1, 4)[:, None]
    space, found = isthmus.open(x), seen(x)
    for without, told in (([], [10, 20, 30]), ([20], [10, 30]), ([5, 10], [30]), ([5, 10, 20], [])):
        later, _ = near_repeats(space, found, within=1e-6, without=np.array(without, int))
        assert later.tolist() == told
    assert found.usable.all()


def test_the_distance_is_a_limit_that_may_be_reached():
    x = np.array([[0.0, 4.0], [8.0, 4.0], [0.0, 4.5], [8.0, 4.50001]])
    space, found = isthmus.open(x), seen(x)
    assert near_repeats(space, found, within=0.5, without=NONE)[0].tolist() == [2]
    for nothing in (0.0, -1.0, np.nan):
        assert near_repeats(space, found, within=nothing, without=NONE)[0].tolist() == []


def test_columns_of_a_larger_array_and_of_fortran_are_read_alike():
    x = cloud(200, 12)
    plain = seen(np.ascontiguousarray(x[::-1, ::2]))
    for same in (x[::-1, ::2], np.asfortranarray(x[::-1, ::2])):
        found = seen(same)
        assert np.array_equal(found.keys, plain.keys)
        assert np.array_equal(found.sketch, plain.sketch)
