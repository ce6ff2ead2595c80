import numpy as np
import pytest

from isthmus.evidence import tmi_intra_class_variance as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.pretrained import Network, Target, wide_digits

SEEDS = seeds_from(123, 2)


def small(seed):
    """Four untrained networks, each of another scale."""
    images, labels = wide_digits()
    order = np.random.default_rng(seed).permutation(len(images))
    chosen = np.concatenate([order[labels[order] == c][:8] for c in range(10)])
    rest = np.setdiff1d(order, chosen)[:200]
    networks = [Network(seed % 1000 + i) for i in range(4)]
    return networks, {"t": Target((images[chosen], labels[chosen]), (images[rest], labels[rest]))}


def test_figures_of_a_small_run(monkeypatch):
    monkeypatch.setattr(evidence, "accuracies", lambda n, t, *, seed: [0.1, 0.3, 0.2, 0.4])
    figures = evidence.experiment(SEEDS, make=small, rows=500)
    assert sum(figure.claimed for figure in figures.values()) == 3
    for name in evidence.RANKERS:
        assert -1 <= figures[name].value <= 1
    assert figures["seconds"].met


def test_a_ranker_that_knows_the_answer_meets_the_claim_and_a_wrong_one_does_not(monkeypatch):
    monkeypatch.setattr(evidence, "accuracies", lambda n, t, *, seed: [0.1, 0.2, 0.3, 0.4])

    def fixed(order):
        numbers = iter(order * len(SEEDS))
        return lambda x, y: next(numbers)

    right, wrong = [1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 3.0, 2.0]
    told = evidence.experiment(
        SEEDS, make=small, rows=500, rankers={"tmi": fixed(right), "separability": fixed(wrong)}
    )
    assert told["tmi"].met
    assert told["gain"].met
    fooled = evidence.experiment(
        SEEDS, make=small, rows=500, rankers={"tmi": fixed(wrong), "separability": fixed(right)}
    )
    assert not fooled["tmi"].met
    assert not fooled["gain"].met


def test_one_unit_takes_the_scale_away():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert np.var(evidence.one_unit(9 * x), axis=0).sum() == pytest.approx(1.0)
