import numpy as np

from isthmus.evidence import token_geometry_across_layers as tg
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(9, 3)


def case(seed, *, told=True, wider=True):
    """30 prompts of 1 to 5 dimensions, whose losses tell of them or not."""
    rng = np.random.default_rng(seed)
    dims = 1 + np.arange(30) % 5
    plain = rng.normal(size=(3, 30, 40, 8)) * (np.arange(8) < dims[:, None, None])
    shuffled = rng.normal(size=plain.shape) * (np.arange(8) < (8 if wider else dims[:, None, None]))
    losses = dims + 0.1 * rng.normal(size=30)
    return plain, shuffled, losses if told else rng.permutation(losses)


def test_dimensions_that_follow_order_and_loss_meet_the_claim():
    figures = tg.experiment(SEEDS, case=case)
    assert {key for key, one in figures.items() if one.claimed} == {"excess", "correlation"}
    assert all(one.met for one in figures.values() if one.claimed)
    assert figures["dimension_1"].value > 2


def test_without_either_it_fails():
    same = tg.experiment(SEEDS, case=lambda seed: case(seed, wider=False))
    assert not same["excess"].met
    assert same["correlation"].met
    untold = tg.experiment(SEEDS, case=lambda seed: case(seed, told=False))
    assert not untold["correlation"].met


def test_shuffling_keeps_each_prompts_characters():
    batch = np.arange(60).reshape(3, 20)
    mixed = tg.shuffle(batch, 0)
    assert np.array_equal(np.sort(mixed, axis=1), batch)
    assert not np.array_equal(mixed[0], batch[0])
    assert not np.array_equal(mixed[0] - batch[0, 0], mixed[1] - batch[1, 0])
