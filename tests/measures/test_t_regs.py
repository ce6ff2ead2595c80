import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from isthmus.core.errors import InputError
from isthmus.measures import effective_rank, t_regs
from isthmus.measures.t_regs import t_regs_gradient


def oracle(x, sphere=1.0):
    length = minimum_spanning_tree(squareform(pdist(x))).sum()
    return -length / len(x) + sphere * np.mean((np.linalg.norm(x, axis=1) - 1) ** 2)


@pytest.mark.parametrize("sphere", [0.0, 1.0, 5.0])
def test_equals_scipys_tree(sphere):
    x = np.random.default_rng(0).normal(size=(70, 4))
    score = t_regs(x, sphere=sphere)
    assert score.value == pytest.approx(oracle(x, sphere), rel=1e-12)
    edges = score.parts["edges"]
    assert edges.shape == (69, 2)
    assert len(np.unique(edges)) == 70
    gaps = np.linalg.norm(x[edges[:, 0]] - x[edges[:, 1]], axis=1)
    np.testing.assert_allclose(gaps, score.parts["edge_lengths"])
    assert gaps.sum() == pytest.approx(score.parts["length"])
    # A path through the rows as they came is a tree too, but not the least.
    assert np.linalg.norm(np.diff(x, axis=0), axis=1).sum() > 1.3 * score.parts["length"]


def test_gradient_is_that_of_finite_differences():
    x = np.random.default_rng(1).normal(size=(30, 3))
    value, gradient = t_regs_gradient(x, sphere=2.0)
    assert value == pytest.approx(oracle(x, 2.0), rel=1e-12)
    for i, j in [(0, 0), (7, 1), (29, 2)]:
        step = np.zeros_like(x)
        step[i, j] = 1e-6
        slope = (oracle(x + step, 2.0) - oracle(x - step, 2.0)) / 2e-6
        assert gradient[i, j] == pytest.approx(slope, abs=1e-8)


def test_gradient_is_that_of_autograd():
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.random.default_rng(2).normal(size=(40, 5)), requires_grad=True)
    tree = minimum_spanning_tree(squareform(pdist(x.detach().numpy()))).tocoo()
    lengths = torch.linalg.vector_norm(x[tree.row] - x[tree.col], dim=1)
    off = torch.linalg.vector_norm(x, dim=1) - 1
    (-lengths.sum() / 40 + off.square().mean()).backward()
    np.testing.assert_allclose(t_regs_gradient(x.detach().numpy())[1], x.grad.numpy(), atol=1e-12)


def test_following_the_gradient_spreads_rows_on_the_sphere():
    x = np.random.default_rng(3).normal(size=(40, 4)) * [1, 0.01, 0.01, 0.01]
    for _ in range(300):
        x -= t_regs_gradient(x)[1]
    assert effective_rank(x).value > 3.8


def test_copies_and_the_origin_pull_nowhere():
    x = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
    value, gradient = t_regs_gradient(x)
    assert value == pytest.approx((1 + 1 + 16 - 5) / 3)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[2], np.array([0.6, 0.8]) * (8 - 1) / 3)


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(5, 3))
    for name, call in (("t_regs", t_regs), ("t_regs_gradient", t_regs_gradient)):
        with pytest.raises(InputError, match=f"{name}: got 1 rows"):
            call(x[:1])
        with pytest.raises(InputError, match=f"{name}: got sphere=-1"):
            call(x, sphere=-1.0)
