import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from isthmus.core.errors import InputError
from isthmus.measures import log_me


def classes(n=40, d=5, gap=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(3, d))[labels], labels


def oracle(x, labels):
    """The Gaussian marginal likelihood itself, maximised over both precisions."""
    n, total = len(x), 0.0
    for one in np.unique(labels):
        y = (labels == one).astype(float)

        def loss(p, y=y):
            return -multivariate_normal(
                np.zeros(n), np.exp(p[0]) * np.eye(n) + np.exp(p[1]) * x @ x.T
            ).logpdf(y)

        starts = [(-2, a) for a in (-8, -4, 0)]
        total -= min(minimize(loss, s, method="Nelder-Mead").fun for s in starts)
    return total / n / len(np.unique(labels))


@pytest.mark.parametrize("d", [3, 30, 90])
def test_equals_the_marginal_likelihood_at_any_width(d):
    x, labels = classes(n=30, d=d)
    assert log_me(x, labels).value == pytest.approx(oracle(x, labels), abs=1e-5)


def test_shuffled_labels_of_wide_features_do_not_look_good():
    x, labels = classes(n=40, d=200, gap=0.7)
    real = log_me(x, labels)
    rng = np.random.default_rng(0)
    noise = log_me(x, rng.permutation(labels))
    assert real.value > noise.value + 0.02
    assert real.value < 5  # the original says 23 for both
    assert real.p == 0.005
    assert noise.p > 0.05
    assert noise.value == pytest.approx(noise.chance, abs=0.05)


def test_level_of_the_test():
    rng = np.random.default_rng(1)
    p = [log_me(rng.normal(size=(20, 3)), np.arange(20) % 2).p for _ in range(60)]
    assert np.mean(np.array(p) <= 0.05) < 0.14
    assert 0.3 < np.mean(p) < 0.7


def test_chance_does_not_depend_on_row_order():
    x, labels = classes()
    order = np.random.default_rng(0).permutation(40)
    one, two = log_me(x, labels), log_me(x[order], labels[order])
    assert one.chance == pytest.approx(two.chance, abs=1e-10)


def test_bad_input():
    x, labels = classes()
    with pytest.raises(InputError, match="log_me.*zero"):
        log_me(x * 0, labels)
    with pytest.raises(InputError, match="one class"):
        log_me(x, labels * 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shuffles_of_the_same_evidence_are_no_finding(dtype):
    """x says nothing of the labels; a finer search of the value alone made p 0.005."""
    score = log_me(np.full((60, 2), 0.1, dtype), np.arange(60) % 3)
    assert score.z == 0
    assert score.p == 1
    assert score.value == pytest.approx(score.chance, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_endless_evidence_is_said(dtype):
    labels = np.arange(60) % 2
    score = log_me(np.eye(2, dtype=dtype)[labels], labels)
    assert "2 of 2 classes without error" in " ".join(score.warnings)
    # Where x spans all rows the evidence has a maximum, and with an error it has one as well.
    wide, far = classes(n=30, d=90), classes(gap=9.0)
    for x, known in (wide, far):
        assert "without bound" not in " ".join(log_me(x.astype(dtype), known).warnings)
