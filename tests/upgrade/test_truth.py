from types import SimpleNamespace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError
from isthmus.upgrade.truth import MAX_PROVISIONAL, held_out, provisional


@pytest.fixture(scope="module")
def pairs():
    x = np.random.default_rng(0).normal(size=(3000, 4))
    return isthmus.pair(x, x[:, :3])


def ruled(rule):
    return SimpleNamespace(holdout=rule)


def test_what_every_rule_held_out_is_held_out(pairs):
    one, two = {"test": 0.3, "seed": 1}, {"test": 0.5, "seed": 2}
    mask, warnings = held_out(pairs, [ruled(one), ruled(two)])
    sides = [set(pairs.split(**rule)[1].ids.tolist()) for rule in (one, two)]
    assert set(pairs.ids[mask].tolist()) == sides[0] & sides[1]
    assert not warnings


def test_a_missing_rule_is_warned_about_and_does_not_widen(pairs):
    mask, warnings = held_out(pairs, [ruled({"test": 0.3, "seed": 1}), ruled(None)])
    assert np.array_equal(mask, held_out(pairs, [ruled({"test": 0.3, "seed": 1})])[0])
    assert warnings[0].startswith("1 of 2 bridges carry no holdout rule")
    alone, _ = held_out(pairs, [object()])
    assert 0.15 < alone.mean() < 0.25


def test_no_row_left_is_an_error(pairs):
    rules = [ruled({"test": 0.02, "seed": seed}) for seed in range(6)]
    with pytest.raises(InputError, match="held out from every bridge"):
        held_out(pairs, rules)


def test_provisional_queries_are_sampled_and_never_find_themselves(pairs):
    truth = provisional(pairs, np.ones(3000, dtype=bool), k=4, metric="cosine", rng=0)
    assert len(truth.relevance) == MAX_PROVISIONAL
    assert all(row not in facts for row, facts in zip(truth.exclude, truth.relevance, strict=True))
    assert all(len(facts) == 4 for facts in truth.relevance)
    again = provisional(pairs, np.ones(3000, dtype=bool), k=4, metric="cosine", rng=0)
    assert np.array_equal(again.exclude, truth.exclude)
    assert np.array_equal(truth.vectors.old_queries, pairs.x[truth.exclude])
