import numpy as np
import pytest

from isthmus.evidence import texttopicnet as ttn
from isthmus.evidence.experiment import seeds_from


def test_texts_of_one_class_share_words():
    labels = np.repeat(np.arange(10), 4)
    texts = [set(text.split()) for text in ttn.documents(labels, np.random.default_rng(0))]
    shared = np.array([[len(a & b) for b in texts] for a in texts])
    same = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, False)
    assert shared[same].mean() > 1.5 * shared[labels[:, None] != labels[None, :]].mean()


def test_mean_precision_against_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(1)
    scores, relevant = rng.normal(size=(6, 30)), rng.random((6, 30)) < 0.3
    rows = zip(relevant, scores, strict=True)
    expected = np.mean([average_precision_score(*row) for row in rows])
    assert ttn.mean_precision(scores, relevant) == pytest.approx(expected)


def test_texts_without_a_theme_teach_nothing():
    figures = ttn.experiment(seeds_from(7, 2), own=0.0, passes=2, train=200, limit=400)
    assert figures["map"].value < 0.25
    assert not figures["map"].met
    assert sum(figure.claimed for figure in figures.values()) == 2
