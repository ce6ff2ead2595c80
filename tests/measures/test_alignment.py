import itertools

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import alignment
from isthmus.measures.alignment import loss


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def views(n=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) + 1
    return x, x + 0.5 * rng.normal(size=(n, 4))


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_equals_the_definition(alpha):
    x, y = views()
    expected = np.mean(np.linalg.norm(unit(x) - unit(y), axis=1) ** alpha)
    assert alignment(x, y, alpha=alpha).value == pytest.approx(expected, rel=1e-13)
    assert float(loss(x, y, alpha=alpha)) == pytest.approx(expected, rel=1e-13)
    assert (alignment(x, y, alpha=alpha).chance is None) == (alpha != 2)


def test_chance_and_z_are_exact_over_all_permutations():
    x, y = views(n=6)
    values = [
        np.mean(np.sum((unit(x) - unit(y)[list(p)]) ** 2, axis=1))
        for p in itertools.permutations(range(6))
    ]
    score = alignment(x, y)
    assert score.chance == pytest.approx(np.mean(values), abs=1e-12)
    assert score.z == pytest.approx((np.mean(values) - score.value) / np.std(values), rel=1e-9)


def test_extremes():
    x, _ = views()
    assert alignment(x, 3 * x).value == pytest.approx(0, abs=1e-30)
    assert alignment(x, -x).value == pytest.approx(4, rel=1e-14)


def test_rotating_one_side_alone_does_matter():
    x, y = views()
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    assert alignment(x @ q, y @ q).value == pytest.approx(alignment(x, y).value, rel=1e-12)
    assert abs(alignment(x @ q, y).value - alignment(x, y).value) > 0.1


def test_zero_vectors_are_left_out_and_counted():
    x, y = views()
    expected = alignment(x[2:], y[2:]).value
    x[0], y[1] = 0, 0
    score = alignment(x, y)
    assert (score.value, score.n) == (pytest.approx(expected, rel=1e-13), 28)
    assert score.warnings[0] == "2 pairs with a zero vector left out"
    assert float(loss(x, y)) == pytest.approx(expected, rel=1e-13)


def test_loss_is_differentiable():
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(a).requires_grad_() for a in views(8))
    for alpha in (2.0, 3.0):
        assert torch.autograd.gradcheck(lambda a, b, p=alpha: loss(a, b, alpha=p), (x, y))
    assert alignment(x, y).value == pytest.approx(float(loss(x, y).detach()), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_a_collapsed_side_is_said(dtype, alpha):
    x, y = (a.astype(dtype) for a in views())
    point = np.geomspace(0.1, 3, len(x))[:, None].astype(dtype) * y[:1]  # one direction, any length
    score = alignment(x, point, alpha=alpha)
    assert score.z is None
    assert ["all rows of y point one way" in warning for warning in score.warnings] == [True]
    assert "of x and of y point" in " ".join(alignment(point, point, alpha=alpha).warnings)
    near = y[:1] + 1e-3 * y  # nearly so, yet the rows differ
    assert not alignment(x, near, alpha=alpha).warnings


def test_huge_entries():
    x, y = views()
    assert alignment(x * 1e200, y * 1e-200).value == pytest.approx(alignment(x, y).value, rel=1e-12)


def test_bad_input():
    x, y = views()
    with pytest.raises(InputError, match="equal shapes"):
        alignment(x, y[:, :3])
    with pytest.raises(InputError, match="alpha"):
        alignment(x, y, alpha=0)
    with pytest.raises(InputError, match="nonzero"):
        alignment(x * 0, y)
