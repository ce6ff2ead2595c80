import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import effective_rank


def oracle(x, epsilon=0.0):
    s = np.linalg.svd(x, compute_uv=False)
    p = s / s.sum() + epsilon
    return np.exp(-np.sum(p * np.log(p)))


@pytest.mark.parametrize("shape", [(50, 4), (10, 30)])
def test_equals_both_formulas(shape):
    x = np.random.default_rng(0).normal(size=shape) + 0.5
    score = effective_rank(x)
    assert score.value == pytest.approx(oracle(x), rel=1e-12)
    assert score.parts["rank_me"] == pytest.approx(oracle(x, 1e-7), rel=1e-10)
    np.testing.assert_allclose(score.parts["singular_values"], np.linalg.svd(x, compute_uv=False))
    # Squares of singular values, which others take, give another number.
    p = np.linalg.svd(x, compute_uv=False) ** 2
    p /= p.sum()
    assert abs(np.exp(-np.sum(p * np.log(p))) - score.value) > 0.1


def test_known_values_and_missing_directions():
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 5)))[0]
    assert effective_rank(q).value == pytest.approx(5)
    flat = np.column_stack([q[:, :3], q[:, :3] @ np.ones((3, 2))])
    score = effective_rank(flat)
    assert 1 < score.value <= 3 + 1e-9
    assert score.value == pytest.approx(score.parts["rank_me"], abs=1e-4)


def test_influences_are_those_of_weighted_rows():
    x = np.random.default_rng(2).normal(size=(40, 3)) * [3, 1, 0.5] + 1
    moved = []
    for i in range(40):
        ends = []
        for step in (-1e-5, 1e-5):
            w = np.ones(40)
            w[i] += step
            ends.append(oracle(x * np.sqrt(w)[:, None]))
        moved.append(40 * (ends[1] - ends[0]) / 2e-5)
    moved = np.array(moved) - np.mean(moved)
    half = 1.959964 * np.sqrt(moved @ moved / 40 / 39)
    low, high = effective_rank(x).ci
    assert (high - low) / 2 == pytest.approx(half, rel=1e-4)


def test_few_rows_are_warned_about_and_bad_input_refused():
    x = np.random.default_rng(3).normal(size=(30, 10))
    assert "30 rows of width 10" in effective_rank(x).warnings[0]
    assert all(text.endswith(ROUGH) for text in effective_rank(np.vstack([x] * 2)).warnings)
    with pytest.raises(InputError, match="effective_rank: got 1 rows"):
        effective_rank(x[:1])
    with pytest.raises(InputError, match="zero"):
        effective_rank(0 * x)
