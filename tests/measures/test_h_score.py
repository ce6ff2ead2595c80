import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import h_score


def classes(n=60, d=4, g=3, gap=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(g, size=n)
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 5, labels


def oracle(x, labels, w=None):
    w = np.ones(len(x)) / len(x) if w is None else w / w.sum()
    c = x - w @ x
    means = np.zeros_like(c)
    for one in np.unique(labels):
        rows = labels == one
        means[rows] = w[rows] @ c[rows] / w[rows].sum()
    return np.trace(np.linalg.pinv((c.T * w) @ c) @ ((means.T * w) @ means))


def test_equals_the_formula_whatever_the_names():
    x, labels = classes()
    assert h_score(x, labels).value == pytest.approx(oracle(x, labels), abs=1e-12)
    names = np.array(["cat", "dog", "eel"])[labels]
    assert h_score(x, names).value == h_score(x, labels.tolist()).value
    assert h_score(x, 7 - 2 * labels).value == pytest.approx(oracle(x, labels), abs=1e-12)


def test_chance_and_p_over_shuffled_labels():
    x, labels = classes()
    rng = np.random.default_rng(0)
    scores = [h_score(x, rng.permutation(labels)) for _ in range(500)]
    values = np.array([s.value for s in scores])
    assert scores[0].chance == pytest.approx(4 * 2 / 59, abs=1e-12)
    assert values.mean() == pytest.approx(scores[0].chance, abs=4 * values.std() / np.sqrt(500))
    assert np.std([s.z for s in scores]) == pytest.approx(1, abs=0.12)
    assert 0.02 < np.mean([s.p < 0.05 for s in scores]) < 0.08


def test_interval_is_that_of_the_weight_derivatives():
    x, labels = classes(n=30)
    psi = []
    for i in range(30):
        ends = [oracle(x, labels, np.ones(30) + s * 1e-5 * (np.arange(30) == i)) for s in (1, -1)]
        psi.append(30 * (ends[0] - ends[1]) / 2e-5)
    half = 1.959963984540054 * np.sqrt(np.var(psi, ddof=1) / 30)
    score = h_score(x, labels)
    assert (score.ci[1] - score.ci[0]) / 2 == pytest.approx(half, rel=1e-6)


def test_bad_labels_and_too_few_rows():
    x, labels = classes()
    for bad, words in ((labels[:-1], "59"), (labels * 0, "one class"), (labels[:, None], "60, 1"),
                       (labels + 0.5, "dtype"), (np.arange(60), "more rows")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            h_score(x, bad)
    with pytest.raises(InputError, match="more rows than dimensions"):
        h_score(np.random.default_rng(0).normal(size=(60, 100)), labels)
