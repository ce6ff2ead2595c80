import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.retrieval.bootstrap import interval, paired


def coverage(draw, truth, *, make, trials=300):
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(trials):
        low, high = make(draw(rng))
        inside += low <= truth <= high
    return inside / trials


def ours(values):
    return interval(values, resamples=400)


def standard_deviation_for_error(values):
    """The usual slip: the spread of the values in place of the spread of their mean."""
    return values.mean() - 1.96 * values.std(), values.mean() + 1.96 * values.std()


def half_a_sample(values):
    """Another: resampling without replacement, which is too sure."""
    rng = np.random.default_rng(0)
    means = [rng.permutation(values)[: int(0.9 * values.size)].mean() for _ in range(200)]
    return tuple(np.quantile(means, [0.025, 0.975]))


DRAWS = {
    "normal": (lambda rng: rng.normal(size=40), 0.0, 0.91),
    "hits": (lambda rng: (rng.random(60) < 0.8).astype(float), 0.8, 0.90),
    "skewed": (lambda rng: rng.exponential(size=40), 1.0, 0.88),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_interval_covers_the_mean_as_often_as_it_says(name):
    draw, truth, least = DRAWS[name]
    assert least <= coverage(draw, truth, make=ours) <= 0.985


@pytest.mark.parametrize("wrong", [standard_deviation_for_error, half_a_sample])
def test_the_coverage_check_rejects_wrong_intervals(wrong):
    draw, truth, least = DRAWS["normal"]
    assert not least <= coverage(draw, truth, make=wrong, trials=100) <= 0.985


def test_the_interval_is_the_standard_bca_one():
    from scipy.stats import bootstrap

    # Few and skewed, so that both corrections of BCa move the ends by more than the tolerance.
    values = np.random.default_rng(2).lognormal(sigma=1.5, size=10)
    known = bootstrap((values,), np.mean, n_resamples=60_000, method="BCa", rng=0)
    ends = np.array(known.confidence_interval)
    found = np.array(interval(values, resamples=60_000))
    assert np.abs(found - ends).max() < 0.015 * (ends[1] - ends[0])


def test_pairing_removes_what_queries_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=100) * 5
    a, b = hard + 0.3 + rng.normal(size=100) * 0.1, hard
    difference = paired(a, b)
    assert difference.mean == pytest.approx(0.3, abs=0.05)
    assert difference.ci[0] > 0
    assert difference.p < 0.01
    shuffled = paired(a, rng.permutation(b))
    assert shuffled.ci[0] < 0 < shuffled.ci[1]
    back = paired(b, a)
    assert back.mean == -difference.mean
    assert back.ci[1] < 0


def test_p_is_level_when_nothing_differs():
    rng = np.random.default_rng(1)
    p = np.array(
        [paired(rng.normal(size=50), rng.normal(size=50), resamples=400).p for _ in range(300)]
    )
    assert 0.02 <= (p < 0.05).mean() <= 0.09
    assert 0.4 <= np.mean(p) <= 0.6


def test_identical_systems_differ_by_nothing():
    values = np.random.default_rng(0).random(30)
    same = paired(values, values)
    assert (same.mean, same.ci, same.p, same.n) == (0.0, (0.0, 0.0), 1.0, 30)


def test_a_constant_difference_is_certain():
    always = paired(np.full(20, 0.7), np.full(20, 0.2))
    assert always.ci == pytest.approx((0.5, 0.5))
    assert always.p == pytest.approx(2 / 2001)


@pytest.mark.parametrize("scale", [1e-200, 1e-13, 1e13, 1e200])
def test_the_interval_scales_with_the_values(scale):
    a, b = np.random.default_rng(0).random((2, 30))
    assert np.divide(interval(a * scale), scale) == pytest.approx(interval(a), rel=1e-9)
    plain, scaled = paired(a, b), paired(a * scale, b * scale)
    assert np.divide(scaled.ci, scale) == pytest.approx(plain.ci, rel=1e-9)
    assert scaled.p == plain.p
    crumbs = paired(a * 3 * scale, (a + a + a) * scale)
    assert crumbs.p == 1.0


def test_nan_queries_are_left_out_on_both_sides_or_refused():
    a, b = np.array([1.0, np.nan, 0.5]), np.array([0.0, np.nan, 0.5])
    assert paired(a, b).n == 2
    assert interval(a) == interval(a[[0, 2]])
    with pytest.raises(InputError, match="one side only"):
        paired(a, [0.0, 1.0, 0.5])


def test_seeds_decide_and_blocks_do_not(monkeypatch):
    import sys

    values = np.random.default_rng(0).random(50)
    whole = interval(values, rng=5)
    assert whole == interval(values, rng=5)
    assert whole != interval(values, rng=6)
    monkeypatch.setattr(sys.modules["isthmus.retrieval.bootstrap"], "_CELLS", 200)
    assert interval(values, rng=5) == whole


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, 1.0], [[1.0]], 3.0, ["a"], None])
def test_bad_vectors_are_typed(values):
    with pytest.raises(InputError):
        interval(values)


def test_bad_pairs_and_counts_are_typed():
    with pytest.raises(InputError, match="2 and 3"):
        paired([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="resamples"):
        interval([1.0, 2.0], resamples=10)
