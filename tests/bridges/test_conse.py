"""ConSE: the convex combination by hand, on every kind of array, and what is refused."""

import numpy as np
import pytest
import torch

from isthmus.bridges import conse
from isthmus.core.errors import InputError


def naive(p, labels, top):
    rows = []
    for row in p:
        best = sorted(range(len(row)), key=lambda c: -row[c])[:top]
        rows.append(sum(row[c] * labels[c] for c in best) / sum(row[c] for c in best))
    return np.array(rows)


@pytest.mark.parametrize("top", [1, 3, 10, 50])
def test_equals_its_definition(top):
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(10), size=20), rng.normal(size=(10, 4))
    np.testing.assert_allclose(conse(p, labels, top=top), naive(p, labels, top), atol=1e-12)
    tensor = conse(torch.asarray(p), torch.asarray(labels), top=top)
    np.testing.assert_allclose(tensor.numpy(), naive(p, labels, top), atol=1e-12)
    assert conse(p.astype(np.float32), labels.astype(np.float32), top=top).dtype == np.float32
    np.testing.assert_allclose(conse(7 * p, labels, top=top), naive(p, labels, top), atol=1e-12)


def test_a_certain_class_is_its_label():
    labels = np.random.default_rng(1).normal(size=(4, 3))
    np.testing.assert_array_equal(conse(np.eye(4), labels), labels)


def test_equally_probable_classes_count_alike():
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    assert conse(np.array([[0.4, 0.4, 0.2]]), labels, top=1).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("p", "labels", "top", "says"),
    [
        ([[0.5, -0.5]], np.eye(2), 2, "negative"),
        ([[0.0, 0.0]], np.eye(2), 2, "all zero"),
        ([[0.5, 0.5]], np.eye(3), 2, "one vector a class"),
        ([[np.nan, 0.5]], np.eye(2), 2, "NaN"),
        ([[0.5, 0.5]], np.full((2, 2), np.inf), 2, "infinity"),
        ([[0.5, 0.5]], np.eye(2), 0, "at least 1"),
        ([0.5, 0.5], np.eye(2), 1, "matrix"),
    ],
)
def test_refusals(p, labels, top, says):
    with pytest.raises(InputError, match=says):
        conse(p, labels, top=top)
