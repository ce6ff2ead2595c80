import numpy as np
import pytest

from isthmus.evidence import cross_subject_adapters as evidence


def test_a_subject_answers_to_its_seed_with_noise():
    images = np.random.default_rng(0).random((200, 20))
    one, two = evidence.subject(images, 1), evidence.subject(images, 1)
    assert one.shape == (200, evidence.VOXELS)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - evidence.subject(images, 2)).max() > 0.1
    clean = evidence.subject(images, 1, noise=0.0)
    assert np.std(one - clean) / clean.std() == pytest.approx(evidence.NOISE, rel=0.1)


def test_a_deaf_subject_gains_nothing(monkeypatch):
    """The sixth subject's answers carry nothing: no adapter can help, and the claim fails."""
    true, called = evidence.subject, []
    monkeypatch.setattr(evidence, "VOXELS", 24)
    monkeypatch.setattr(evidence, "SUBJECTS", 2)

    def deaf(images, seed):
        called.append(seed)
        answers = true(images, seed)
        return answers if len(called) % 3 else np.random.default_rng(seed).permutation(answers)

    monkeypatch.setattr(evidence, "subject", deaf)
    figures = evidence.experiment((1, 2))
    assert not figures["gain"].met
    assert figures["joined"].value < 0.03
    assert figures["member"].value > 0.1
    assert sum(figure.claimed for figure in figures.values()) == 1
