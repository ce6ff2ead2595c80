import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.evidence import feature_collapse as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


def test_figures_of_a_small_run():
    figures = evidence.experiment(SEEDS, epochs=2, words=30)
    assert figures["norm_accuracy"].value > 0.3
    assert figures["norm"].value < figures["plain"].value
    assert sum(figure.claimed for figure in figures.values()) == 3


def test_sentences_follow_their_patterns_and_zipf():
    rng = np.random.default_rng(0)
    patterns = rng.integers(3, size=(40, 10))
    words, numbers = evidence.sentences(patterns, 30, rng, words=30)
    assert words.shape == (1200, 10)
    np.testing.assert_array_equal(words // 10, patterns[numbers])
    counts = np.bincount(words.ravel() % 10, minlength=10)
    assert counts[0] / counts[4] == pytest.approx(5, rel=0.15)


def test_a_measure_that_ignores_roles_meets_nothing():
    def spread(x, labels):
        return Score(value=float(x.std()), method="spread", n=len(x))

    figures = evidence.experiment(SEEDS, epochs=1, words=30, measure=spread)
    assert not figures["norm"].met
    assert not figures["ratio"].met
