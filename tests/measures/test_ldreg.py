import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import ldreg
from isthmus.measures.ldreg import ldreg_gradient


def oracle(x, k):
    local = []
    for i in range(len(x)):
        r = np.sort(np.linalg.norm(np.delete(x, i, axis=0) - x[i], axis=1))
        local.append(r[: k - 1].mean() / (r[k - 1] - r[: k - 1].mean()))
    return np.array(local)


@pytest.mark.parametrize("k", [3, 20])
def test_equals_the_formula(k):
    x = np.random.default_rng(0).normal(size=(50, 4))
    score, local = ldreg(x, k=k), oracle(x, k)
    assert score.value == pytest.approx(np.exp(np.mean(np.log(local))), rel=1e-10)
    np.testing.assert_allclose(score.parts["local_dimension"], local)
    assert score.value < np.mean(local) - 0.01  # the arithmetic mean is another number


@pytest.mark.parametrize("k", [3, 8])
def test_gradient_is_that_of_finite_differences(k):
    x = np.random.default_rng(1).normal(size=(25, 3))
    value, gradient = ldreg_gradient(x, k=k)
    assert value == pytest.approx(ldreg(x, k=k).value, rel=1e-12)
    for i, j in [(0, 0), (7, 1), (24, 2)]:
        step = np.zeros_like(x)
        step[i, j] = 1e-6
        ends = [np.exp(np.mean(np.log(oracle(x + s * step, k)))) for s in (1, -1)]
        assert gradient[i, j] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_gradient_is_that_of_autograd():
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.random.default_rng(2).normal(size=(40, 5)), requires_grad=True)
    far = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    r = far.sort(dim=1).values[:, 1:11]
    mean = r[:, :9].mean(dim=1)
    torch.exp(torch.log(mean / (r[:, 9] - mean)).mean()).backward()
    np.testing.assert_allclose(
        ldreg_gradient(x.detach().numpy(), k=10)[1], x.grad.numpy(), atol=1e-10
    )


def test_following_the_gradient_raises_local_dimension():
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.uniform(size=100), 0.02 * rng.normal(size=(100, 3))])
    before = ldreg(x, k=10).value
    for _ in range(60):
        gradient = ldreg_gradient(x, k=10)[1]
        x += 0.002 * gradient / np.abs(gradient).max()
    assert ldreg(x, k=10).value > 1.3 * before


def test_high_dimensions_are_warned_about():
    x = np.random.default_rng(0).normal(size=(800, 20))
    text = ldreg(x).warnings[0]
    assert float(text.split("dimension ")[1].split()[0]) == pytest.approx(20, rel=0.15)
    assert all(text.endswith(ROUGH) for text in ldreg(x[:, :2]).warnings)


def test_copies_of_a_row_share_its_gradient():
    x = np.random.default_rng(4).normal(size=(40, 3))
    value, gradient = ldreg_gradient(x)
    twice = ldreg_gradient(np.vstack([x, x[:3]]))
    assert twice[0] == pytest.approx(value)
    np.testing.assert_allclose(twice[1][:3], gradient[:3] / 2)
    np.testing.assert_allclose(twice[1][40:], gradient[:3] / 2)
    assert ldreg(np.vstack([x, x[:3]])).warnings[0] == "3 duplicate rows removed"


def test_rows_of_a_grid_are_left_out():
    rng = np.random.default_rng(5)
    x = np.vstack([50 * np.eye(6), 1e3 + rng.normal(size=(20, 6))])
    score = ldreg(x, k=5)
    assert (score.parts["local_dimension"][:6] == -1).all()
    assert "6 rows with 5 neighbours equally far" in score.warnings[0]
    value, gradient = ldreg_gradient(x, k=5)
    assert value == pytest.approx(score.value)
    assert np.isfinite(gradient).all()


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    for name, call in (("ldreg", ldreg), ("ldreg_gradient", ldreg_gradient)):
        with pytest.raises(InputError, match=f"{name}: got 21 rows: .* expected at least 22"):
            call(x[:21])
        with pytest.raises(InputError, match=f"{name}: got k=2"):
            call(x, k=2)
        with pytest.raises(InputError, match="grid"):
            call(np.eye(8), k=5)
