import itertools

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import debiased_cka, minibatch_cka
from isthmus.measures.rows import Spread


def hsic(k, l):  # noqa: E741
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def oracle(x, y, batches):
    grams = [(x[b] @ x[b].T, y[b] @ y[b].T) for b in batches]
    xx, xy, yy = (sum(hsic(g[i], g[j]) for g in grams) for i, j in ((0, 0), (0, 1), (1, 1)))
    return xy / np.sqrt(xx * yy)


def related(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    return x, np.hstack([x, rng.normal(size=(n, 6))])


def test_equals_the_average_over_its_batches():
    x, y = related(n=43)
    order = Spread.of(x, y).shuffled(5)
    batches = np.array_split(order, 4)
    score = minibatch_cka(x, y, batch=10, rng=5)
    assert score.value == pytest.approx(oracle(x, y, batches), abs=1e-12)
    assert [len(part) for part in score.parts.values()] == [4, 4, 4]


def test_one_batch_is_debiased_cka():
    x, y = related(n=50)
    one, all_pairs = minibatch_cka(x, y, batch=50), debiased_cka(x, y)
    assert one.value == pytest.approx(all_pairs.value, abs=1e-12)
    assert one.z == pytest.approx(all_pairs.z, abs=1e-10)
    assert one.ci is None
    assert "1 batches" in one.warnings[0]


def test_debiased_cka_makes_it_unnecessary():
    """Both aim at 1/sqrt(2); the one that reads all pairs scatters less."""
    batched, exact = [], []
    for seed in range(60):
        x, y = related(n=128, seed=seed)
        batched.append(minibatch_cka(x, y, batch=8).value)
        exact.append(debiased_cka(x, y, ci=False).value)
    for values in (batched, exact):
        error = np.std(values) / 60**0.5
        assert np.mean(values) == pytest.approx(0.5**0.5, abs=4 * error + 0.01)
    assert np.std(exact) < 0.9 * np.std(batched)


def test_interval_covers_the_population_value():
    hits = 0
    for seed in range(100):
        low, high = minibatch_cka(*related(n=640, seed=seed), batch=32).ci
        hits += low <= 0.5**0.5 <= high
    assert hits >= 87


def test_z_is_exact_over_all_shuffles_within_batches():
    x, y = related(n=10)
    order = Spread.of(x, y).shuffled(0)
    halves = np.array_split(order, 2)
    score = minibatch_cka(x, y, batch=5)
    sums = []
    for half in halves:
        g = x[half] @ x[half].T
        l = y[half] @ y[half].T  # noqa: E741
        sums.append([hsic(g, l[np.ix_(p, p)]) for p in itertools.permutations(range(5))])
    spread = np.sqrt(sum(np.var(one) for one in sums))
    total = sum(one[0] for one in sums)
    assert sum(np.mean(one) for one in sums) == pytest.approx(0, abs=1e-12)
    assert score.z == pytest.approx(total / spread, rel=1e-9)


@pytest.mark.parametrize("batch", [-1, 0, 1, 2, 3])
def test_batches_below_four_are_refused_and_never_nan(batch):
    with pytest.raises(InputError, match=f"batch={batch}.*at least 4"):
        minibatch_cka(*related(), batch=batch)


def test_batches_of_four_are_finite_and_wide_noise_is_zero():
    assert np.isfinite(minibatch_cka(*related(), batch=4).value)
    x, y = np.random.default_rng(0).normal(size=(2, 400, 300))
    score = minibatch_cka(x, y, batch=20)
    # A biased "unbiased" HSIC reads 0.94 here.
    assert abs(score.value) < 0.05
    assert abs(score.z) < 4


def test_equal_rows_are_refused():
    with pytest.raises(InputError, match="all equal"):
        minibatch_cka(np.ones((200, 3)), related()[1])


def test_the_scale_of_features_does_not_matter():
    x, y = related()
    for factor in (1e-60, 1e-3, 1e60):
        assert minibatch_cka(x * factor, y).value == pytest.approx(
            minibatch_cka(x, y).value, abs=1e-9
        )
