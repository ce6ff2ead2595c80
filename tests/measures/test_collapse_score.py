from itertools import combinations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import collapse_score
from isthmus.measures.collapse_score import _tail


def roles(n=60, d=5, g=4, gap=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.minimum(np.arange(n) // 10, g - 1)  # of unequal sizes
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 3, labels


def sums(x, labels):
    """Σ of squared distances within and between roles, and how many pairs of each."""
    inside, outside = [], []
    for i, j in combinations(range(len(x)), 2):
        (inside if labels[i] == labels[j] else outside).append(np.sum((x[i] - x[j]) ** 2))
    return inside, outside


def oracle(x, labels):
    inside, outside = sums(x, labels)
    return np.sqrt(np.mean(inside) / np.mean(outside))


def test_equals_the_formula():
    x, labels = roles()
    score = collapse_score(x, labels)
    assert score.value == pytest.approx(oracle(x, labels), rel=1e-12)
    _, outside = sums(x, labels)
    own, _ = sums(x[:10], labels[:10])
    assert score.parts["roles"][0] == pytest.approx(np.sqrt(np.mean(own) / np.mean(outside)))


def test_interval_is_the_exact_jackknife():
    x, labels = roles(n=40)
    left = np.array([oracle(np.delete(x, i, 0), np.delete(labels, i)) for i in range(40)])
    error = np.sqrt(39 / 40 * np.sum((left - left.mean()) ** 2))
    low, high = collapse_score(x, labels).ci
    assert (high - low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)


def test_z_has_the_exact_moments_of_shuffled_roles():
    x, labels = roles(n=30, gap=0.5)
    apart = np.sum((x[:, None] - x) ** 2, axis=2)

    def inside(order):
        return apart[labels[order][:, None] == labels[order]].sum() / 2

    rng = np.random.default_rng(0)
    found = np.array([inside(rng.permutation(30)) for _ in range(2000)])
    expected = (found.mean() - inside(np.arange(30))) / found.std()
    assert collapse_score(x, labels).z == pytest.approx(expected, rel=0.05, abs=0.05)


def test_noise_is_seldom_called_collapsed():
    rng = np.random.default_rng(1)
    p = [collapse_score(rng.normal(size=(40, 6)), np.arange(40) % 4).p for _ in range(300)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08


def test_roles_of_unequal_sizes_leave_the_test_its_size():
    """They weigh far rows unequally: with the skewness of equal roles 1 % would be half of that."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(120, 4)) * [3, 1, 1, 1] * np.exp(0.3 * rng.normal(size=(120, 1)))
    labels = np.repeat(np.arange(4), [20, 26, 34, 40])
    found = [collapse_score(x, rng.permutation(labels)) for _ in range(2000)]
    p = np.array([score.p for score in found])
    scatter = np.cov(x.T)
    alike = np.array([_tail(score.z, scatter, 4, 1.0) for score in found])
    assert 0.04 < np.mean(p <= 0.05) < 0.06
    assert 0.006 < np.mean(p <= 0.01) < 0.015
    assert np.mean(alike <= 0.01) < 0.005


def test_collapsed_and_unrelated():
    labels = np.arange(40) % 4
    vectors = np.random.default_rng(0).normal(size=(4, 3))[labels]
    assert collapse_score(vectors, labels).value < 1e-12
    assert collapse_score(vectors + 1e-4, labels).value < 1e-9
    noise = np.random.default_rng(1).normal(size=(400, 30))
    assert collapse_score(noise, np.arange(400) % 4).value == pytest.approx(1.0, abs=0.01)


def test_distance_to_the_middle_alone_would_miss_it():
    """A wrong version that compares norms, not distances, sees no difference of roles."""
    labels = np.arange(60) % 4
    angle = 2 * np.pi * labels / 4
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    x += 0.1 * np.random.default_rng(0).normal(size=x.shape)
    norms = np.linalg.norm(x - x.mean(axis=0), axis=1)[:, None]
    assert oracle(norms, labels) > 2 * collapse_score(x, labels).value


def test_bad_input():
    x, labels = roles()
    for bad in (labels[1:], labels * 0, np.arange(60)):
        with pytest.raises(InputError, match="collapse_score"):
            collapse_score(x, bad)
    with pytest.raises(InputError, match="all equal"):
        collapse_score(np.ones((60, 2)), labels)
    few = collapse_score(np.eye(4), [0, 0, 1, 2])
    assert few.ci is None
    assert few.warnings
