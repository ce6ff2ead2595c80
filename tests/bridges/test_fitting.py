"""``isthmus.fit`` with pairs by id, by number, or none; held-out pairs are never seen."""

import time

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError
from isthmus.evidence.corpora import digits


def test_pairs_by_number_equal_pairs_by_id(turned):
    x, y, _ = turned
    order = np.random.default_rng(0).permutation(300)
    ids = [f"r{k}" for k in range(300)]
    source = isthmus.open(x, ids=ids)
    target = isthmus.open(y[order], ids=[ids[k] for k in order])
    by_id = isthmus.fit(source, target, method="affine")
    place = np.argsort(order)
    by_number = isthmus.fit(source, target, pairs=(np.arange(300), place), method="affine")
    np.testing.assert_array_equal(by_id.transform(x), by_number.transform(x))
    assert by_number.pairs == by_id.pairs


def test_no_known_pair_asks_for_another_method(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="learns from them alone"):
        isthmus.fit(x, y, pairs=(), method="orthogonal")


def test_few_pairs_are_all_learnt_from(turned):
    x, y, _ = turned
    bridge = isthmus.fit(x, y, pairs=(range(8), range(8)), method="orthogonal")
    assert bridge.pairs == 8
    assert bridge.holdout is None
    assert not bridge.scores


def test_what_is_no_map_between_two_spaces_says_what_to_call(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match=r"Call isthmus\.bridges\.UniversalSpace itself"):
        isthmus.fit(x, y, method="universal_space")


def test_a_hub_file_is_no_bridge_file(turned, tmp_path):
    x, y, _ = turned
    hub = isthmus.bridges.UniversalSpace().fit({"a": x, "b": y})
    with pytest.raises(FormatError, match=r"UniversalSpace\.load"):
        isthmus.load(hub.save(tmp_path / "hub.isthmus"))


def test_where_nothing_is_chosen_a_budget_far_too_short_is_refused_soon():
    images, _ = digits()
    rng = np.random.default_rng(0)
    turned = rng.permutation(images @ np.linalg.qr(rng.normal(size=(64, 64)))[0])
    began = time.perf_counter()
    with pytest.raises(InputError, match=r"budget of 0\.05 s, where unpaired would take about"):
        isthmus.fit(images, turned, pairs=(), budget=0.05)
    assert time.perf_counter() - began < 20  # most of it for other processes
    with pytest.raises(InputError, match="method='auto', or no budget"):
        isthmus.fit(images, images, method="affine", budget=60)


def test_few_pairs_and_little_time_take_a_quicker_bridge_and_say_so():
    images, _ = digits()
    known = (range(5), range(5))
    bridge = isthmus.fit(images, images[:, ::-1], pairs=known, budget=0.3)
    assert bridge.name == "kernel_ridge"
    assert [name for name, _ in bridge.choice.skipped] == ["self_learning"]
    assert "self_learning not tried: about" in str(bridge)
    assert "kernel_ridge: the best within the budget" in str(bridge)
    assert isthmus.fit(images, images, pairs=known, budget=3600).choice is None
