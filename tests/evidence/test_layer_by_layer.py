import numpy as np

from isthmus.evidence import layer_by_layer as lbl
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.transformers import encode

SEEDS = seeds_from(9, 3)


def case(seed, *, noise=(4.0, 1.0, 0.3, 2.0)):
    """Four layers that hold the texts' classes under ``noise``."""
    rng = np.random.default_rng(seed)
    sizes = np.array(noise)[:, None, None]
    classes = {"a": rng.integers(2, size=80), "swapped": rng.integers(2, size=80)}
    marks = np.stack([classes["a"], classes["swapped"]])[:, None, :, None] * np.ones(6)
    probed = 2 * marks + sizes * rng.normal(size=(2, 4, 80, 6))
    base = rng.normal(size=(30, 1, 6))
    views = base + sizes[:, None] * rng.normal(size=(3, 4, 30, 5, 6))
    return views[0], list(views[1:]), probed, classes


def test_a_good_inner_layer_that_scores_tell_meets_the_claim():
    figures = lbl.experiment(SEEDS, case=case)
    assert {key for key, one in figures.items() if one.claimed} == {"inner", "correlation"}
    assert figures["inner"].met
    assert figures["correlation"].met
    assert figures["recommended"].value > 0.1
    assert figures["gain_a"].value > 0.1
    assert figures["r_infonce"].value < -0.7


def test_a_best_last_layer_does_not():
    last = lbl.experiment(SEEDS, case=lambda seed: case(seed, noise=(5.0, 4.0, 3.0, 0.2)))
    assert not last["inner"].met
    assert last["gain"].value < 0


def test_layers_at_chance_do_not():
    def blind(seed):
        hidden, copies, probed, classes = case(seed)
        rng = np.random.default_rng(seed)
        return hidden, copies, rng.normal(size=probed.shape), classes

    assert not lbl.experiment(SEEDS, case=blind)["correlation"].met


def test_tasks_and_perturbations_do_what_they_say():
    batch = np.stack([encode(t) for t in ("Run the big, red car ", "x = f(y) or not y, z ")])
    labels = lbl.tasks(["m.C.f", "m.f"], batch)
    assert labels["method"].tolist() == [1, 0]
    assert labels["code"].tolist() == [0, 1]
    assert labels["article"].tolist() == [1, 0]
    assert labels["capitals"].tolist() == [1, 0]
    rng = np.random.default_rng(0)
    many = np.repeat(batch, 100, axis=0)
    moved, swapped = lbl.scrambled(many, rng)
    assert 60 < swapped.sum() < 140
    assert np.array_equal(np.sort(moved, axis=1), np.sort(many, axis=1))
    assert not ((moved != many).any(axis=1) & (swapped == 0)).any()
    assert 0.05 < np.mean(lbl.noisy(many, rng) != many) < 0.15
