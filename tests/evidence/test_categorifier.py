import numpy as np
import pytest

from isthmus.evidence import categorifier
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


def test_relations_of_b_are_those_of_a_in_another_basis():
    a, ra, b, rb = categorifier.world(1, noise=0.0, rotated=False)
    np.testing.assert_allclose((a @ ra[0]) @ np.linalg.lstsq(a, b, rcond=None)[0], b @ rb[0],
                               atol=1e-8)  # fmt: skip


def test_noise_has_the_size_it_says():
    clean, loud = categorifier.world(1, noise=0.0)[3], categorifier.world(1)[3]
    assert np.linalg.norm(loud - clean) / np.linalg.norm(clean) == pytest.approx(0.05)


def test_the_claim_holds_on_other_seeds():
    figures = categorifier.experiment(SEEDS)
    assert all(figure.met for figure in figures.values())
    assert sum(figure.claimed for figure in figures.values()) == 2


def test_relations_that_do_not_correspond_help_nobody():
    def shuffled(given, known):
        a, ra, b, rb = given
        return categorifier.joint((a, ra, b, rb[::-1]), known)

    figures = categorifier.experiment(SEEDS, together=shuffled)
    assert not figures["joint"].met


def test_procrustes_with_every_pair_breaks_the_other_bound():
    def told(given, known):
        return categorifier.pairs_alone(given, len(given[0]))

    assert not categorifier.experiment(SEEDS, alone=told)["procrustes"].met
