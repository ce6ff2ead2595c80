import numpy as np
import pytest
from scipy.stats import norm

from isthmus.core.errors import InputError
from isthmus.measures import debiased_cka, deconfounded_cka


def u_centred(x):
    n = len(x)
    k = x @ x.T
    np.fill_diagonal(k, 0)
    rows = k.sum(0)
    u = k - rows[:, None] / (n - 2) - rows[None, :] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return u


def residuals(x, y, c):
    """Least squares on the entries of the U-centred matrices."""
    a, b, c = u_centred(x), u_centred(y), u_centred(c)
    return [k - np.sum(k * c) / np.sum(c * c) * c for k in (a, b)]


def cosine(a, b):
    return np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b)


def oracle(x, y, c):
    return cosine(*residuals(x, y, c))


def seen(n=60, seed=0, *, shared=0.0):
    """Two encoders of one input, which may share something besides."""
    rng = np.random.default_rng(seed)
    c, own_x, own_y = rng.normal(size=(3, n, 4))
    both = shared * rng.normal(size=(n, 4))
    return c + own_x + both, c + own_y + both, c


def test_equals_regression_of_the_matrices():
    x, y, c = seen(shared=0.7)
    score = deconfounded_cka(x + 3, y, confound=5 * c - 2)
    assert score.value == pytest.approx(oracle(x, y, c), abs=1e-12)
    assert score.parts["unadjusted"] == pytest.approx(debiased_cka(x, y).value, abs=1e-12)
    assert score.parts["x_with_confound"] == pytest.approx(debiased_cka(x, c).value, abs=1e-12)
    assert score.parts["y_with_confound"] == pytest.approx(debiased_cka(y, c).value, abs=1e-12)


def test_interval_equals_brute_force_leave_one_out():
    x, y, c = seen(n=17, shared=1.0)
    left = np.array([oracle(*(np.delete(s, m, 0) for s in (x, y, c))) for m in range(17)])
    half = 1.959963984540054 * np.sqrt(16 / 17 * np.sum((left - left.mean()) ** 2))
    score = deconfounded_cka(x, y, confound=c)
    np.testing.assert_allclose(score.ci, [score.value - half, score.value + half], atol=1e-11)


def test_z_is_the_value_over_its_jackknife_error():
    score = deconfounded_cka(*seen()[:2], confound=seen()[2])
    assert score.z == pytest.approx(score.value * 1.959963984540054 / (score.ci[1] - score.value))
    assert score.p == pytest.approx(norm.sf(score.z))


def test_p_does_not_reject_what_only_the_input_shares():
    """Shuffling rows of the residual matrices does: its deviation is too small."""
    p, shuffled = [], []
    for seed in range(300):
        x, y, c = seen(n=100, seed=seed)
        score = deconfounded_cka(x, y, confound=c)
        p.append(score.p)
        shuffled.append(norm.sf(score.value * (100 * 97 / 2) ** 0.5))
    assert np.mean(np.array(p) < 0.05) < 0.08
    assert np.mean(np.array(shuffled) < 0.05) > 0.12


def test_a_bent_confound_is_warned_about():
    rng = np.random.default_rng(0)
    c = rng.normal(size=(200, 3))
    x, y = (np.tanh(c @ rng.normal(size=(3, 50))) for _ in range(2))
    score = deconfounded_cka(x, y, confound=c)
    assert score.ci[0] > 0
    assert "explains most of both sides" in score.warnings[0]
    x, y, c = seen()
    found = deconfounded_cka(x, y, confound=c).warnings
    assert not any("explains most" in one for one in found)


def test_what_only_the_input_shares_is_zero_in_the_mean():
    adjusted, plain = [], []
    for seed in range(80):
        x, y, c = seen(n=100, seed=seed)
        score = deconfounded_cka(x, y, confound=c)
        adjusted.append(score.value)
        plain.append(score.parts["unadjusted"])
    assert np.mean(plain) > 0.2
    assert abs(np.mean(adjusted)) < 4 * np.std(adjusted) / 80**0.5 + 0.005


def test_what_is_shared_besides_is_found():
    x, y, c = seen(n=200, shared=1.0)
    score = deconfounded_cka(x, y, confound=c)
    assert score.ci[0] > 0.1
    assert score.p < 1e-6


def test_bad_confounds_are_refused():
    x, y, c = seen()
    with pytest.raises(InputError, match="confound.*equally many rows"):
        deconfounded_cka(x, y, confound=c[:-1])
    with pytest.raises(InputError, match="confound whose 60 rows are all equal"):
        deconfounded_cka(x, y, confound=np.ones((60, 2)))
    with pytest.raises(InputError, match="confound's own"):
        deconfounded_cka(x, y, confound=2 * x[:, ::-1] + 1)
    c[2, 1] = np.nan
    with pytest.raises(InputError, match="confound with NaN"):
        deconfounded_cka(x, y, confound=c)
    with pytest.raises(InputError, match="at least 4"):
        deconfounded_cka(x[:3], y[:3], confound=y[:3])


@pytest.mark.parametrize("coarse", ["x", "confound"])
def test_the_confounds_own_geometry_is_refused_where_one_side_has_fewer_digits(coarse):
    """What rounding to float32 leaves of the other side was a finding, with p 2e-12."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    y = x + 0.3 * rng.normal(size=(40, 4))
    sides = {"x": x, "confound": x}
    sides[coarse] = x.astype("f4")
    with pytest.raises(InputError, match="x whose geometry is the confound's own"):
        deconfounded_cka(sides["x"], y, confound=sides["confound"])
