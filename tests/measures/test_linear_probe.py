import numpy as np
import pytest
from scipy.stats import norm

from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.measures import linear_probe
from isthmus.measures.classes import indicators
from isthmus.measures.linear_probe import guesses
from isthmus.measures.ridge_r2 import _GRID, ridge_map
from isthmus.measures.rows import Spread


def classes(n=90, d=4, g=3, gap=0.8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % g
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 5, labels


def oracle(x, labels):
    y = np.eye(labels.max() + 1)[labels]
    order = Spread.of(x, y).shuffled(0)
    hits = np.zeros(len(x), bool)
    for held in np.array_split(order, 5):
        train = np.setdiff1d(order, held)
        a, b = x[train] - x[train].mean(0), y[train] - y[train].mean(0)
        s = a.T @ a
        best = np.inf, None
        for penalty in _GRID * np.linalg.eigvalsh(s).mean():
            w = np.linalg.solve(s + penalty * np.eye(len(s)), a.T @ b)
            freedom = len(a) - 1 - np.trace(np.linalg.solve(s + penalty * np.eye(len(s)), s))
            best = min(best, (np.sum((b - a @ w) ** 2) / freedom**2, penalty))
        w = np.linalg.solve(s + best[1] * np.eye(len(s)), a.T @ b)
        guess = (x[held] - x[train].mean(0)) @ w + y[train].mean(0)
        hits[held] = guess.argmax(1) == labels[held]
    return hits


def test_equals_nested_cross_validation_by_hand():
    x, labels = classes()
    np.testing.assert_array_equal(linear_probe(x, labels).parts["hits"], oracle(x, labels))


def test_unequal_classes_lean_on_their_shares():
    x, _ = classes()
    labels = (np.arange(90) % 9 == 0).astype(int)
    np.testing.assert_array_equal(linear_probe(x, labels).parts["hits"], oracle(x, labels))
    assert linear_probe(x, labels).value == pytest.approx(8 / 9, abs=0.02)


def test_known_accuracy_lies_in_the_interval():
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 2
    x = rng.normal(size=(4000, 3))
    x[:, 0] += 2 * labels
    score = linear_probe(x, labels)
    assert score.ci[0] < norm.cdf(1) < score.ci[1]
    assert score.ci[1] - score.ci[0] < 0.03


def test_noise_is_not_called_related():
    rng = np.random.default_rng(0)
    scores = [linear_probe(rng.normal(size=(60, 5)), rng.integers(2, size=60)) for _ in range(100)]
    assert np.mean([s.p < 0.05 for s in scores]) <= 0.07


def test_wide_features_and_bad_input():
    x, labels = classes(d=300, gap=1)
    assert linear_probe(x, labels).value > 0.9
    assert "2 rows for 5 folds" in linear_probe(x, np.arange(90) < 2).warnings[0]
    for bad in (labels[1:], labels * 0):
        with pytest.raises(InputError, match="linear_probe"):
            linear_probe(x, bad)
    with pytest.raises(InputError, match="9 rows"):
        linear_probe(x[:9], labels[:9])
    with pytest.raises(InputError, match="all equal"):
        linear_probe(np.ones((90, 2)), labels)


def test_a_class_between_others_is_hidden_and_that_is_said():
    labels = np.arange(90) % 3
    x = labels[:, None] + 0.3 * np.random.default_rng(0).normal(size=(90, 1))
    assert "1 of 3 classes are hardly ever guessed" in linear_probe(x, labels).warnings[0]
    found = linear_probe(*classes(gap=3)).warnings
    assert not any("hardly ever" in text for text in found)


def test_probes_of_several_features_share_folds_and_nothing_else():
    x, labels = classes()
    other = np.random.default_rng(7).integers(2, size=90)
    together = guesses(x, [labels, other], rng=3)
    for found, numbers in zip(together, (labels, other), strict=True):
        assert found.shape == (90,)
        # Each has the penalty that it would have had over these folds by itself.
        order = Spread.of(x, np.hstack([indicators(labels), indicators(other)])).shuffled(3)
        alone = np.empty(90, int)
        y = indicators(numbers)
        for held in np.array_split(order, 5):
            train = np.setdiff1d(np.arange(90), held)
            w = ridge_map(Moments.of(x[train], y[train]), 0.0)
            alone[held] = np.argmax(y[train].mean(0) + (x[held] - x[train].mean(0)) @ w, axis=1)
        np.testing.assert_array_equal(found, alone)
