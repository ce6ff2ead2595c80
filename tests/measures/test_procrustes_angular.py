import math

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import procrustes_angular


def oracle(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    s = np.linalg.norm(x.T @ y, "nuc") / np.linalg.norm(x) / np.linalg.norm(y)
    return math.acos(min(s, 1.0))


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


@pytest.mark.parametrize("noise", [0.1, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("dims", [(6, 6), (6, 9), (9, 6)])
def test_equals_the_definition(noise, dims):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(50, 6))
    x = latent @ rng.normal(size=(6, dims[0])) + noise * rng.normal(size=(50, dims[0]))
    y = latent @ rng.normal(size=(6, dims[1])) + noise * rng.normal(size=(50, dims[1])) - 4
    score = procrustes_angular(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-9)
    assert score.distance() == score.value
    assert score.value == pytest.approx(procrustes_angular(y, x).value, abs=1e-12)


def test_zero_padding_is_what_unequal_dims_mean():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 5))
    padded = np.hstack([y[:, :3], np.zeros((30, 2))])
    assert procrustes_angular(x, y[:, :3]).value == pytest.approx(oracle(x, padded), abs=1e-9)


def test_small_angles_keep_their_digits_where_arccos_loses_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 8))
    x -= x.mean(0)
    noise = rng.normal(size=x.shape)
    noise -= noise.mean(0)
    # To first order the angle is the part of the noise that no rotation or scaling can follow.
    angles = [procrustes_angular(x @ rotation(8), x + e * noise).value for e in (1e-9, 1e-10)]
    assert angles[0] / angles[1] == pytest.approx(10, rel=1e-3)
    assert 1e-10 < angles[0] < 1e-8
    assert oracle(x @ rotation(8), x + 1e-9 * noise) != pytest.approx(angles[0], rel=0.1)


def test_rank_deficient_and_few_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 7))
    assert procrustes_angular(x, x @ rotation(7) * 3 + 1).value < 1e-7
    few = rng.normal(size=(10, 30))
    assert procrustes_angular(few, few @ rotation(30)).value < 1e-7


def test_chance_is_what_unrelated_rows_read():
    for n, d in ((100, 40), (60, 50), (1000, 5)):
        scores = [
            procrustes_angular(
                *np.random.default_rng(s).normal(size=(2, n, d)) * np.arange(1, d + 1)
            )
            for s in range(5)
        ]
        values = [s.value for s in scores]
        assert np.mean(values) == pytest.approx(scores[0].chance, abs=0.04)


def test_small_samples_are_warned_about():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 60))
    assert "even unrelated" in procrustes_angular(x, y).warnings[0]


def test_triangle_inequality_with_unequal_dims():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b, c = (rng.normal(size=(12, d)) for d in (3, 5, 4))
        b[:, :3] += 2 * a
        c[:, :4] += 2 * b[:, :4]
        d = procrustes_angular
        assert d(a, c).value <= d(a, b).value + d(b, c).value + 1e-12


def test_offset_and_scale():
    x, y = np.random.default_rng(0).normal(size=(2, 200, 5))
    y = x + y
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1000)):
        got = procrustes_angular(x * factor + offset, y).value
        assert got == pytest.approx(oracle(x, y), abs=1e-9)


def test_equal_rows_are_refused():
    with pytest.raises(InputError, match="all equal"):
        procrustes_angular(np.ones((5, 2)), np.random.default_rng(0).normal(size=(5, 2)))


def truth_and_scores(n, dims, noise, runs=100):
    """x and y = x R + noise, with the angle of their distribution."""
    d, wide = dims
    turn = rotation(wide)[:d]
    scores = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, d))
        scores.append(procrustes_angular(x, x @ turn + noise * rng.normal(size=(n, wide))))
    return math.acos(math.sqrt(d / (d + noise**2 * wide))), scores


@pytest.mark.parametrize(
    ("n", "dims", "noise"), [(120, (12, 12), 0.5), (400, (20, 20), 1.0), (200, (8, 16), 1.0)]
)
def test_interval_covers_where_one_without_the_bias_does_not(n, dims, noise):
    truth, scores = truth_and_scores(n, dims, noise)
    covered = [s.ci[0] <= truth <= s.ci[1] for s in scores]
    naive = [s.ci[0] <= truth <= s.ci[1] - s.parts["bias"] for s in scores]
    assert np.mean(covered) >= 0.89
    assert np.mean(naive) < np.mean(covered)
    assert np.mean([s.parts["bias"] for s in scores]) == pytest.approx(
        truth - np.mean([s.value for s in scores]), rel=0.35
    )


def test_where_the_interval_misses_it_warns():
    truth, scores = truth_and_scores(60, (15, 30), 2.0, runs=30)
    assert np.mean([s.ci[0] <= truth <= s.ci[1] for s in scores]) < 0.9
    assert all(any("too low" in one for one in s.warnings) for s in scores)


def test_error_is_that_of_leaving_rows_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * [3, 2, 1]
    y = x @ rotation(3) + rng.normal(size=x.shape)
    score = procrustes_angular(x, y)
    values = np.array([oracle(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(300)])
    error = math.sqrt(299 / 300 * np.sum((values - values.mean()) ** 2))
    assert score.value - score.ci[0] == pytest.approx(1.96 * error, rel=0.03)
