import itertools

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import participation_ratio


def oracle(x):
    c = np.cov(x.T)
    return np.trace(c) ** 2 / np.trace(c @ c)


def oracle_debiased(x):
    """Both unbiased estimates as plain sums over distinct rows."""
    n = len(x)
    d = ((x[:, None] - x[None]) ** 2).sum(2) / 2
    top = bottom = 0.0
    for i, j, k, m in itertools.permutations(range(n), 4):
        top += d[i, j] * d[k, m]
        # (x_i - x_j)·(x_k - x_m) / 2 has mean zero and mean square tr(Σ²).
        bottom += ((x[i] - x[j]) @ (x[k] - x[m]) / 2) ** 2
    return top / bottom


def test_equals_the_definition():
    x = np.random.default_rng(0).normal(size=(50, 6)) * np.arange(1, 7) + 9
    assert participation_ratio(x).value == pytest.approx(oracle(x), rel=1e-12)


def test_debiased_equals_sums_over_distinct_rows():
    x = np.random.default_rng(0).normal(size=(9, 4)) * np.arange(1, 5) + 3
    assert participation_ratio(x, debias=True).value == pytest.approx(oracle_debiased(x), rel=1e-10)


def test_debias_removes_the_ceiling_of_few_rows():
    plain, debiased = [], []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(40, 60))
        plain.append(float(participation_ratio(x)))
        debiased.append(float(participation_ratio(x, debias=True)))
    assert np.mean(plain) == pytest.approx(40 * 60 / 100, rel=0.05)
    assert np.mean(debiased) == pytest.approx(60, rel=0.05)
    assert "debias" in participation_ratio(x).warnings[0]


@pytest.mark.parametrize("debias", [False, True])
def test_interval_equals_brute_force_leave_one_out(debias):
    x = np.random.default_rng(0).normal(size=(25, 5)) * np.arange(1, 6) + 4
    """Around the debiased value, of which it is an interval whichever is returned."""
    left = [participation_ratio(np.delete(x, m, 0), debias=True).value for m in range(25)]
    half = 1.959963984540054 * np.sqrt(24 / 25 * np.sum((left - np.mean(left)) ** 2))
    score, middle = participation_ratio(x, debias=debias), participation_ratio(x, debias=True).value
    assert score.ci == pytest.approx((middle - half, middle + half), rel=1e-9)


def test_interval_reaches_to_a_value_that_few_rows_hold_down():
    x = np.random.default_rng(0).normal(size=(30, 200))
    score = participation_ratio(x)
    assert score.ci[0] == score.value
    assert score.ci[0] < 200 == score.ci[1]


def test_known_values():
    x = np.random.default_rng(0).normal(size=(20000, 8))
    assert participation_ratio(x).value == pytest.approx(8, rel=0.01)
    assert participation_ratio(x[:, :1] * np.ones((1, 5))).value == pytest.approx(1, abs=1e-12)


def test_offset_scale_and_constant_dims():
    x = np.random.default_rng(0).normal(size=(60, 5))
    reference = oracle(x)
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1000)):
        assert participation_ratio(x * factor + offset).value == pytest.approx(reference, rel=1e-9)
    padded = np.hstack([x, np.full((60, 3), 2.0)])
    assert participation_ratio(padded).value == pytest.approx(reference, rel=1e-12)


def test_rows_equally_far_apart_have_a_value_and_no_bound():
    """Six unit vectors: as if each row of a larger sample brought a direction of its own."""
    score = participation_ratio(np.eye(6))
    assert score.value == pytest.approx(5)
    assert score.ci is None
    assert "has no bound" in score.warnings[0]
    with pytest.raises(InputError, match="equally far apart"):
        participation_ratio(np.eye(6), debias=True)


def test_no_interval_where_leaving_one_row_out_takes_the_bound_away():
    x = np.vstack([np.eye(6), 2 * np.eye(6)[:1]])
    assert np.isfinite(participation_ratio(x, debias=True).value)
    assert participation_ratio(x).ci is None


def test_bad_input():
    with pytest.raises(InputError, match="all equal"):
        participation_ratio(np.ones((5, 2)))
    with pytest.raises(InputError, match=r"1 rows: x \(1, 2\); expected at least 2 rows\. Bring"):
        participation_ratio(np.ones((1, 2)))
    with pytest.raises(InputError, match="at least 4 rows"):
        participation_ratio(np.eye(3), debias=True)
