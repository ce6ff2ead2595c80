import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.evidence import zoo
from isthmus.evidence.corpora import digits
from isthmus.measures import knn_probe


@pytest.fixture(scope="module")
def images():
    x, y = digits()
    return x[:500], y[:500]


CHEAP = ["pixels", "pca", "hog", "lda", "random_conv", "random_mlp"]


def test_cheap_encoders_see_digits_row_by_row(images):
    x, y = images
    for name, encode in zoo.encoders(x[:300], y[:300], seed=0, names=CHEAP).items():
        codes = encode(x[300:])
        np.testing.assert_allclose(encode(x[310:315]), codes[10:15], atol=1e-9, err_msg=name)
        assert knn_probe(codes, y[300:], k=5).value > 0.6, name


@pytest.mark.parametrize("name", ["autoencoder", "supervised", "contrastive"])
def test_trained_encoders_depend_on_their_seed(images, name, monkeypatch):
    monkeypatch.setattr(zoo, "_epochs", lambda images: 3)
    monkeypatch.setattr(zoo, "STEPS", 5)
    x, y = images
    one, two, other = (
        zoo.encoders(x, y, seed=seed, names=[name])[name](x[:50]) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
    assert one.shape == (50, zoo.WIDTH)


def test_contrastive_ignores_labels(images, monkeypatch):
    monkeypatch.setattr(zoo, "STEPS", 5)
    x, y = images
    one, two = (zoo.contrastive(x, labels, 0)(x[:20]) for labels in (y, y[::-1]))
    np.testing.assert_array_equal(one, two)


def test_gradients_tell_directions_apart_but_not_brightness():
    rows, columns = np.mgrid[:28, :28]
    across, down = (np.sin(grid / 3).reshape(1, -1) for grid in (columns, rows))
    a, b = zoo.oriented_gradients(across), zoo.oriented_gradients(down)
    assert np.argmax(a[0, :8]) == 0  # a gradient along the columns
    assert np.argmax(b[0, :8]) == 4  # a right angle from it
    np.testing.assert_allclose(zoo.oriented_gradients(across + 5), a, atol=1e-12)
    np.testing.assert_allclose(zoo.oriented_gradients(3 * across), a, atol=1e-3)


def test_changes_do_what_they_say(images):
    x = images[0][:20]
    for name, change in zoo.CHANGES.items():
        none = 1.0 if name == "brightness" else 0.0
        np.testing.assert_allclose(change(x, none), x, atol=1e-9, err_msg=name)
        amounts = np.where(np.arange(20) < 10, none, 0.5)
        mixed = change(x, amounts)
        np.testing.assert_allclose(mixed[:10], x[:10], atol=1e-9)
        assert not np.allclose(mixed[10:], x[10:])
    assert (zoo.thickened(x, 0.5).sum(axis=1) > x.sum(axis=1)).all()
    assert (zoo.thickened(x, -0.5).sum(axis=1) < x.sum(axis=1)).all()
    dot = np.zeros((1, 64))
    dot[0, 3 * 8 + 2] = 1
    assert zoo.shifted(dot, 2.0).argmax() == 3 * 8 + 4
    turned = zoo.rotated(dot, 90.0).reshape(8, 8)
    assert np.unravel_index(turned.argmax(), (8, 8)) in {(5, 3), (2, 4)}
    noise = zoo.noisy(np.zeros((50, 64)), 0.3, np.random.default_rng(0))
    assert noise.std() == pytest.approx(0.3, abs=0.02)


def test_views_keep_the_shape_and_move_little(images):
    x = images[0]
    seen = zoo.views(x, np.random.default_rng(0))
    assert seen.shape == x.shape
    assert np.corrcoef(seen.ravel(), x.ravel())[0, 1] > 0.5


def test_bad_input(images):
    x, y = images
    with pytest.raises(InputError, match=r"zoo.*\(500, 63\).*square"):
        zoo.encoders(x[:, 1:], y, seed=0)
    with pytest.raises(InputError, match="zoo.*'lion'.*pixels"):
        zoo.encoders(x, y, seed=0, names=["lion"])
