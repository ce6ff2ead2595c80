"""What was read in packages that no registry has: their formulas, written again, and ours.

docs/disagreements.md names these tests in its section "Read, not run".
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from isthmus.measures import debiased_cka, distance_correlation, log_me, uniformity


def hsic(k, ell):
    """Unbiased HSIC (Song et al. 2012, eq. 5)."""
    n = len(k)
    k, ell = (a - np.diag(np.diag(a)) for a in (k, ell))
    crossed = np.sum(k * ell) + k.sum() * ell.sum() / ((n - 1) * (n - 2))
    return (crossed - 2 * np.sum(k @ ell) / (n - 2)) / (n * (n - 3))


def test_an_absolute_guard_makes_a_space_unlike_itself():
    """platonic-rep adds 1e-6 to the denominator of CKA, whatever the unit of the features."""
    x = np.random.default_rng(0).normal(size=(200, 64))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    guarded = []
    for unit in (1, 0.1, 0.01):
        own = hsic(*[(unit * x) @ (unit * x).T] * 2)
        guarded.append(own / (own + 1e-6))
        assert debiased_cka(unit * x, unit * x).value == pytest.approx(1, abs=1e-12)
    assert guarded == pytest.approx([0.9999, 0.612, 1.58e-4], rel=0.01)


def evidence(x, y, alpha, beta, directions):
    """Log evidence a row by the sum over ``directions`` eigenvalues of X'X, the largest first."""
    n, d = x.shape
    values = np.linalg.eigvalsh(x.T @ x)[::-1][:directions].clip(0)
    mean = np.linalg.solve(alpha * np.eye(d) + beta * x.T @ x, beta * x.T @ y)
    fit = beta * np.sum((y - x @ mean) ** 2) + alpha * mean @ mean
    terms = d * np.log(alpha) + n * np.log(beta) - np.sum(np.log(alpha + beta * values))
    return (terms - fit - n * np.log(2 * np.pi)) / (2 * n)


def test_evidence_over_the_singular_values_alone_rewards_width():
    """LogME's default sums log(α + β σ²) over min(n, d) values, beside d log α for all columns."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 200)), rng.integers(2, size=40)
    y, (n, d) = labels.astype(float), x.shape
    for alpha, beta in ((1e3, 4.0), (2.0, 0.5)):
        spread = np.eye(n) / beta + x @ x.T / alpha
        right = multivariate_normal(np.zeros(n), spread).logpdf(y) / n
        assert evidence(x, y, alpha, beta, d) == pytest.approx(right, abs=1e-9)
        excess = evidence(x, y, alpha, beta, min(n, d)) - right
        assert excess == pytest.approx((d - n) * np.log(alpha) / (2 * n), abs=1e-9)
    assert evidence(x, y, 1e3, 4.0, n) > 10 > log_me(x, labels).value + 5  # labels are noise


def test_uniformity_of_wide_features_that_are_not_unit_is_minus_log_n():
    """ReSi's takes rows as they are, and each with itself: all wide spaces read log(1 / n)."""
    rng = np.random.default_rng(0)
    even, narrow = rng.normal(size=(100, 50)), rng.normal(size=(100, 50)) + 3
    read = []
    for x in (even, narrow):
        gaps = np.sum((x[:, None] - x[None]) ** 2, axis=2)
        read.append(np.log(np.exp(-2 * gaps).sum() / len(x) ** 2))
    assert read == pytest.approx([-np.log(100)] * 2, abs=1e-9)
    assert uniformity(narrow).value - uniformity(even).value > 1


def test_distance_correlation_does_not_see_a_scale():
    """ReSi declares that it does."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = x + rng.normal(size=(60, 5))
    value = distance_correlation(x, y).value
    assert value > 0.1
    assert distance_correlation(7 * x, y / 9).value == pytest.approx(value, abs=1e-12)
