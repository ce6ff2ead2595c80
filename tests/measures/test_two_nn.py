import numpy as np
import pytest
from scipy.stats import chi2

from isthmus.core.errors import InputError
from isthmus.measures import two_nn
from isthmus.measures.two_nn import bias_curve


def oracle(x, discard):
    d = np.sqrt(((x[:, None] - x[None]) ** 2).sum(2))
    np.fill_diagonal(d, np.inf)
    d.sort(axis=1)
    logs = np.sort(np.log(d[:, 1] / d[:, 0]))
    m = len(x) - int(discard * len(x))
    total = logs[:m].sum() + (len(x) - m) * logs[m - 1]
    return (m - 1) / total, chi2.ppf([0.025, 0.975], 2 * m) / (2 * total)


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.3])
def test_equals_the_censored_likelihood(discard):
    x = np.random.default_rng(0).normal(size=(150, 3))
    value, ci = oracle(x, discard)
    score = two_nn(x, discard=discard)
    assert score.value == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(score.ci, ci, rtol=1e-10)


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.5])
def test_low_dimensions_are_read_right_whatever_is_discarded(discard):
    rng = np.random.default_rng(1)
    values = [
        two_nn(rng.uniform(size=(400, 2)) @ rng.normal(size=(2, 10)), discard=discard).value
        for _ in range(10)
    ]
    assert np.mean(values) == pytest.approx(2, rel=0.05)


def test_bias_curve_is_what_gaussian_rows_read():
    for n, d in ((300, 5), (1000, 20), (1000, 40)):
        values = [two_nn(np.random.default_rng(s).normal(size=(n, d))).value for s in range(8)]
        assert np.mean(values) == pytest.approx(bias_curve(n, (d,))[0], rel=0.04)
    assert 15.5 < bias_curve(1000, (20,))[0] < 17
    assert 25 < bias_curve(1000, (40,))[0] < 29


def test_high_dimensions_are_warned_about_with_the_corrected_value():
    x = np.random.default_rng(0).normal(size=(800, 20))
    text = two_nn(x).warnings[0]
    assert "reads low" in text
    corrected = float(text.split("dimension ")[1].split()[0])
    assert corrected == pytest.approx(20, rel=0.15)
    assert not any("reads low" in text for text in two_nn(x[:, :2]).warnings)


def test_duplicates_are_removed_and_counted():
    x = np.random.default_rng(0).normal(size=(100, 3))
    repeated = np.vstack([x, x[:40]])
    score = two_nn(repeated)
    assert score.n == 100
    assert score.warnings[0] == "40 duplicate rows removed"
    assert score.value == pytest.approx(two_nn(x).value, rel=1e-12)


def test_offset_scale_and_float32():
    x = np.random.default_rng(0).normal(size=(200, 3))
    reference = two_nn(x).value
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1000)):
        assert two_nn(x * factor + offset).value == pytest.approx(reference, rel=1e-8)
    assert two_nn(x.astype(np.float32)).value == pytest.approx(reference, rel=1e-4)


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(InputError, match="at least 12"):
        two_nn(x[:11])
    with pytest.raises(InputError, match="distinct"):
        two_nn(np.vstack([x[:5]] * 6))
    with pytest.raises(InputError, match="discard"):
        two_nn(x, discard=0.95)
    with pytest.raises(InputError, match="grid"):
        two_nn(np.arange(40.0)[:, None] % 20 + np.arange(40)[:, None] * 100, discard=0.1)
    with pytest.raises(InputError, match="bias_curve"):
        bias_curve(1000, (0.5,))
