import numpy as np
import pytest
from scipy.special import digamma, gamma

from isthmus.core.errors import InputError
from isthmus.measures import tmi


def oracle(x, labels, k):
    total = 0.0
    for c in np.unique(labels):
        own = x[labels == c]
        n, d = own.shape
        radius = np.sort(np.linalg.norm(own[:, None] - own, axis=2), axis=1)[:, k]
        ball = np.pi ** (d / 2) / gamma(d / 2 + 1)
        total += n * (digamma(n) - digamma(k) + np.log(ball)) + d * np.log(radius).sum()
    return total / len(x)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_equals_the_formula(k):
    x = np.random.default_rng(0).normal(size=(90, 4)) * [1, 2, 3, 0.1]
    labels = np.arange(90) % 3 // np.array([1, 1, 1] * 30)
    assert tmi(x, labels, k=k).value == pytest.approx(oracle(x, labels, k), abs=1e-9)


def test_known_entropies():
    rng = np.random.default_rng(1)
    labels = np.arange(4000) % 2
    x = rng.normal(size=(4000, 3)) + 50 * labels[:, None]
    score = tmi(x, labels)
    gaussian = 1.5 * np.log(2 * np.pi * np.e)
    assert score.value == pytest.approx(gaussian, abs=0.06)
    assert score.parts["per_dimension"] == pytest.approx(score.value / 3)
    assert score.parts["classes"] == pytest.approx([gaussian] * 2, abs=0.1)
    # An entropy of the whole would count the distance of the classes, of a bit of information.
    assert tmi(x, rng.permutation(labels)).value > score.value + 0.5


def test_units_count_as_an_entropy_does():
    x = np.random.default_rng(2).normal(size=(60, 5))
    labels = np.arange(60) % 2
    assert tmi(10 * x, labels).value - tmi(x, labels).value == pytest.approx(5 * np.log(10))


def test_interval_covers_the_long_run_value():
    draws = []
    for seed in range(120):
        x = np.random.default_rng(seed).normal(size=(150, 2))
        draws.append(tmi(x, np.arange(150) % 3))
    truth = np.mean([s.value for s in draws])
    # A little less than 95 %, as the card says: rows share neighbours.
    assert 0.8 < np.mean([s.ci[0] <= truth <= s.ci[1] for s in draws]) <= 1


def test_bad_input_and_wide_spaces():
    x = np.random.default_rng(3).normal(size=(60, 3))
    labels = np.arange(60) % 2
    with pytest.raises(InputError, match="tmi: got 4 rows with 3 equals"):
        tmi(np.where(np.isin(np.arange(60), [0, 2, 4, 6])[:, None], 1.0, x), labels)
    for bad in ({"k": 0}, {"k": 30}):
        with pytest.raises(InputError, match="1 <= k"):
            tmi(x, labels, **bad)
    for wrong in (labels[1:], labels * 0):
        with pytest.raises(InputError, match="tmi"):
            tmi(x, wrong)
    wide = np.random.default_rng(4).normal(size=(60, 30))
    assert "too high" in tmi(wide, labels).warnings[0]
