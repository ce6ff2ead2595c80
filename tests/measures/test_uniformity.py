import sys

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import uniformity
from isthmus.measures.uniformity import loss


def oracle(x, t=2.0):
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    i, j = np.triu_indices(len(x), 1)
    return np.log(np.mean(np.exp(-t * np.sum((u[i] - u[j]) ** 2, axis=1))))


@pytest.mark.parametrize("t", [0.5, 2.0, 10.0])
def test_equals_the_definition_over_distinct_pairs(t):
    x = np.random.default_rng(0).normal(size=(40, 5)) + 1
    assert uniformity(x, t=t).value == pytest.approx(oracle(x, t), rel=1e-12)
    assert float(loss(x, t=t)) == pytest.approx(oracle(x, t), rel=1e-12)


def test_extremes():
    assert uniformity(np.array([[1.0, 0], [-2, 0]])).value == pytest.approx(-8, rel=1e-14)
    assert uniformity(np.array([[1.0, 0], [-1, 0]]), t=150).value == pytest.approx(-600, rel=1e-12)
    assert uniformity(np.ones((5, 3)) * np.arange(1, 6)[:, None]).value == pytest.approx(
        0, abs=1e-14
    )


def test_uniform_directions_approach_the_closed_form_instead_of_minus_log_n():
    # On the circle E exp(-t |u - v|²) = exp(-2t) I0(2t).
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 3000)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert uniformity(x).value == pytest.approx(-4 + np.log(np.i0(4.0)), abs=0.02)


def test_interval_equals_brute_force_leave_one_out():
    x = np.random.default_rng(0).normal(size=(25, 3)) + 1
    left = [oracle(np.delete(x, m, 0)) for m in range(25)]
    error = np.sqrt(24 / 25 * np.sum((left - np.mean(left)) ** 2))
    score = uniformity(x)
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=1e-9)


def test_blocks_do_not_matter(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 4))
    whole = uniformity(x).value
    monkeypatch.setattr(sys.modules["isthmus.measures.uniformity"], "_ENTRIES", 7 * 50)
    assert uniformity(x).value == pytest.approx(whole, rel=1e-14)


def test_zero_vectors_are_left_out_and_counted():
    x = np.random.default_rng(0).normal(size=(20, 4))
    padded = np.vstack([x, np.zeros((3, 4))])
    score = uniformity(padded)
    assert (score.value, score.n) == (pytest.approx(oracle(x), rel=1e-13), 20)
    assert score.warnings == ("3 zero vectors left out",)


def test_loss_is_differentiable():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 3))).requires_grad_()
    assert torch.autograd.gradcheck(loss, (x,))
    assert uniformity(x).value == pytest.approx(float(loss(x).detach()), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_collapsed_space_is_said(dtype):
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(dtype)
    point = np.geomspace(0.1, 3, 20)[:, None].astype(dtype) * x[:1]
    score = uniformity(point)
    assert score.value == pytest.approx(0, abs=1e-12)
    assert score.warnings == (
        "all rows point one way: the space has collapsed, and 0 is the worst value",
    )
    assert not uniformity(x[:1] + 1e-3 * x).warnings


def test_huge_entries():
    x = np.random.default_rng(0).normal(size=(20, 4))
    assert uniformity(x * 1e200).value == pytest.approx(oracle(x), rel=1e-12)


def test_bad_input():
    with pytest.raises(InputError, match="nonzero rows"):
        uniformity(np.array([[1.0, 0], [0, 0]]))
    with pytest.raises(InputError, match="t="):
        uniformity(np.eye(3), t=0)
