import numpy as np
import pytest

from isthmus.evidence import representation_biases as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 5)


def planted(strong):
    def train(x, features, layers, seed):
        noise = 0.12 * np.random.default_rng(seed).normal(size=(len(x), 4))
        codes = (features - 0.5) * [strong, 1.0]
        return np.column_stack([codes, 0 * codes]) + noise

    return train


def test_xor_is_no_linear_feature_and_independent_of_the_other():
    x, features = evidence.inputs(np.random.default_rng(0))
    assert features.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.05)
    assert abs(np.corrcoef(features.T)[0, 1]) < 0.1
    correlation = np.abs(np.corrcoef(np.column_stack([features, x]).T))
    assert correlation[0, 2:].max() == pytest.approx(1)
    assert correlation[1, 2:].max() < 0.1


def test_claim_holds_where_the_linear_feature_is_stronger():
    figures = evidence.experiment(SEEDS, train=planted(2.0))
    assert figures["seeds"].met
    assert figures["accuracy"].met
    assert figures["ratio"].value == pytest.approx(4, abs=0.5)


def test_claim_fails_where_both_are_alike():
    figures = evidence.experiment(SEEDS, train=planted(1.0))
    assert figures["accuracy"].met
    assert not figures["seeds"].met


def test_claim_fails_where_a_feature_is_not_computed():
    def blind(x, features, layers, seed):
        return np.column_stack([features[:, 0], x[:, 5:7]])

    assert not evidence.experiment(SEEDS, train=blind)["accuracy"].met


def test_network_learns_both(monkeypatch):
    monkeypatch.setattr(evidence, "EPOCHS", 10)
    shares, accuracy = evidence.measured(SEEDS[:1], (32, 16))
    assert accuracy.min() > 0.95
    assert shares.shape == (1, 2)
