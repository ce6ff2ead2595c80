"""Kernel ridge against the dual solution, scikit-learn's kernels, leave-one-out and few pairs."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge as Dual
from sklearn.metrics.pairwise import rbf_kernel

from isthmus.bridges import Affine, KernelRidge, Orthogonal
from isthmus.core.errors import InputError


def units(rows, dim, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def arc_cosine(a, b):
    angle = np.arccos(np.clip(a @ b.T, -1, 1))
    return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi


@pytest.mark.parametrize("kernel", ["cosine", "arc_cosine", "rbf"])
def test_every_pair_a_landmark_is_exact_kernel_ridge(kernel):
    x, new = units(60, 5), units(20, 5, seed=1)
    y = np.random.default_rng(2).normal(size=(60, 3))
    bridge = KernelRidge(kernel=kernel, alpha=0.1).fit(x, y)
    gram = {
        "cosine": lambda a, b: a @ b.T,
        "arc_cosine": arc_cosine,
        "rbf": lambda a, b: rbf_kernel(a, b, gamma=1 / (2 * bridge.width_**2)),
    }[kernel]
    rank = np.linalg.matrix_rank(gram(x, x), tol=1e-9)
    penalty = 0.1 * np.trace(gram(x, x)) / rank
    dual = Dual(alpha=penalty, kernel="precomputed").fit(gram(x, x), y)
    np.testing.assert_allclose(bridge.transform(3 * new), dual.predict(gram(new, x)), atol=1e-6)


def test_width_is_the_median_distance():
    x = units(50, 4)
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)[np.triu_indices(50, 1)]
    bridge = KernelRidge(kernel="rbf").fit(x, x)
    assert bridge.width_**2 == pytest.approx(np.median(gaps**2))


def test_landmarks_are_fewer_than_pairs():
    x = units(300, 4)
    y = np.abs(x)
    bridge = KernelRidge(kernel="arc_cosine", landmarks=80).fit(x[:200], y[:200])
    assert bridge.landmarks_.shape == (80, 4)
    # No linear map does this, and this one nearly does.
    assert bridge.score(x[200:], y[200:]) > 2 * Affine().fit(x[:200], y[:200]).score(
        x[200:], y[200:]
    )


def test_few_pairs_beat_procrustes():
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(330, 40)) * np.geomspace(2, 0.3, 40)
    x, y = (hidden @ np.linalg.qr(rng.normal(size=(40, 40)))[0] for _ in range(2))
    few = KernelRidge().fit(x[:15], y[:15]).score(x[15:], y[15:])
    assert few > Orthogonal().fit(x[:15], y[:15]).score(x[15:], y[15:]) + 0.1


def test_penalty_grows_with_noise():
    x = units(200, 20)
    noise = np.random.default_rng(4).normal(size=(200, 20))
    clean, rough = (KernelRidge().fit(x, x + size * noise).alpha_ for size in (1e-4, 1.0))
    assert clean < rough


def test_kinds_zero_rows_and_duplicates():
    x, y = units(40, 3), units(40, 4, seed=5)
    x[:5] = 0
    x[5:15] = x[5]
    for kernel in ("cosine", "arc_cosine", "rbf"):
        bridge = KernelRidge(kernel=kernel, alpha=0.01).fit(x, y)
        moved = bridge.transform(torch.asarray(x, dtype=torch.float32))
        assert moved.dtype == torch.float32
        np.testing.assert_allclose(moved.numpy(), bridge.transform(x), atol=1e-4)
    flat = KernelRidge().fit(np.zeros((4, 3)), y[:4])
    np.testing.assert_array_equal(flat.transform(np.ones((1, 3))), np.zeros((1, 4)))


def test_refusals():
    x = units(10, 3)
    with pytest.raises(InputError, match="one of cosine, arc_cosine, rbf"):
        KernelRidge(kernel="poly").fit(x, x)
    with pytest.raises(InputError, match="one landmark"):
        KernelRidge(landmarks=0).fit(x, x)
