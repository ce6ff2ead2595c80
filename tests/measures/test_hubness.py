import numpy as np
import pytest
from scipy.stats import binom, skew

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import hubness


def oracle(x, k):
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = u @ u.T
    np.fill_diagonal(cosines, -np.inf)
    return np.bincount(np.argsort(-cosines, axis=1)[:, :k].ravel(), minlength=len(x))


@pytest.mark.parametrize("k", [3, 10])
def test_equals_the_counts_written_out(k):
    x = np.random.default_rng(0).normal(size=(80, 20))
    score, counts = hubness(x, k=k), oracle(x, k)
    np.testing.assert_array_equal(score.parts["counts"], counts)
    assert score.value == pytest.approx(skew(counts))
    assert score.parts["anti_hubs"] == np.mean(counts == 0)
    assert score.parts["hubs"] == np.mean(counts >= 2 * k)
    assert score.chance == pytest.approx(float(binom.stats(79, k / 79, moments="s")))


def test_interval_is_as_wide_as_samples_differ():
    scores = [hubness(np.random.default_rng(s).normal(size=(200, 8))) for s in range(60)]
    claimed = np.mean([s.ci[1] - s.ci[0] for s in scores]) / 3.92
    assert claimed == pytest.approx(np.std([s.value for s in scores]), rel=0.3)


def test_even_counts_and_duplicates():
    ring = 2 * np.pi * np.arange(30) / 30
    score = hubness(np.column_stack([np.cos(ring), np.sin(ring)]), k=2)
    assert score.value == 0.0
    assert score.ci == (0.0, 0.0)
    x = np.random.default_rng(0).normal(size=(30, 3))
    assert "2 rows have a duplicate" in hubness(np.vstack([x, x[:1]])).warnings[0]
    assert all(text.endswith(ROUGH) for text in hubness(x).warnings)


def test_level_neighbours_are_told():
    assert "40 rows have level neighbours at place 10" in hubness(np.eye(40)).warnings[0]
    near = np.eye(40) + 0.01 * np.random.default_rng(0).normal(size=(40, 40))
    assert not any("level neighbours" in text for text in hubness(near).warnings)


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    for k in (0, 29):
        with pytest.raises(InputError, match=f"hubness: got k={k}"):
            hubness(x, k=k)
    with pytest.raises(InputError, match="taxicab"):
        hubness(x, metric="taxicab")
