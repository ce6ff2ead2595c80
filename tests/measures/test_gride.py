import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import betaln

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import gride


def oracle(x, a, b):
    r = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)
    mu = r[:, b] / r[:, a]

    def loss(d):
        terms = np.log(d) + (b - a - 1) * np.log(mu**d - 1) - ((b - 1) * d + 1) * np.log(mu)
        return -np.sum(terms - betaln(b - a, a))

    return minimize_scalar(loss, bounds=(0.1, 50), method="bounded", options={"xatol": 1e-9}), loss


@pytest.mark.parametrize(("near", "far"), [(1, 2), (2, 4), (3, 10), (8, 16)])
def test_maximises_the_likelihood_written_out(near, far):
    x = np.random.default_rng(0).normal(size=(120, 3))
    best, loss = oracle(x, near, far)
    score = gride(x, near=near, far=far)
    assert score.value == pytest.approx(best.x, rel=1e-6)
    # The same fall of the likelihood at both ends.
    low, high = (loss(end) - best.fun for end in score.ci)
    assert low == pytest.approx(high, rel=1e-4)


def test_ranks_one_and_two_are_the_inverse_mean_log_ratio():
    x = np.random.default_rng(1).normal(size=(100, 3))
    r = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)
    assert gride(x, near=1, far=2).value == pytest.approx(1 / np.mean(np.log(r[:, 2] / r[:, 1])))


def test_curve_over_scales_sees_noise_below_and_the_sheet_above():
    rng = np.random.default_rng(2)
    sheet = np.column_stack([rng.uniform(size=(1500, 2)), 0.02 * rng.normal(size=(1500, 6))])
    score = gride(sheet)
    parts = score.parts
    np.testing.assert_array_equal(parts["near"], [1, 2, 4, 8])
    np.testing.assert_array_equal(parts["far"], [2, 4, 8, 16])
    assert parts["dimension"][1] == pytest.approx(score.value)
    assert parts["dimension"][0] > parts["dimension"][3] + 0.5


def test_interval_covers_a_sphere():
    hits = []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(300, 3))
        low, high = gride(x / np.linalg.norm(x, axis=1, keepdims=True)).ci
        hits.append(low <= 2 <= high)
    assert np.mean(hits) >= 0.85


def test_high_dimensions_are_warned_about():
    x = np.random.default_rng(0).normal(size=(800, 20))
    text = gride(x).warnings[0]
    assert float(text.split("dimension ")[1].split()[0]) == pytest.approx(20, rel=0.2)
    assert all(text.endswith(ROUGH) for text in gride(x[:, :2]).warnings)


def test_duplicates_leave_enough_for_the_value_but_not_for_the_curve():
    x = np.random.default_rng(0).normal(size=(13, 3))
    score = gride(np.vstack([x] * 3))
    assert score.n == 13
    assert score.value == pytest.approx(gride(x).value)
    assert score.warnings[0] == "26 duplicate rows removed"


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(InputError, match="near=2, far=2"):
        gride(x, near=2, far=2)
    with pytest.raises(InputError, match="gride: got 11 rows"):
        gride(x[:11])
    with pytest.raises(InputError, match="gride: got 30 rows: .* expected at least 42"):
        gride(x, near=20, far=40)
    with pytest.raises(InputError, match="grid"):
        gride(np.eye(20))
