import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import leep


def source(n=60, c=4, g=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(g, size=n)
    logits = rng.normal(size=(n, c)) + 2 * np.eye(g, c)[labels]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels


def oracle(theta, labels, w=None):
    w = np.ones(len(theta)) if w is None else w
    w = w / w.sum()
    given = {y: (w * (labels == y)) @ theta / (w @ theta) for y in np.unique(labels)}
    return sum(a * np.log(given[y] @ row) for a, y, row in zip(w, labels, theta, strict=True))


def test_equals_the_formula():
    theta, labels = source()
    assert leep(theta, labels).value == pytest.approx(oracle(theta, labels), abs=1e-12)


def test_known_cases():
    labels = np.arange(30) % 3
    assert leep(np.eye(3)[labels], labels).value == pytest.approx(0, abs=1e-12)
    flat = leep(np.full((30, 5), 0.2), labels)
    assert flat.value == pytest.approx(-np.log(3), abs=1e-12)
    assert (flat.z, flat.p) == (0.0, 1.0)


def test_interval_is_that_of_the_weight_derivatives():
    theta, labels = source(n=25)
    psi = []
    for i in range(25):
        ends = [
            oracle(theta, labels, np.ones(25) + s * 1e-5 * (np.arange(25) == i)) for s in (1, -1)
        ]
        psi.append(25 * (ends[0] - ends[1]) / 2e-5)
    half = 1.959963984540054 * np.sqrt(np.var(psi, ddof=1) / 25)
    score = leep(theta, labels)
    assert (score.ci[1] - score.ci[0]) / 2 == pytest.approx(half, rel=1e-5)


def test_shuffled_labels_read_chance():
    theta, labels = source()
    rng = np.random.default_rng(0)
    values = [oracle(theta, rng.permutation(labels)) for _ in range(300)]
    score = leep(theta, labels)
    assert score.chance == pytest.approx(np.mean(values), abs=0.5 * np.std(values))
    assert score.p == 0.01
    p = np.array([leep(theta, rng.permutation(labels)).p for _ in range(150)])
    assert np.mean(p <= 0.05) < 0.11


def test_rows_columns_kinds_and_precision():
    theta, labels = source()
    score = leep(theta, labels)
    order = np.random.default_rng(0).permutation(60)
    moved = leep(theta[order], labels[order])
    assert moved.value == pytest.approx(score.value, abs=1e-12)
    assert moved.chance == pytest.approx(score.chance, abs=1e-12)
    assert leep(theta[:, ::-1], labels).value == pytest.approx(score.value, abs=1e-12)
    assert leep(torch.asarray(theta), torch.asarray(labels)).value == score.value
    assert leep(np.asfortranarray(theta), labels).value == pytest.approx(score.value, abs=1e-12)
    for kind, gap in ((np.float32, 1e-6), (np.float16, 1e-3), (">f8", 1e-12)):
        assert leep(theta.astype(kind), labels).value == pytest.approx(score.value, abs=gap)


def test_bad_input():
    theta, labels = source()
    with pytest.raises(InputError, match="softmax"):
        leep(np.log(theta), labels)
    for bad in (theta * 2, theta[:-1], np.where(theta == theta[3, 0], np.nan, theta)):
        with pytest.raises(InputError, match="leep"):
            leep(bad, labels)
    with pytest.raises(InputError, match="one class"):
        leep(theta, labels * 0)
    with pytest.raises(InputError, match="3 rows"):
        leep(theta[:3], labels[:3])
