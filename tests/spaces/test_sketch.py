"""Sketches: levels against their definitions, and who is told from whom."""

import math
from dataclasses import replace

import numpy as np
import pytest

from isthmus.spaces import sketch as module
from isthmus.spaces.sketch import FALSE_ALARM, MAX_DIRECTIONS, MAX_QUIET, MIN_BATCH, Level, Sketch


def topical(n, d, seed=0, centres=12, spread=0.5, skew=2.0):
    """Rows about a few directions, on axes of unequal size that are no coordinates."""
    world = np.random.default_rng(99)
    about = world.normal(size=(centres, d)) * np.geomspace(skew, 0.05, d)
    turn = np.linalg.qr(world.normal(size=(d, d)))[0]
    rng = np.random.default_rng(seed)
    x = about[rng.integers(centres, size=n)]
    return (x + spread * rng.normal(size=(n, d)) * np.geomspace(1.0, 0.01, d)) @ turn


def turned(x, seed=1):
    d = x.shape[1]
    return x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def made(x, seed=0):
    return Sketch.of(x, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def known():
    return made(topical(3000, 32))


# -- what is measured --------------------------------------------------------------------------


def test_the_own_level_is_that_of_held_out_rows(known):
    held = topical(3000, 32)[2000:]
    score = np.unique(known.codebook.score(held))
    assert known.held == 1000
    assert known.own == pytest.approx((score.mean(), score.std()), abs=1e-9)


def test_rotated_copies_lie_below_and_mirrored_ones_not_above(known):
    assert known.rotated.mean < known.own.mean - 0.1
    assert known.mirrored.mean < known.own.mean


def test_the_codebook_is_as_it_will_be_read_back(known):
    directions = known.codebook.directions
    assert np.array_equal(directions, directions.astype(np.float32))
    assert np.array_equal(known.quiet, known.quiet.astype(np.float32))


def test_the_same_rows_and_seed_give_the_same_sketch():
    x = topical(600, 20)
    one, two = made(x), made(x)
    assert np.array_equal(one.codebook.directions, two.codebook.directions)
    assert (one.own, one.rotated, one.mirrored) == (two.own, two.rotated, two.mirrored)


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e3, 1e150])
def test_the_unit_of_the_rows_does_not_matter(scale):
    x = topical(900, 20)
    one, two = made(x), made(scale * x)
    np.testing.assert_allclose(two.own, one.own, rtol=1e-6)
    np.testing.assert_allclose(two.rotated, one.rotated, rtol=1e-6)
    assert len(one.quiet) == len(two.quiet)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 87])
def test_too_few_rows_tell_nothing(n):
    found = made(topical(n, 8) if n else np.zeros((0, 8)))
    assert len(found.codebook.directions) == 0
    assert not found.tells(found.rotated)
    assert not found.keeps_quiet(topical(50, 8, seed=3))


def test_thirty_held_out_rows_are_the_fewest():
    assert MIN_BATCH == 30
    assert len(made(topical(90, 8)).codebook.directions) > 0


def test_no_more_directions_than_a_tenth_of_the_rows_or_the_most():
    assert len(made(topical(300, 8)).codebook.directions) <= 20
    assert len(made(topical(6000, 8)).codebook.directions) <= MAX_DIRECTIONS


def test_equal_rows_and_rows_of_zeros_have_levels_without_nan():
    for x in (np.zeros((400, 6)), np.ones((400, 6)), np.tile(np.arange(6.0), (400, 1))):
        found = made(x)
        assert all(math.isfinite(v) for v in (*found.own, *found.rotated, *found.mirrored))
        assert not found.tells(found.rotated)


# -- telling -----------------------------------------------------------------------------------


def test_rows_of_the_space_pass_and_those_of_a_turned_one_do_not(known):
    book = known.codebook
    passed = [
        book.score(topical(200, 32, seed=s)).mean() >= known.threshold(200) for s in range(10, 210)
    ]
    assert np.mean(passed) >= 1 - 10 * FALSE_ALARM
    foreign = [
        book.score(turned(topical(200, 32, seed=s), s)).mean() >= known.threshold(200)
        for s in range(10, 60)
    ]
    assert not any(foreign)


def test_what_tells_needs_a_gap_beyond_the_noise_of_the_batch(known):
    assert known.tells(known.rotated)
    assert not known.tells(known.own)
    near = known.own.mean - 0.05
    assert known.tells(Level(near, 0.1), 10**9)
    assert not known.tells(Level(near, 0.1), 30)
    assert not known.tells(Level(near, 0.5), 10**9)  # the held-out rows have noise too
    assert not known.tells(Level(known.own.mean - 0.019, 0.0), 10**9)


def test_the_threshold_falls_with_fewer_rows_and_stops_between_the_levels(known):
    at = [known.threshold(n) for n in (1, 10, 100, 1000, 10**9)]
    assert at == sorted(at)
    assert at[-1] <= known.foreign.mean + (known.own.mean - known.foreign.mean) / 3 + 1e-12


def test_the_threshold_is_the_formulas(known):
    for n in (1, 30, 5000):
        noise = 3.0902 * known.own.sd * math.sqrt(1 / n + 1 / known.held)
        between = known.foreign.mean + (known.own.mean - known.foreign.mean) / 3
        assert known.threshold(n) == pytest.approx(min(between, known.own.mean - noise))


def test_foreign_is_the_higher_level_where_mirrored_copies_differ(known):
    assert known.tells(known.mirrored)
    assert known.foreign == known.mirrored > known.rotated
    lower = replace(known, mirrored=Level(known.rotated.mean - 0.1, 0.05))
    assert lower.foreign == lower.rotated
    alike = replace(known, mirrored=known.own)  # reversing the axes changes nothing that is seen
    assert alike.foreign == alike.rotated


# -- quiet directions --------------------------------------------------------------------------


def test_quiet_directions_are_those_of_least_energy(known):
    assert known.quiet.shape == (MAX_QUIET, 32)
    np.testing.assert_allclose(known.quiet @ known.quiet.T, np.eye(MAX_QUIET), atol=1e-5)
    fit = topical(3000, 32)[:2000]
    y = fit - known.codebook.mean
    energy = np.linalg.eigvalsh(y.T @ y)
    share = np.sum((y @ known.quiet.T) ** 2) / np.sum(y**2)
    assert share == pytest.approx(energy[:MAX_QUIET].sum() / energy.sum(), rel=1e-3)
    assert known.quiet_rotated > 30 * known.quiet_own


def test_other_topics_of_the_space_leave_them_quiet_and_turned_rows_do_not(known):
    other = topical(200, 32, seed=5)[:60]
    assert known.keeps_quiet(other)
    assert not known.keeps_quiet(turned(other))
    assert not known.keeps_quiet(-other - 8 * known.codebook.mean)  # opposite the mean


def test_a_round_space_has_no_quiet_directions():
    found = made(np.random.default_rng(0).normal(size=(2000, 32)))
    assert found.quiet.shape == (0, 32)
    assert (found.quiet_own, found.quiet_rotated) == (0.0, 0.0)
    assert not found.keeps_quiet(np.ones((40, 32)))


def test_an_order_of_the_coordinates_is_no_mark_of_an_encoder():
    """The last of decaying coordinates are quiet whoever made them."""
    x = np.random.default_rng(0).normal(size=(2000, 32)) * np.geomspace(1, 1e-3, 32)
    assert made(x).quiet.shape == (0, 32)


@pytest.mark.parametrize(("n", "d"), [(2000, 8), (90, 48)])
def test_few_columns_or_rows_have_none(n, d):
    assert made(topical(n, d)).quiet.shape == (0, d)


def test_wide_spaces_are_not_decomposed(monkeypatch):
    monkeypatch.setattr(module, "_MAX_QUIET_DIM", 31)
    assert made(topical(900, 32)).quiet.shape == (0, 32)


def test_no_rows_are_as_quiet_as_any(known):
    assert known.keeps_quiet(known.codebook.mean[None])
