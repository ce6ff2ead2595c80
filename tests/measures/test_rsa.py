import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from isthmus.core.errors import InputError
from isthmus.measures import rsa
from isthmus.measures.rsa import COMPARISONS, from_rdms

METRICS = {
    "euclidean": "euclidean",
    "squared_euclidean": "sqeuclidean",
    "cosine": "cosine",
    "correlation": "correlation",
}


def related(n=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) + 2
    return x, x[:, :4] + rng.normal(size=(n, 4))


def tau_a(a, b):
    signs = np.sign(np.subtract.outer(a, a)) * np.sign(np.subtract.outer(b, b))
    return signs.sum() / (len(a) * (len(a) - 1))


def rho_a(a, b):
    """Mean rank against mean rank, over the variance that ranks without ties have."""
    n = len(a)
    r, s = ((np.less.outer(v, v).sum(0) + np.less_equal.outer(v, v).sum(0)) / 2 for v in (a, b))
    return 12 * np.sum((r - r.mean()) * (s - s.mean())) / (n**3 - n)


ORACLES = {
    "pearson": lambda a, b: pearsonr(a, b)[0],
    "spearman": lambda a, b: spearmanr(a, b)[0],
    "kendall_tau_a": tau_a,
    "rho_a": rho_a,
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
}


@pytest.mark.parametrize("distance", METRICS)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_equals_the_formula(distance, comparison):
    x, y = related()
    expected = ORACLES[comparison](pdist(x, METRICS[distance]), pdist(y, METRICS[distance]))
    assert float(rsa(x, y, distance=distance, comparison=comparison)) == pytest.approx(
        expected, abs=1e-10
    )


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_ties_are_ties_and_matrices_give_the_same(comparison):
    x, y = (np.random.default_rng(1).integers(0, 3, (2, 30, 3)) * 0.1).astype(float)
    a, b = (np.round(pdist(side), 12) for side in (x, y))
    expected = ORACLES[comparison](a, b)
    assert len(np.unique(a)) < 20
    assert float(rsa(x, y, comparison=comparison)) == pytest.approx(expected, abs=1e-10)
    two = from_rdms(squareform(a), 7 * squareform(b), comparison=comparison)
    assert float(two) == pytest.approx(expected, abs=1e-10)


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=17)
    left = np.array([float(rsa(np.delete(x, m, 0), np.delete(y, m, 0))) for m in range(17)])
    error = np.sqrt(16 / 17 * np.sum((left - left.mean()) ** 2))
    score = rsa(x, y)
    expected = score.value + 1.959963984540054 * error * np.array([-1, 1])
    np.testing.assert_allclose(score.ci, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("comparison", ["spearman", "rho_a"])
def test_rank_interval_is_close_to_brute_force_leave_one_out(comparison):
    x, y = related(n=60, seed=3)
    left = np.array(
        [
            float(rsa(np.delete(x, m, 0), np.delete(y, m, 0), comparison=comparison))
            for m in range(60)
        ]
    )
    error = np.sqrt(59 / 60 * np.sum((left - left.mean()) ** 2))
    low, high = rsa(x, y, comparison=comparison).ci
    assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.08)


@pytest.mark.parametrize("comparison", ["pearson", "spearman", "rho_a", "cosine"])
def test_z_and_chance_agree_with_permutations(comparison):
    x, y = related(n=14)
    rng = np.random.default_rng(0)
    score = rsa(x, y, comparison=comparison)
    drawn = np.array(
        [float(rsa(x, y[rng.permutation(14)], comparison=comparison)) for _ in range(800)]
    )
    assert drawn.mean() == pytest.approx(score.chance, abs=4 * drawn.std() / 800**0.5)
    assert score.z == pytest.approx((score.value - drawn.mean()) / drawn.std(), rel=0.12)


def test_p_is_calibrated_enough_and_the_interval_covers():
    p, hits = [], 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x, noise = rng.normal(size=(2, 60, 10))
        p.append(rsa(x, noise).p)
        low, high = rsa(x, x + 0.7 * noise).ci
        hits += low <= 0.655 <= high
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert hits / 300 >= 0.9


def test_a_bias_moves_cosines_and_correlations_but_not_euclidean_distances():
    x, y = related()
    bias = 3 * np.random.default_rng(5).normal(size=6)
    for distance in ("cosine", "correlation"):
        before, after = (float(rsa(side, y, distance=distance)) for side in (x, x + bias))
        assert abs(before - after) > 0.05
        scaled = x * np.random.default_rng(6).uniform(0.1, 9, (30, 1))
        assert float(rsa(scaled, y, distance=distance)) == pytest.approx(before, abs=1e-10)
    assert float(rsa(x + bias, y)) == pytest.approx(float(rsa(x, y)), abs=1e-10)


def test_duplicate_rows_are_at_distance_zero():
    x, y = related()
    x, y = np.vstack([x, x + 0]), np.vstack([y, y])
    score = rsa(x + 1e3, y, comparison="spearman")
    assert score.value == pytest.approx(spearmanr(pdist(x), pdist(y))[0], abs=1e-9)
    assert np.isfinite(score.ci).all()


def test_pearson_and_ranks_give_lengths_but_rho_a_and_tau_a_none():
    x, y = related()
    score = rsa(x, y, comparison="spearman")
    assert score.distance() == pytest.approx((2 - 2 * score.value) ** 0.5)
    for comparison in ("rho_a", "kendall_tau_a"):
        with pytest.raises(InputError, match="not a metric"):
            rsa(x, y, comparison=comparison).distance()
    assert rsa(x[:4], y[:4]).ci is None


def test_unusable_input_is_refused():
    x, y = related()
    zero = x.copy()
    zero[3] = 0
    for call, match in (
        (lambda: rsa(x[:3], y[:3]), "at least 4"),
        (lambda: rsa(np.full((30, 2), 0.1), y), "all equal"),
        (lambda: rsa(np.eye(30), y), "equally far"),
        (lambda: rsa(np.eye(30), y, comparison="rho_a"), "equally far"),
        (lambda: rsa(zero, y, distance="cosine"), "zero rows"),
        (lambda: rsa(zero + 1, y, distance="correlation"), "constant rows"),
        (lambda: rsa(x, y, distance="cityblock"), "cityblock"),
        (lambda: rsa(x, y, comparison="tau_b"), "tau_b"),
    ):
        with pytest.raises(InputError, match=match):
            call()


def test_matrices_that_are_no_distances_are_refused():
    d = squareform(pdist(related()[0]))
    lopsided, broken, stained = d.copy(), d + np.eye(30), d.copy()
    lopsided[0, 1] += 1
    stained[0, 1] = stained[1, 0] = np.nan
    for wrong, match in (
        (d[:-1], r"a \(29, 30\); .* Pass vectors to rsa"),
        (lopsided, "symmetric"),
        (broken, "diagonal"),
        (stained, "NaN"),
        (d[:20, :20], r"a \(20, 20\) and b \(30, 30\); expected equally many rows\. Keep"),
        (1 - np.eye(30), r"equally far apart: \(30, 30\) .*\. Bring"),
    ):
        with pytest.raises(InputError, match=match):
            from_rdms(wrong, d)


def seen(n=60, seed=0, *, shared=0.0):
    """Two encoders of one input, which may share something besides."""
    rng = np.random.default_rng(seed)
    c, own_x, own_y = rng.normal(size=(3, n, 4))
    both = shared * rng.normal(size=(n, 4))
    return c + own_x + both, c + own_y + both, c


def residual_correlation(x, y, c, metric="euclidean"):
    """Pearson's r of what least squares with a constant leaves of the distances."""
    a, b, f = (pdist(side, metric) for side in (x, y, c))
    given = np.column_stack([np.ones(len(f)), f])
    left = [side - given @ np.linalg.lstsq(given, side)[0] for side in (a, b)]
    return pearsonr(*left)[0]


@pytest.mark.parametrize("distance", METRICS)
def test_a_confound_is_regressed_out_of_both_sides(distance):
    x, y, c = seen(shared=0.7)
    score = rsa(x, y, confound=c[:, :3], distance=distance)
    expected = residual_correlation(x, y, c[:, :3], METRICS[distance])
    assert score.value == pytest.approx(expected, abs=1e-10)
    swapped = rsa(y, x, confound=c[:, :3], distance=distance).value
    assert score.value == pytest.approx(swapped, abs=1e-12)
    assert score.parts["unadjusted"] == rsa(x, y, distance=distance).value
    assert score.parts["x_with_confound"] == rsa(x, c[:, :3], distance=distance).value
    assert score.parts["y_with_confound"] == rsa(y, c[:, :3], distance=distance).value
    assert (score.z, score.p) == (None, None)


def test_the_interval_beside_a_confound_equals_brute_force_leave_one_out():
    x, y, c = seen(n=17, shared=0.7)
    left = [residual_correlation(*(np.delete(s, m, 0) for s in (x, y, c))) for m in range(17)]
    error = np.sqrt(16 / 17 * np.sum((np.array(left) - np.mean(left)) ** 2))
    score = rsa(x, y, confound=c)
    expected = score.value + 1.959963984540054 * error * np.array([-1, 1])
    np.testing.assert_allclose(score.ci, expected, rtol=0, atol=1e-11)
    assert rsa(x[:4], y[:4], confound=c[:4]).ci is None


def test_what_only_the_confound_shares_is_no_longer_found():
    found = []
    for seed in range(200):
        x, y, c = seen(seed=seed)
        found.append(rsa(x, y, confound=c).ci)
    low, high = np.array(found).T
    assert np.mean(low > 0) < 0.06  # 2.5 % of a right interval
    assert np.mean(high < 0) < 0.06
    assert np.mean([rsa(*seen(seed=seed)[:2]).ci[0] > 0 for seed in range(50)]) > 0.8
    x, y, c = seen(shared=1.5)
    assert rsa(x, y, confound=c).ci[0] > 0.2


def test_a_bent_confound_is_warned_about():
    rng = np.random.default_rng(0)
    c = rng.normal(size=(60, 3))
    x, y = (np.tanh(c @ rng.normal(size=(3, 50))) for _ in range(2))
    assert "explains most of both sides (RSA" in rsa(x, y, confound=c).warnings[0]
    assert rsa(*seen()[:2], confound=seen()[2]).warnings == ()


def test_confounds_that_cannot_be_are_refused():
    x, y, c = seen()
    turned = c @ np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0] * 3 + 1
    for call, match in (
        (lambda: rsa(turned, y, confound=c), "x whose distances are the confound's own"),
        (lambda: rsa(x, c.astype("f4"), confound=c), "y whose distances are the confound's"),
        (lambda: rsa(x, y, confound=c[:-1]), r"confound \(59, 4\).*equally many"),
        (lambda: rsa(x, y, confound=c * 0), "confound whose 60 rows are all equal"),
        (lambda: rsa(x, y, confound=np.eye(60)), "confound whose rows are all equally far"),
        (lambda: rsa(x, y, confound=c, comparison="spearman"), "not ranks"),
        (lambda: rsa(x, y, confound=c, comparison="cosine"), "'cosine' with a confound"),
    ):
        with pytest.raises(InputError, match=match):
            call()


def test_a_confound_is_of_the_kind_of_the_sides():
    torch = pytest.importorskip("torch")
    x, y, c = seen()
    same = [torch.asarray(side) for side in (x, y)]
    expected = rsa(x, y, confound=c).value
    assert rsa(*same, confound=torch.asarray(c)).value == pytest.approx(expected, abs=1e-12)
    narrow = [side.astype("f4") for side in (x, y)]
    assert rsa(*narrow, confound=c.astype("f4")).value == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError):
        rsa(*same, confound=c)
