import itertools
import sys

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import shape_distance

module = sys.modules["isthmus.measures.shape_distance"]


def plugin(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(x.T @ y, "nuc") / np.linalg.norm(x) / np.linalg.norm(y)


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def test_plugin_equals_the_definition():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 5)) + 3
    score = shape_distance(x, y, estimator="plugin")
    assert score.value == pytest.approx(plugin(x, y), rel=1e-12)
    assert score.ci is None


def test_traces_equal_sums_over_increasing_groups():
    c = np.random.default_rng(0).normal(size=(7, 3, 2))
    cycles = np.array([[3, 1, 0, 6, 5, 2, 4]])
    expected = []
    for p in (1, 2, 3):
        terms = []
        for chosen in itertools.combinations(cycles[0], 2 * p):
            for flip in (False, True):
                product = np.eye(3 if not flip else 2)
                for i, g in enumerate(chosen):
                    product = product @ (c[g].T if (i % 2 == 1) != flip else c[g])
                terms.append(np.trace(product))
        expected.append(np.mean(terms))
    np.testing.assert_allclose(module._traces(c, cycles, left_out=1)[0], expected, rtol=1e-12)


def test_traces_without_a_group_equal_those_of_the_other_groups():
    c = np.random.default_rng(0).normal(size=(8, 3, 2))
    cycles = np.array([[3, 1, 0, 6, 5, 2, 4, 7], [0, 1, 2, 3, 4, 5, 6, 7]])
    found = module._traces(c, cycles, left_out=1)[1]
    for g in range(8):
        rest = cycles[:1][:, cycles[0] != g]
        whole = module._traces(np.delete(c, g, axis=0), rest - (rest > g), left_out=1)[0]
        np.testing.assert_allclose(found[g], whole, rtol=1e-12)


def test_covariances_are_those_of_contrasts_to_the_rows_before():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 3)) + 7
    order = np.random.default_rng(1).permutation(40)
    contrasts = [
        np.stack([(a[r] - a[order[:i]].mean(0)) * np.sqrt(i / (i + 1))
                  for i, r in enumerate(order) if i])
        for a in (x, y)
    ]  # fmt: skip
    groups = np.array_split(np.arange(39), 12)
    expected = [contrasts[0][g].T @ contrasts[1][g] / len(g) for g in groups]
    np.testing.assert_allclose(list(module._covariances(x, y, order)), expected, atol=1e-12)


def test_moments_are_unbiased_where_the_plugin_moments_are_not():
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0.3], [0, 0.5], [0.2, 0]])
    truth = [np.trace(np.linalg.matrix_power(mix @ mix.T, p)) for p in (1, 2, 3)]
    found, naive = [], []
    for _ in range(300):
        x = rng.normal(size=(40, 3))
        y = x @ mix + rng.normal(size=(40, 2)) + 5
        c = np.stack(list(module._covariances(x, y, rng.permutation(40))))
        found.append(module._traces(c, np.arange(12)[None], left_out=1)[0])
        s = (x - x.mean(axis=0)).T @ y / 39
        naive.append([np.trace(np.linalg.matrix_power(s @ s.T, p)) for p in (1, 2, 3)])
    error = np.std(found, axis=0) / np.sqrt(300)
    assert (np.abs(np.mean(found, axis=0) - truth) < 3.5 * error).all()
    assert (np.mean(naive, axis=0) - truth > 3.5 * np.std(naive, axis=0) / np.sqrt(300)).all()


def test_independent_gaussians_the_papers_claim():
    plain, moments = [], []
    for seed in range(12):
        x, y = np.random.default_rng(seed).normal(size=(2, 200, 50))
        plain.append(float(shape_distance(x, y, estimator="plugin")))
        score = shape_distance(x, y)
        moments.append(float(score))
        assert score.ci[0] <= 0 <= score.ci[1]
    assert np.mean(plain) >= 0.3
    assert abs(np.mean(moments)) <= np.mean(plain) / 3


@pytest.mark.parametrize(("n", "d", "tolerance"), [(300, 20, 0.05), (100, 40, 0.15)])
def test_half_of_the_variance_shared(n, d, tolerance):
    covered, values = 0, []
    for seed in range(10):
        x, noise = np.random.default_rng(seed).normal(size=(2, n, d))
        score = shape_distance(x, x @ rotation(d) + noise)
        values.append(float(score))
        covered += score.ci[0] <= 0.5**0.5 <= score.ci[1]
    assert np.mean(values) == pytest.approx(0.5**0.5, abs=tolerance)
    assert covered >= 9


def test_approaches_the_truth_on_a_steep_spectrum():
    fall = np.arange(1, 31) ** -1.0
    x, noise = np.random.default_rng(0).normal(size=(2, 5000, 30)) * fall
    score = shape_distance(x, (x + noise) @ rotation(30))
    assert score.value == pytest.approx(0.5**0.5, abs=0.02)


def test_rotation_reads_one():
    x = np.random.default_rng(0).normal(size=(200, 10))
    assert shape_distance(x, 3 * x @ rotation(10) + 1).value == pytest.approx(1, abs=0.06)


def test_symmetric_order_free_and_seeded():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 5))
    y = y[:, :4] + x[:, :4]
    score = shape_distance(x, y)
    assert shape_distance(y, x).value == pytest.approx(score.value, rel=1e-10)
    mixed = np.random.default_rng(1).permutation(60)
    assert shape_distance(x[mixed], y[mixed]).value == pytest.approx(score.value, rel=1e-10)
    assert shape_distance(x, y, rng=1).value != score.value


def test_offset_scale_and_more_dims_than_rows():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 5))
    reference = shape_distance(x, x + y).value
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1000)):
        got = shape_distance(x * factor + offset, x + y).value
        assert got == pytest.approx(reference, abs=1e-8)
    wide = np.random.default_rng(0).normal(size=(2, 20, 50))
    assert abs(shape_distance(*wide).value) < plugin(*wide) / 3


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(InputError, match="at least 13"):
        shape_distance(x, x)
    with pytest.raises(InputError, match="'moments' or 'plugin'"):
        shape_distance(x, x, estimator="median")
    with pytest.raises(InputError, match="all equal"):
        shape_distance(np.ones((20, 2)), np.random.default_rng(0).normal(size=(20, 2)))


@pytest.mark.parametrize(
    ("n", "power", "widest"), [(100, 1.0, 0.2), (500, 1.0, 0.08), (500, 0.5, 0.06)]
)
def test_interval_is_narrow_once_n_is_well_above_d_and_still_covers(n, power, widest):
    fall = np.arange(1, 11) ** -power
    covered, widths = 0, []
    for seed in range(60):
        x, noise = np.random.default_rng(seed).normal(size=(2, n, 10)) * fall
        low, high = shape_distance(x, (x + noise) @ rotation(10), rng=seed).ci
        covered += low <= 0.5**0.5 <= high
        widths.append(high - low)
    assert covered >= 54
    assert np.mean(widths) < widest


def test_grouping_of_float32_far_from_the_origin_is_that_of_float64():
    x, y = (np.random.default_rng(0).normal(size=(2, 120, 5)) + 1000).astype(np.float32)
    wide = shape_distance(x.astype(float), y.astype(float)).value
    assert shape_distance(x, y).value == pytest.approx(wide, abs=1e-9)
