import numpy as np
import pytest

from isthmus.evidence import shape_distance_estimators as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(321, 3)


@pytest.mark.parametrize("name", list(evidence.CASES))
def test_truth_is_what_infinite_samples_would_give(name):
    case = evidence.CASES[name]
    x, y = case.draw(200_000, seed=0)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    found = nuclear / np.linalg.norm(x) / np.linalg.norm(y)
    # Even here the plug-in is high by its noise, about 50 singular values of 1/sqrt(n) / 50.
    assert case.similarity - 0.005 < found < case.similarity + 0.02


def test_the_claim_holds_on_other_seeds(monkeypatch):
    monkeypatch.setattr(evidence, "REPEATS", 8)
    figures = evidence.experiment(SEEDS, cases=["independent"])
    claimed = [figure for figure in figures.values() if figure.claimed]
    assert len(claimed) == 2
    for figure in claimed:
        assert figure.met, str(figure)
    coverage = figures["independent/coverage"]
    assert coverage.ci[0] < coverage.value <= coverage.ci[1] <= 1


def test_the_plugin_does_not_pass_for_its_own_correction(monkeypatch):
    monkeypatch.setattr(evidence, "REPEATS", 4)
    figures = evidence.experiment(SEEDS, corrected="plugin", cases=["independent"])
    assert figures["independent/bias ratio"].value == pytest.approx(1)
    assert not figures["independent/bias ratio"].met
    assert "independent/coverage" not in figures


def test_many_samples_leave_the_plugin_no_bias_to_claim(monkeypatch):
    monkeypatch.setattr(evidence, "REPEATS", 2)
    figures = evidence.experiment(SEEDS, corrected="plugin", cases=["independent"], n=20_000)
    assert not figures["independent/plugin"].met


def test_an_interval_of_a_bias_that_may_be_zero_starts_at_zero():
    assert evidence._ratio([-0.1, 0.1, 0.0], 0.4)[0] == 0.0
    low, high = evidence._ratio([-0.2, -0.21, -0.19], 0.4)
    assert 0.4 < low < 0.5 < high < 0.6


def test_share_is_the_exact_binomial_interval():
    assert evidence._share(24, 24) == pytest.approx((0.025 ** (1 / 24), 1.0))
    assert evidence._share(0, 24) == pytest.approx((0.0, 1 - 0.025 ** (1 / 24)))
