"""Label embedding: the ranking loss against its formula, planted maps, and classes never seen."""

import numpy as np
import pytest
import torch

from isthmus.bridges import LabelEmbedding
from isthmus.bridges.label_embedding import ranking_gradient
from isthmus.core.errors import InputError


def loss(scores, y):
    """The weighted approximate ranking loss of every row, written out."""
    found = []
    for row, own in zip(scores, y, strict=True):
        over = [1 + s - row[own] for c, s in enumerate(row) if c != own and 1 + s - row[own] > 0]
        weight = sum(1 / i for i in range(1, len(over) + 1))
        found.append(weight / max(len(over), 1) * sum(over))
    return np.array(found)


@pytest.fixture
def animals():
    """Items of 9 classes with ±1 attributes behind a linear mix; the last 3 have no examples."""
    rng = np.random.default_rng(0)
    attributes = rng.permutation(np.array(np.meshgrid(*[[-1.0, 1.0]] * 5)).reshape(5, -1).T)[:9]
    mix = rng.normal(size=(5, 20))
    y = np.repeat(np.arange(9), 60)
    x = attributes[y] @ mix + 0.4 * rng.normal(size=(540, 20)) + 3.0
    return x, y, attributes


def test_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(1)
    scores, y = 2 * rng.normal(size=(40, 5)), rng.integers(5, size=40)
    found, step = ranking_gradient(scores, y), 1e-6
    for c in range(5):
        moved = scores.copy()
        moved[:, c] += step
        back = scores.copy()
        back[:, c] -= step
        slope = (loss(moved, y) - loss(back, y)) / (2 * step)
        np.testing.assert_allclose(found[:, c], slope, atol=1e-5)


def test_predicts_classes_it_never_saw(animals):
    x, y, attributes = animals
    seen = y < 6
    fitted = LabelEmbedding().fit(x[seen], y[seen], attributes)
    assert fitted.score(x[seen], y[seen]) > 0.95
    new = 6 + fitted.predict(x[~seen], attributes[6:])
    assert np.mean(new == y[~seen]) > 0.8
    # Attributes that belong to other classes lead to those classes.
    swapped = 6 + fitted.predict(x[~seen], attributes[[7, 8, 6]])
    assert np.mean(swapped == y[~seen]) < 0.2


def test_scores_are_products_with_unit_class_vectors(animals):
    x, y, attributes = animals
    fitted = LabelEmbedding(epochs=3).fit(x, y, 7 * attributes)
    expected = (x @ fitted.coef_ + fitted.intercept_) @ attributes.T / np.sqrt(5)
    np.testing.assert_allclose(fitted.decision_function(x), expected, atol=1e-10)
    np.testing.assert_allclose(fitted.decision_function(x, 3 * attributes), expected, atol=1e-10)


def test_a_shift_and_a_scale_of_the_items_change_nothing(animals):
    x, y, attributes = animals
    plain = LabelEmbedding(epochs=4).fit(x, y, attributes)
    moved = LabelEmbedding(epochs=4).fit(50 * x - 8, y, attributes)
    np.testing.assert_allclose(moved.transform(50 * x - 8), plain.transform(x), atol=1e-9)


def test_same_seed_same_map(animals):
    x, y, attributes = animals
    one, two, other = (LabelEmbedding(epochs=2, rng=r).fit(x, y, attributes) for r in (0, 0, 1))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert np.abs(one.coef_ - other.coef_).max() > 1e-6


def test_torch_stays_torch_and_files_keep_the_classes(animals, tmp_path):
    x, y, attributes = animals
    fitted = LabelEmbedding(epochs=2).fit(torch.asarray(x), torch.asarray(y), attributes)
    moved = fitted.decision_function(torch.asarray(x, dtype=torch.float32))
    assert moved.dtype == torch.float32
    again = LabelEmbedding.load(fitted.save(tmp_path / "labels.isthmus"))
    np.testing.assert_array_equal(again.decision_function(x), fitted.decision_function(x))


def test_constant_items_are_harmless():
    fitted = LabelEmbedding().fit(np.ones((4, 3)), [0, 1, 0, 1], np.eye(2))
    assert np.isfinite(fitted.transform(np.ones((1, 3)))).all()


@pytest.mark.parametrize(
    ("x", "y", "classes", "says"),
    [
        (np.eye(3), [0, 1, 3], np.eye(3), "row numbers 0..2"),
        (np.eye(3), [0, 1, -1], np.eye(3), "row numbers 0..2"),
        (np.eye(3), [0.0, 1.0, 2.0], np.eye(3), "dtype float64"),
        (np.eye(3), [0, 1], np.eye(3), "3 row numbers"),
        (np.eye(3), [1, 1, 1], np.eye(3), "1 class with examples"),
        (np.eye(3), [0, 1, 1], np.eye(3) * [[1], [0], [1]], "zero class vectors \\[1\\]"),
        (np.full((3, 3), np.inf), [0, 1, 1], np.eye(3), "NaN or infinity"),
    ],
)
def test_refusals(x, y, classes, says):
    with pytest.raises(InputError, match=says):
        LabelEmbedding().fit(x, y, classes)


def test_class_vectors_of_another_dim_are_refused(animals):
    x, y, attributes = animals
    with pytest.raises(InputError, match="5 columns as fitted"):
        LabelEmbedding(epochs=1).fit(x, y, attributes).predict(x, np.eye(4))
