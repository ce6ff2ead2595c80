import numpy as np

from isthmus.core.score import Score
from isthmus.evidence import label_sharpness as evidence
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.networks import classifier

SEEDS = seeds_from(123, 2)


def network_of_zeros_and_ones():
    images, labels = digits()
    rows = np.isin(labels, (0, 1))
    x, y = images[rows], labels[rows]
    return classifier(x, y, layers=(16, 8), epochs=10), x, y


def test_figures_of_a_small_run():
    figures = evidence.experiment(SEEDS, pairs=3, sets=("digits",))
    assert figures["narrow"].value > 0.5
    assert figures["digits_lost"].value > 0
    assert sum(figure.claimed for figure in figures.values()) == 2


def test_the_attack_follows_the_gradient():
    network, x, y = network_of_zeros_and_ones()
    moved = evidence.attacked(network, x[:20], y[:20], 1e-4)
    before, after = (network.predict_log_proba(a)[np.arange(20), y[:20]] for a in (x[:20], moved))
    assert (after <= before).all()
    # No other signs at this size hurt more, to first order: random ones do not.
    signs = np.random.default_rng(0).choice([-1, 1], x[:20].shape)
    random = np.clip(x[:20] + 1e-4 * signs, 0, 1)
    assert (after < network.predict_log_proba(random)[np.arange(20), y[:20]]).mean() > 0.9


def test_the_attack_stays_in_its_box():
    network, x, y = network_of_zeros_and_ones()
    moved = evidence.attacked(network, x, y, 0.1)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert np.abs(moved - x).max() <= 0.1 + 1e-12


def test_a_profile_of_noise_meets_nothing():
    draw = np.random.default_rng(0)

    def noise(x, labels, representation):
        return Score(value=draw.random(), method="noise", n=len(x), parts={
            "label_sharpness": draw.random(), "representation_dimension": draw.random(),
        })  # fmt: skip

    figures = evidence.experiment(SEEDS, pairs=3, sets=("digits",), profile=noise)
    assert not figures["narrow"].met
    assert not figures["correlation"].met
