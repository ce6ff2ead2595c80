import numpy as np
import pytest

from isthmus.evidence import is_cosine_really_similarity as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


@pytest.fixture(scope="module")
def x():
    return evidence.choices(np.random.default_rng(0))


def test_the_claim_holds_on_other_seeds():
    for figure in evidence.experiment(SEEDS).values():
        assert not figure.claimed or figure.met, str(figure)


def test_product_penalised_is_a_minimum_whatever_its_scale(x):
    def loss(a, b):  # |X - XAB'|² + penalty |AB'|²
        return np.sum((x - x @ a @ b.T) ** 2) + evidence.PENALTY * np.sum((a @ b.T) ** 2)

    p, b = evidence.product_penalised(x)
    a = np.linalg.lstsq(x, p, rcond=None)[0]
    least = loss(a, b)
    scale = np.exp(np.random.default_rng(1).normal(size=evidence.WIDTH))
    assert loss(a * scale, b / scale) == pytest.approx(least)
    for step in (1e-3, -1e-3):
        assert loss(a, b + step * np.random.default_rng(2).normal(size=b.shape)) > least


def test_factor_penalised_balances_its_factors(x):
    p, b = evidence.factor_penalised(x, np.random.default_rng(0))
    np.testing.assert_allclose(p.T @ p, b.T @ b, atol=1e-6)


def test_scaling_one_factor_only_breaks_the_claim():
    def wrong(a, b, *, power):
        return a, b * np.exp(power * np.arange(b.shape[1]))

    figures = evidence.experiment(SEEDS, rescale=wrong)
    assert not figures["drift"].met


def test_rotations_leave_cosines_alone_and_so_fail_the_claim():
    def turned(a, b, *, power):
        q = np.linalg.qr(np.random.default_rng(int(9 * power)).normal(size=(a.shape[1],) * 2))[0]
        return a @ q, b @ q

    figures = evidence.experiment(SEEDS, rescale=turned)
    assert figures["drift"].met
    assert not figures["widest"].met
