import itertools

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from isthmus.core.errors import InputError
from isthmus.measures import knn_probe
from isthmus.measures.classes import accuracy


def classes(n=80, d=4, g=2, gap=0.8, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(g, size=n)
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 5, labels


@pytest.mark.parametrize("k", [1, 7])
def test_equals_sklearn_leave_one_out(k):
    x, labels = classes()
    guess = cross_val_predict(KNeighborsClassifier(k), x, labels, cv=LeaveOneOut())
    score = knn_probe(x, labels, k=k)
    np.testing.assert_array_equal(score.parts["hits"], guess == labels)
    assert score.value == np.mean(guess == labels)


def test_chance_and_z_are_exact_over_all_shuffles_of_the_guesses():
    labels, guess = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 2, 0])
    right = [np.sum(np.array(g) == labels) for g in itertools.permutations(guess)]
    score = accuracy(guess, labels, "knn_probe", ())
    assert score.chance == pytest.approx(np.mean(right) / 7, abs=1e-12)
    assert score.z == pytest.approx((4 - np.mean(right)) / np.std(right), abs=1e-12)


def test_interval_is_binomial():
    x, labels = classes()
    score = knn_probe(x, labels)
    both = binomtest(round(80 * score.value), 80).proportion_ci(0.95, "exact")
    assert score.ci == pytest.approx((both.low, both.high), abs=1e-9)
    assert score.parts["majority"] == np.bincount(labels).max() / 80


def test_tied_vote_goes_to_the_nearest():
    x = np.array([[0.0], [1.0], [-1.5], [9.0], [9.5]])
    # Row 0 sees class 1 at distance 1 and class 0 at 1.5.
    assert knn_probe(x, [1, 1, 0, 0, 0], k=2).parts["hits"][0]
    assert not knn_probe(x, [0, 1, 0, 0, 0], k=2).parts["hits"][0]


def test_noise_is_not_called_related():
    rng = np.random.default_rng(0)
    scores = [knn_probe(rng.normal(size=(60, 5)), rng.integers(2, size=60)) for _ in range(200)]
    assert np.mean([s.p < 0.05 for s in scores]) <= 0.06
    assert np.mean([s.value for s in scores]) <= scores[0].chance + 0.02


def test_interval_covers_the_accuracy_of_the_population():
    def spread(seed):
        return classes(n=120, g=2, gap=0, seed=seed)[0], np.arange(120) % 2

    def shifted(seed):
        x, labels = spread(seed)
        x[:, 0] += 1.5 * labels
        return knn_probe(x, labels)

    scores = [shifted(seed) for seed in range(150)]
    truth = np.mean([s.value for s in scores])
    assert np.mean([s.ci[0] <= truth <= s.ci[1] for s in scores]) > 0.9


def test_small_classes_warn_and_bad_input_is_refused():
    x, labels = classes()
    assert "3 rows" in knn_probe(x, np.arange(80) < 3).warnings[0]
    for bad in (labels[1:], labels * 0):
        with pytest.raises(InputError, match="knn_probe"):
            knn_probe(x, bad)
    with pytest.raises(InputError):
        knn_probe(x, labels, k=0)
    with pytest.raises(InputError, match="8 rows"):
        knn_probe(x[:8], labels[:8])
