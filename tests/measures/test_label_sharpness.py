import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import label_sharpness


def test_equals_the_formula():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(80, 5)) + 9, rng.integers(3, size=80)
    apart = np.linalg.norm(x[:, None] - x, axis=2)
    other = labels[:, None] != labels
    score = label_sharpness(x, labels)
    assert score.value == pytest.approx(1 / apart[other].min(), rel=1e-12)
    nearest = np.where(other, apart, np.inf).min(axis=1)
    assert score.parts["nearest"] == pytest.approx(nearest)
    assert score.parts["typical"] == pytest.approx(1 / np.median(nearest))


def test_two_classes_are_the_lipschitz_constant_of_their_numbers():
    x = np.random.default_rng(1).normal(size=(30, 2))
    labels = (x[:, 0] > 0).astype(int)
    slopes = [
        abs(labels[i] - labels[j]) / np.linalg.norm(x[i] - x[j])
        for i in range(30) for j in range(i)
    ]  # fmt: skip
    assert label_sharpness(x, labels).value == pytest.approx(max(slopes))
    # The nearest row of any class is another thing, and nearer.
    anyone = np.linalg.norm(x[:, None] - x, axis=2)[np.triu_indices(30, 1)]
    assert 1 / anyone.min() > 1.01 * label_sharpness(x, labels).value


def test_units_and_more_rows():
    x = np.random.default_rng(2).normal(size=(200, 3))
    labels = np.arange(200) % 2
    assert label_sharpness(10 * x, labels).value == pytest.approx(
        label_sharpness(x, labels).value / 10
    )
    assert label_sharpness(x[:40], labels[:40]).value <= label_sharpness(x, labels).value


def test_bad_input():
    x = np.random.default_rng(3).normal(size=(20, 3))
    labels = np.arange(20) % 2
    x[1] = x[0]
    with pytest.raises(InputError, match="label_sharpness: got 2 rows equal"):
        label_sharpness(x, labels)
    for bad in (labels[1:], labels * 0, labels + 0.5):
        with pytest.raises(InputError, match="label_sharpness"):
            label_sharpness(x, bad)
