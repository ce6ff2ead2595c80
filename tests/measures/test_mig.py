import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from isthmus.core.errors import InputError
from isthmus.measures import mig


def case(n=300, seed=0):
    rng = np.random.default_rng(seed)
    factors = np.column_stack([rng.integers(4, size=n), rng.integers(3, size=n)])
    x = np.column_stack([factors + 0.3 * rng.normal(size=(n, 2)), rng.normal(size=n)])
    x[:, 2] += 0.5 * factors[:, 0]
    return x, factors


def oracle(x, factors, bins):
    cut = [np.minimum((np.argsort(np.argsort(c)) * bins) // len(c), bins - 1) for c in x.T]
    gaps = []
    for v in factors.T:
        known = sorted((mutual_info_score(c, v) for c in cut), reverse=True)
        gaps.append((known[0] - known[1]) / mutual_info_score(v, v))
    return np.array(gaps)


@pytest.mark.parametrize("bins", [5, 20])
def test_equals_the_formula(bins):
    x, factors = case()
    score = mig(x, factors, bins=bins)
    assert score.parts["gaps"] == pytest.approx(oracle(x, factors, bins), abs=1e-12)
    assert score.value == pytest.approx(oracle(x, factors, bins).mean())
    assert score.parts["columns"].tolist() == [0, 1]
    assert score.parts["information"].shape == (3, 2)


def test_increasing_maps_and_names_change_nothing():
    x, factors = case()
    value = mig(x, factors).value
    assert mig(np.exp(x), factors).value == value
    assert mig(x, np.array([["a", "b", "c", "d"][v] for v in factors.ravel()]).reshape(-1, 2)
               ).value == pytest.approx(value)  # fmt: skip


def test_interval_agrees_with_the_jackknife():
    x, factors = case(n=200)
    x = np.round(x)  # few values, so that no bin moves when a row is left out
    left = np.array([
        mig(np.delete(x, i, 0), np.delete(factors, i, 0)).value for i in range(0, 200, 8)
    ])  # fmt: skip
    error = 200**0.5 * left.std(ddof=1)
    low, high = mig(x, factors).ci
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.35)


def test_two_columns_that_know_the_same_leave_no_gap():
    _, factors = case()
    both = np.column_stack([factors, factors])
    assert mig(both, factors).value == pytest.approx(0.0)
    # Without the second best, information alone would call it perfect.
    assert mig(both, factors).parts["information"].max() == pytest.approx(1.0)


def test_shuffled_factors_are_chance():
    x, factors = case()
    rng = np.random.default_rng(1)
    scores = [mig(x, factors[rng.permutation(300)]) for _ in range(10)]
    assert np.mean([s.value for s in scores]) == pytest.approx(mig(x, factors).chance, abs=0.01)
    assert np.mean([s.p < 0.05 for s in scores]) <= 0.2
    assert mig(x, factors).p == pytest.approx(1 / 200)


def test_bad_input():
    x, factors = case()
    still = factors * [1, 0]
    for rows, known, options in (
        (x[:, :1], factors, {}), (x, factors[1:], {}), (x, factors[:, 0], {}), (x, still, {}),
        (x, factors, {"bins": 1}), (x[:9], factors[:9], {}), (x, factors * np.nan, {}),
    ):  # fmt: skip
        with pytest.raises(InputError, match="mig"):
            mig(rows, known, **options)
    assert "cells" in mig(x[:50], factors[:50]).warnings[0]
