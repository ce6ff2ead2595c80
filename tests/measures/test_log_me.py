import importlib

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import multivariate_normal

from isthmus.core.errors import InputError
from isthmus.measures import log_me

module = importlib.import_module("isthmus.measures.log_me")


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
    with pytest.raises(InputError, match=r"log_me: got 3 rows: x \(3, 5\); .* 4 rows\. Bring"):
        log_me(x[:3], labels[:3])
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
    assert score.warnings == (
        "any order of the labels has this evidence: x says nothing of the classes",
    )
    assert score.value == pytest.approx(score.chance, abs=1e-3)


def test_interval_is_the_derivative_in_the_weights_of_rows():
    """A row's weight counts it so many times; whole rows are counted by hand, parts by slope."""
    x, labels = classes(n=30)
    eps, moved = 1e-3, []
    for row in range(30):
        # A likelihood to the power w is that of the row and its target times sqrt(w), but for a
        # constant: -½ log 2π/β once a unit of weight.
        ends = [weighted(x, labels, row, 1 + step) for step in (-eps, eps)]
        moved.append((ends[1] - ends[0]) / (2 * eps))
    half = 1.959963984540054 * np.std(moved, ddof=1) / np.sqrt(30)
    score = log_me(x, labels)
    assert score.ci == pytest.approx((score.value - half, score.value + half), abs=1e-5)


def weighted(x, labels, row, weight):
    """Mean over classes of the greatest log evidence where one row counts ``weight`` times."""
    w = np.ones(len(x))
    w[row] = weight
    a, total = x * np.sqrt(w)[:, None], 0.0
    s2, turn = np.linalg.eigh(a @ a.T)
    for one in np.unique(labels):
        z2 = (turn.T @ ((labels == one) * np.sqrt(w))) ** 2

        def loss(log_t, z2=z2):
            """At the best β = W / R; det and form of I + a aᵀ / t."""
            lifted = 1 + s2 / np.exp(log_t)
            rest = np.sum(z2 / lifted)
            return 0.5 * (w.sum() * np.log(2 * np.pi * rest / w.sum()) + np.log(lifted).sum())

        total -= minimize_scalar(loss, bounds=(-12, 12), options={"xatol": 1e-9}).fun
    return (total - 0.5 * w.sum() * len(np.unique(labels))) / len(np.unique(labels))


@pytest.mark.parametrize(("n", "d"), [(60, 5), (40, 60)])
def test_interval_covers_what_so_many_rows_read(n, d, monkeypatch):
    monkeypatch.setattr(module, "_SHUFFLES", 2)
    rng, scores = np.random.default_rng(2), []
    means = rng.normal(size=(3, d)) / np.sqrt(d)
    for _ in range(60):
        labels = rng.integers(3, size=n)
        scores.append(log_me(2 * means[labels] + rng.normal(size=(n, d)), labels))
    values, (low, high) = np.array([s.value for s in scores]), np.array([s.ci for s in scores]).T
    assert np.sum((low <= values.mean()) & (values.mean() <= high)) >= 52
    assert 0.75 < np.mean(high - low) / (2 * 1.96 * values.std(ddof=1)) < 1.3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_endless_evidence_is_said(dtype):
    labels = np.arange(60) % 2
    score = log_me(np.eye(2, dtype=dtype)[labels], labels)
    assert "2 of 2 classes without error" in " ".join(score.warnings)
    assert score.ci is None
    # Where x spans all rows the evidence has a maximum, and with an error it has one as well.
    wide, far = classes(n=30, d=90), classes(gap=9.0)
    for x, known in (wide, far):
        assert "without bound" not in " ".join(log_me(x.astype(dtype), known).warnings)
