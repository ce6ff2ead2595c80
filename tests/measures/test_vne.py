import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import vne
from isthmus.measures.vne import vne_gradient

SHAPES = [(40, 5), (6, 12)]


def oracle(x):
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(u.T @ u / len(x))
    values = values[values > 1e-12]
    return -np.sum(values * np.log(values))


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_formula(shape):
    x = np.random.default_rng(0).normal(size=shape) + 0.3
    score = vne(x)
    assert score.value == pytest.approx(oracle(x), rel=1e-10)
    assert score.parts["effective_rank"] == pytest.approx(np.exp(oracle(x)))
    assert score.parts["eigenvalues"].sum() == pytest.approx(1)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(np.cov(u.T))
    values = values[values > 1e-12] / values.sum()
    assert abs(-np.sum(values * np.log(values)) - score.value) > 0.01  # centred is another number


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_that_of_finite_differences(shape):
    x = np.random.default_rng(1).normal(size=shape) + 0.3
    value, gradient = vne_gradient(x)
    assert value == pytest.approx(vne(x).value, rel=1e-12)
    for i, j in [(0, 0), (2, 3), (5, 4)]:
        step = np.zeros(shape)
        step[i, j] = 1e-5
        slope = (oracle(x + step) - oracle(x - step)) / 2e-5
        assert gradient[i, j] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_that_of_autograd(shape):
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.random.default_rng(2).normal(size=shape) * 3, requires_grad=True)
    u = torch.nn.functional.normalize(x, dim=1)
    # An independent rendering: from singular values of the rows.
    p = torch.linalg.svdvals(u) ** 2 / len(x)
    (-(p * p.log()).sum()).backward()
    np.testing.assert_allclose(vne_gradient(x.detach().numpy())[1], x.grad.numpy(), atol=1e-10)


def test_following_the_gradient_spreads_and_shrinks():
    start = np.random.default_rng(3).normal(size=(60, 6)) + 1
    for sign, far in ((1, 5.9), (-1, 1.2)):
        x = start.copy()
        for _ in range(200):
            x += sign * 10 * vne_gradient(x)[1]
        assert sign * (vne(x).parts["effective_rank"] - far) > 0


def test_interval_covers():
    scale = np.array([2, 1.5, 1, 0.5])
    truth = vne(np.random.default_rng(9).normal(size=(200000, 4)) * scale).value
    ends = [vne(np.random.default_rng(s).normal(size=(300, 4)) * scale).ci for s in range(40)]
    assert np.mean([low <= truth <= high for low, high in ends]) >= 0.85


def test_zero_rows_and_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    score = vne(np.vstack([x, 0 * x[:2]]))
    assert score.value == pytest.approx(vne(x).value)
    assert score.warnings[0] == "2 zero rows left out"
    value, gradient = vne_gradient(np.vstack([x, 0 * x[:2]]))
    assert value == pytest.approx(score.value)
    assert not gradient[30:].any()
    assert "30 rows of width 20" in vne(np.random.default_rng(0).normal(size=(30, 20))).warnings[0]
    for call in (vne, vne_gradient):
        with pytest.raises(InputError, match="1 nonzero rows"):
            call(np.vstack([x[:1], 0 * x]))


def test_one_column_of_a_tensor():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(10, 1))
    assert vne(torch.asarray(x)).value == vne(x).value == 0
