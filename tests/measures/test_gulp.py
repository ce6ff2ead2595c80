import math

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cca, gulp


def oracle(x, y, lam):
    """The paper's formula, from inverses of covariances."""
    n = len(x)
    x, y = ((a - a.mean(0)) / np.linalg.norm(a - a.mean(0)) * math.sqrt(n) for a in (x, y))
    xx, yy, xy = x.T @ x / n, y.T @ y / n, x.T @ y / n
    ix, iy = (np.linalg.inv(a + lam * np.eye(len(a))) for a in (xx, yy))
    first, second = ix @ xx, iy @ yy
    square = np.trace(first @ first) + np.trace(second @ second)
    return math.sqrt(square - 2 * np.trace(ix @ xy @ iy @ xy.T))


def views(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) * [3, 2, 1, 0.5, 0.2]
    return x + 3, x[:, :4] @ rng.normal(size=(4, 4)) + rng.normal(size=(n, 4))


@pytest.mark.parametrize("lam", [0, 1e-3, 0.1, 10])
def test_equals_the_formula(lam):
    x, y = views()
    score = gulp(x, y, lam=lam)
    assert score.value == pytest.approx(oracle(x, y, lam), rel=1e-9)
    assert score.distance() == score.value
    assert gulp(y, x, lam=lam).value == pytest.approx(score.value, rel=1e-12)


@pytest.mark.parametrize("lam", [0, 0.3])
def test_the_curve_is_that_of_single_calls_whatever_the_penalty(lam):
    x, y = views(60)
    parts = gulp(x, y, lam=lam).parts
    assert parts["lams"] == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1, 10])
    assert parts["curve"] == pytest.approx([oracle(x, y, one) for one in parts["lams"]], rel=1e-9)


def test_is_the_gap_between_ridge_predictions():
    x, y = views(60)
    x, y = ((a - a.mean(0)) / np.linalg.norm(a - a.mean(0)) * math.sqrt(60) for a in (x, y))
    smooth = [a @ np.linalg.solve(a.T @ a + 60 * 0.1 * np.eye(a.shape[1]), a.T) for a in (x, y)]
    d = gulp(x, y, lam=0.1).value
    targets = np.random.default_rng(0).normal(size=(60, 4000))
    gaps = np.linalg.norm((smooth[0] - smooth[1]) @ targets, axis=0)
    assert math.sqrt(np.mean(gaps**2)) == pytest.approx(d, rel=0.02)
    # Of one target, no gap is larger than d times its size.
    assert (gaps <= d * np.linalg.norm(targets, axis=0)).all()


def test_the_square_breaks_the_triangle_and_the_root_does_not():
    broken = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        # b lies between a and c, where squares need not add up.
        a, c = rng.normal(size=(2, 60, 4))
        b = a + c
        ab, bc, ac = gulp(a, b).value, gulp(b, c).value, gulp(a, c).value
        assert ac <= ab + bc + 1e-12
        broken += ac**2 > ab**2 + bc**2 + 1e-12
    assert broken > 10


def test_limits_of_the_penalty():
    x, y = views()
    # 0: the spans alone, at equal ranks twice the squared length of CCA.
    assert gulp(x, y, lam=0).value == pytest.approx(math.sqrt(2) * cca(x, y).length, rel=1e-9)
    mixed = x @ np.random.default_rng(1).normal(size=(5, 5))
    assert gulp(x, mixed, lam=0).value < 1e-9 < gulp(x, mixed).value
    grams = [(a - a.mean(0)) @ (a - a.mean(0)).T / np.sum((a - a.mean(0)) ** 2) for a in (x, y)]
    far = 1e6 * gulp(x, y, lam=1e6).value
    assert far == pytest.approx(np.linalg.norm(grams[0] - grams[1]), rel=1e-4)


def test_small_distances_keep_their_digits():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 100, 6))
    near = [gulp(x, x + e * noise).value for e in (1e-9, 1e-10)]
    assert near[0] / near[1] == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize("lam", [0, 0.01, 1])
def test_interval_is_that_of_leaving_rows_out(lam):
    x, y = views(150)
    score = gulp(x, y, lam=lam)
    values = np.array([oracle(np.delete(x, i, 0), np.delete(y, i, 0), lam) for i in range(len(x))])
    error = math.sqrt(149 / 150 * np.sum((values - values.mean()) ** 2))
    assert score.value - score.ci[0] == pytest.approx(1.96 * error, rel=0.06)


@pytest.mark.parametrize("lam", [0, 0.01, 1])
def test_chance_and_z_are_those_of_shuffles(lam):
    x, y = views(60)
    rng = np.random.default_rng(2)
    draws = [gulp(x, y[rng.permutation(60)], lam=lam) for _ in range(400)]
    assert np.mean([s.value**2 for s in draws]) == pytest.approx(draws[0].chance ** 2, rel=0.02)
    assert np.mean([s.z for s in draws]) == pytest.approx(0, abs=0.15)
    assert np.std([s.z for s in draws]) == pytest.approx(1, abs=0.12)
    assert np.mean([s.p < 0.05 for s in draws]) < 0.09
    assert gulp(x, y, lam=lam).p < 1e-6


def test_more_dims_than_rows():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 50))
    score = gulp(x, y)
    assert any("few for these spaces" in one for one in score.warnings)
    enough = gulp(*np.random.default_rng(0).normal(size=(2, 500, 5))).warnings
    assert not any("few for these spaces" in one for one in enough)
    with pytest.raises(InputError, match="more rows than dimensions"):
        gulp(x, y, lam=0)


def test_constant_and_duplicate_columns_add_nothing():
    x, y = views()
    wide = np.hstack([x, np.full((200, 1), 7.0)])
    assert gulp(wide, y).value == pytest.approx(gulp(x, y).value, rel=1e-9)
    twice = np.hstack([x, x[:, :1] * 1e-9])
    assert gulp(twice, y, lam=0).value == pytest.approx(gulp(x, y, lam=0).value, rel=1e-6)


def test_bad_input():
    x, y = views(20)
    for lam in (-1, -1e-300):
        with pytest.raises(InputError, match="a penalty of 0 or more"):
            gulp(x, y, lam=lam)
    with pytest.raises(InputError, match="all equal"):
        gulp(np.ones((20, 2)), y)
