"""Intervals from leaving rows out, and from the influence of rows."""

import numpy as np
import pytest

from isthmus.measures.rows import Z95, influence_interval, jackknife


def test_of_a_mean_both_give_the_standard_error():
    x = np.random.default_rng(0).normal(size=50)
    expected = Z95 * x.std(ddof=1) / np.sqrt(50)
    low, high = influence_interval(x.mean(), [x[:20] - x.mean(), x[20:] - x.mean()])
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-12)
    left_out = (x.sum() - x) / 49
    low, high = jackknife(x.mean(), [left_out[:20], left_out[20:]])
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-12)


def test_influences_need_not_be_centred():
    x = np.random.default_rng(1).normal(size=30)
    assert influence_interval(0.0, [x]) == pytest.approx(influence_interval(0.0, [x + 7]))


def test_no_interval_from_values_that_are_not_finite_or_from_one_row():
    assert influence_interval(1.0, [np.array([0.0, np.nan])]) is None
    assert influence_interval(1.0, [np.array([0.0])]) is None
    assert jackknife(1.0, [np.array([1.0, np.inf])]) is None
