import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from isthmus.core.errors import InputError
from isthmus.measures import rsa, trsa
from isthmus.measures.trsa import geo_topological_rdm


def related(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) + 2
    return x, x[:, :4] + rng.normal(size=(n, 4))


def clipped(d, lower, upper):
    low, high = np.quantile(d, lower), np.quantile(d, upper)
    return np.array(
        [0.0 if v <= low else 1.0 if v >= high else (v - low) / (high - low) for v in d]
    )


@pytest.mark.parametrize(("lower", "upper"), [(0.2, 0.8), (0.0, 0.3), (0.5, 0.55)])
def test_equals_the_formula(lower, upper):
    x, y = related()
    expected = np.corrcoef(clipped(pdist(x), lower, upper), clipped(pdist(y), lower, upper))[0, 1]
    assert float(trsa(x, y, lower=lower, upper=upper)) == pytest.approx(expected, abs=1e-10)
    found = geo_topological_rdm(x, lower, upper)
    np.testing.assert_allclose(found, squareform(clipped(pdist(x), lower, upper)), atol=1e-10)


def test_all_quantiles_are_rsa():
    x, y = related()
    assert float(trsa(x, y, lower=0, upper=1)) == pytest.approx(float(rsa(x, y)), abs=1e-10)


def test_thresholds_are_each_space_s_own():
    x, y = related()
    assert float(trsa(1000 * x, y)) == pytest.approx(float(trsa(x, y)), abs=1e-10)
    # Quantiles over both spaces together put all of the larger one above the upper threshold.
    a, b = pdist(1000 * x), pdist(y)
    low, high = np.quantile(np.concatenate([a, b]), [0.2, 0.8])
    sides = (np.clip((side - low) / (high - low), 0, 1) for side in (a, b))
    pooled = np.corrcoef(*sides)[0, 1]
    assert abs(pooled - float(trsa(x, y))) > 0.05


def test_far_distances_do_not_matter_but_near_ones_do():
    d = np.linspace(0, 1, 12)[:, None]
    far, near = d.copy(), d.copy()
    far[-1] += 50
    near[5] += 0.09
    a, b, c = (geo_topological_rdm(side, 0.0, 0.5) for side in (d, far, near))
    assert np.abs(a[:8, :8] - b[:8, :8]).max() < 0.2
    assert (b[-1, :-1] == 1).all()
    assert np.abs(a - c).max() > 0.1


def test_interval_is_close_to_leaving_rows_out_with_new_thresholds():
    x, y = related(n=60)
    left = np.array([float(trsa(np.delete(x, m, 0), np.delete(y, m, 0))) for m in range(60)])
    error = np.sqrt(59 / 60 * np.sum((left - left.mean()) ** 2))
    low, high = trsa(x, y).ci
    assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.25)


def test_z_agrees_with_permutations():
    x, y = related(n=14)
    rng = np.random.default_rng(0)
    drawn = np.array([float(trsa(x, y[rng.permutation(14)])) for _ in range(800)])
    score = trsa(x, y)
    assert drawn.mean() == pytest.approx(0, abs=4 * drawn.std() / 800**0.5)
    assert score.z == pytest.approx(score.value / drawn.std(), rel=0.12)


def test_unusable_input_is_refused():
    x, y = related()
    for call, match in (
        (lambda: trsa(x, y, lower=0.5, upper=0.5), "lower"),
        (lambda: trsa(x, y, upper=1.2), "upper"),
        (lambda: trsa(np.eye(40), y), "equal"),
        (lambda: trsa(x[:3], y[:3]), "at least 4"),
        (lambda: trsa(x * 0, y), "all equal"),
        (lambda: geo_topological_rdm(x[:2]), "at least 3"),
    ):
        with pytest.raises(InputError, match=match):
            call()


@pytest.mark.parametrize(("lower", "upper"), [(0.9, 1.0), (0.0, 0.1)])
def test_no_test_where_nearly_all_distances_are_clipped_to_one_end(lower, upper):
    x, y = np.random.default_rng(0).normal(size=(2, 30, 4))
    score = trsa(x, y, lower=lower, upper=upper)
    assert score.z is None
    assert score.p is None
    assert "clipped to one end: no test" in score.warnings[0]
    assert trsa(x, y).p is not None


def test_many_rows_need_no_square_of_them():
    import tracemalloc

    x, y = np.random.default_rng(0).normal(size=(2, 5000, 3)).astype(np.float32)
    tracemalloc.start()
    score = trsa(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(score.value) < 0.01
    assert peak < 0.4 * 8 * 5000 * 4999  # the distances of both sides in float64 are all of it
