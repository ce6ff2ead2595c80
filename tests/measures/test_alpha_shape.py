import math

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import alpha_shape, cca, procrustes_angular
from isthmus.measures.alpha_shape import alpha_path


def part(x, alpha):
    x = x - x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x)
    kept = values > 1e-12 * values[-1]
    white = x @ (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    return alpha * x / np.linalg.norm(x) + (1 - alpha) * white / math.sqrt(kept.sum())


def oracle(x, y, alpha):
    a, b = part(x, alpha), part(y, alpha)
    return math.acos(np.linalg.norm(a.T @ b, "nuc") / np.linalg.norm(a) / np.linalg.norm(b))


def views(n=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) * [3, 2, 1, 0.5, 0.2]
    return x + 3, x[:, :4] @ rng.normal(size=(4, 4)) + rng.normal(size=(n, 4))


@pytest.mark.parametrize("alpha", [0, 0.1, 0.5, 1])
def test_equals_the_definition(alpha):
    x, y = views()
    score = alpha_shape(x, y, alpha=alpha)
    assert score.value == pytest.approx(oracle(x, y, alpha), abs=1e-9)
    assert score.distance() == score.value
    assert alpha_shape(y, x, alpha=alpha).value == pytest.approx(score.value, abs=1e-12)
    assert score.ci[0] < score.value < score.ci[1]


def test_the_path_is_that_of_single_calls():
    x, y = views()
    alphas = (0, 0.1, 0.5, 1)
    path = alpha_path(x, y, alphas=alphas)
    for found, alpha in zip(path, alphas, strict=True):
        assert found.value == pytest.approx(oracle(x, y, alpha), abs=1e-9)
        assert found.chance == pytest.approx(alpha_shape(x, y, alpha=alpha).chance, abs=1e-9)
    assert len({round(found.value, 3) for found in path}) == 4
    with pytest.raises(InputError, match="from 0 to 1"):
        alpha_path(x, y, alphas=(0.5, 2))


def test_ends_of_the_family():
    x, y = views()
    whole = procrustes_angular(x, y)
    assert alpha_shape(x, y, alpha=1).value == pytest.approx(whole.value, abs=1e-10)
    assert alpha_shape(x, y, alpha=1).ci == pytest.approx(whole.ci, abs=1e-9)
    y = x[:, ::-1] + y.mean() + np.random.default_rng(1).normal(size=x.shape)
    mean = cca(x, y).parts["mean_rho"]
    assert math.cos(alpha_shape(x, y, alpha=0).value) == pytest.approx(mean, abs=1e-9)


def test_only_alpha_zero_ignores_every_invertible_map():
    x, y = views()
    mixed = x @ np.random.default_rng(1).normal(size=(5, 5)) + 7
    same = [alpha_shape(a, y, alpha=0).value for a in (x, mixed)]
    assert same[0] == pytest.approx(same[1], abs=1e-9)
    assert abs(alpha_shape(x, y).value - alpha_shape(mixed, y).value) > 1e-3


def test_the_paper_mixes_what_is_not_scaled_and_so_has_units():
    """α X + (1-α) X (XᵀX)^{-½} as printed: the same where |X|² = r, another elsewhere."""

    def printed(x):
        x = x - x.mean(0)
        values, vectors = np.linalg.eigh(x.T @ x)
        return 0.5 * x + 0.5 * x @ (vectors / np.sqrt(values)) @ vectors.T

    def angle(x, y):
        a, b = printed(x), printed(y)
        return math.acos(np.linalg.norm(a.T @ b, "nuc") / np.linalg.norm(a) / np.linalg.norm(b))

    x, y = views()
    x, y = ((a - a.mean(0)) / np.linalg.norm(a - a.mean(0)) for a in (x, y))
    ours = alpha_shape(x, y).value
    assert angle(x * math.sqrt(5), y * math.sqrt(4)) == pytest.approx(ours, abs=1e-9)
    assert abs(angle(100 * x, 100 * y) - ours) > 1e-3


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_error_is_that_of_leaving_rows_out(alpha):
    x, y = views()
    score = alpha_shape(x, y, alpha=alpha)
    values = np.array(
        [oracle(np.delete(x, i, 0), np.delete(y, i, 0), alpha) for i in range(len(x))]
    )
    error = math.sqrt(149 / 150 * np.sum((values - values.mean()) ** 2))
    assert score.value - score.ci[0] == pytest.approx(1.96 * error, rel=0.06)


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_interval_covers_where_one_without_the_bias_does_not(alpha):
    covered = naive = 0
    for seed in range(100):
        x, noise = np.random.default_rng(seed).normal(size=(2, 300, 20))
        score = alpha_shape(x, x + noise, alpha=alpha)
        truth = math.pi / 4  # correlations of √½ in white spaces, whatever α
        covered += score.ci[0] <= truth <= score.ci[1]
        naive += score.ci[0] <= truth <= score.ci[1] - score.parts["bias"]
    assert covered >= 89
    assert naive < covered


def test_triangle_inequality_with_unequal_dims():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b, c = (rng.normal(size=(12, d)) for d in (3, 5, 4))
        b[:, :3] += 2 * a
        c[:, :4] += 2 * b[:, :4]
        for alpha in (0, 0.5):
            ab, bc, ac = (alpha_shape(*two, alpha=alpha).value for two in ((a, b), (b, c), (a, c)))
            assert ac <= ab + bc + 1e-12


def test_small_angles_keep_their_digits():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 100, 6))
    near = [alpha_shape(x, x[:, ::-1] + e * noise).value for e in (1e-9, 1e-10)]
    assert near[0] / near[1] == pytest.approx(10, rel=1e-3)


def test_chance_is_what_unrelated_rows_read():
    for alpha in (0, 0.5, 1):
        scores = [
            alpha_shape(
                *np.random.default_rng(s).normal(size=(2, 100, 20)) * np.arange(1, 21), alpha=alpha
            )
            for s in range(6)
        ]
        assert np.mean([s.value for s in scores]) == pytest.approx(scores[0].chance, abs=0.04)


def test_few_rows():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 60))
    assert "even unrelated" in alpha_shape(x, y).warnings[0]
    with pytest.raises(InputError, match="more rows than dimensions"):
        alpha_shape(x, y, alpha=0)


def test_bad_input():
    x, y = views(20)
    for alpha in (-0.1, 1.1):
        with pytest.raises(InputError, match="from 0 to 1"):
            alpha_shape(x, y, alpha=alpha)
    with pytest.raises(InputError, match="all equal"):
        alpha_shape(np.ones((20, 2)), y)
