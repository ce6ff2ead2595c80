import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import alpha_req


def oracle(x, first, last):
    values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    j = np.arange(first, last + 1)
    # numpy weighs residuals, not their squares.
    return -np.polyfit(np.log(j), np.log(values[j - 1]), 1, w=j**-0.5)[0], values


@pytest.mark.parametrize(("d", "first", "last"), [(6, 1, 3), (40, 5, 20), (110, 11, 55)])
def test_equals_a_weighted_line_over_the_stated_ranks(d, first, last):
    x = np.random.default_rng(0).normal(size=(300, d)) * np.arange(1, d + 1) ** -0.6 + 2
    score, (alpha, values) = alpha_req(x), oracle(x, first, last)
    assert score.value == pytest.approx(alpha, rel=1e-9)
    assert (score.parts["first"], score.parts["last"]) == (first, last)
    np.testing.assert_allclose(
        score.parts["eigenvalues"], values[: len(score.parts["eigenvalues"])]
    )
    assert alpha_req(x, ranks=(2, 5)).value == pytest.approx(oracle(x, 2, 5)[0], rel=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_reads_the_exponent_of_an_exact_spectrum(alpha):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 50))
    u = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[0]
    score = alpha_req(u * np.arange(1, 51) ** (-alpha / 2))
    assert score.value == pytest.approx(alpha, abs=1e-9)
    assert score.parts["r2"] == pytest.approx(1)


def test_interval_covers():
    scale = np.arange(1, 31) ** -0.5
    x = [np.random.default_rng(s).normal(size=(600, 30)) * scale for s in range(30)]
    ends = np.array([alpha_req(one).ci for one in x])
    assert np.mean((ends[:, 0] <= 1) & (ends[:, 1] >= 1)) >= 0.85


def test_what_is_no_power_law_is_warned_about():
    rng = np.random.default_rng(2)
    step = np.where(np.arange(40) < 12, 10.0, 0.1)
    texts = " ".join(alpha_req(rng.normal(size=(100, 40)) * step).warnings)
    assert "no power law at ranks 5 to 20" in texts
    assert "100 rows for ranks up to 20" in texts


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 6))
    with pytest.raises(InputError, match="alpha_req: got 3 rows"):
        alpha_req(x[:3])
    with pytest.raises(InputError, match="of 2 eigenvalues"):
        alpha_req(x[:, :2])
    for ranks in ((0, 4), (2, 3), (3, 7)):
        with pytest.raises(InputError, match="ranks"):
            alpha_req(x, ranks=ranks)
