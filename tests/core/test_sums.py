"""Sums against rows written out, moved and added."""

import numpy as np
import pytest

from isthmus.core.sums import Sums

DX, DY = 4, 3


def written_out(x, y, kept=((0, 0), (0, 1), (1, 1))):
    sums, sides = Sums((DX, DY)), (x, y)
    a, b = (np.sum(side**2, axis=1) for side in sides)
    thin = np.stack([a, b, np.ones(len(x))])
    sums.scatters = {(i, j): sides[i].T @ sides[j] for i, j in kept}
    sums.thin = thin @ np.column_stack([x, y, *thin])
    return sums


def same(one, two):
    gaps = [np.abs(one.scatters[k] - two.scatters[k]).max() for k in two.scatters]
    return max([*gaps, np.abs(one.thin - two.thin).max()]) < 1e-9 * np.abs(two.thin).max()


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, DX)) + 1, rng.normal(size=(30, DY)) - 2


def test_moved_sums_are_those_of_moved_rows(rows):
    x, y = rows
    delta = np.random.default_rng(1).normal(size=DX + DY)
    there = written_out(x + delta[:DX], y + delta[DX:])
    assert same(written_out(x, y).moved(delta), there)
    assert not same(written_out(x, y), there)
    assert not same(written_out(x, y).moved(-delta), there)


def test_nothing_moves_by_nothing(rows):
    sums = written_out(*rows)
    assert sums.moved(np.zeros(DX + DY)) is sums


def test_sums_add_up_and_change_only_what_they_are_given(rows):
    x, y = rows
    one, two = written_out(x[:11], y[:11]), written_out(x[11:], y[11:])
    assert same(one.plus(two), written_out(x, y))
    assert same(one, written_out(x[:11], y[:11]))
    added = one.plus(two, out=one)
    assert added.scatters[0, 1] is one.scatters[0, 1]
    assert same(added, written_out(x, y))
    assert same(two, written_out(x[11:], y[11:]))


def test_what_is_not_kept_is_left_out(rows):
    sums = written_out(*rows, kept=((0, 1),))
    delta = np.arange(DX + DY) / 4.0
    moved, whole = sums.moved(delta), written_out(*rows).moved(delta)
    assert set(moved.scatters) == {(0, 1)}
    np.testing.assert_allclose(moved.scatters[0, 1], whole.scatters[0, 1])
    # Σab, Σa and Σb need the product of x with y alone.
    np.testing.assert_allclose(moved.thin[0, -2:], whole.thin[0, -2:])
    np.testing.assert_allclose(moved.thin[2], whole.thin[2])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_entry_that_is_not_finite_is_seen(rows, bad):
    for spoil in ("scatters", "thin"):
        sums = written_out(*rows)
        assert sums.finite()
        held = sums.thin if spoil == "thin" else sums.scatters[0, 1]
        held[1, 2] = bad
        assert not sums.finite()
