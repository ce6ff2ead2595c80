import numpy as np
import pytest
import torch
from scipy.integrate import quad

from isthmus.core.errors import InputError
from isthmus.measures import position_context


def states(contexts=50, tokens=12, d=7, seed=0):
    rng = np.random.default_rng(seed)
    places, texts = rng.normal(size=(tokens, 2)), rng.normal(size=(contexts, 3))
    layer = 0.3 * rng.normal(size=(contexts, tokens, d)) + rng.normal(size=d)
    layer[:, :, :2] += places
    layer[:, :, 2:5] += texts[:, None]
    return layer


def test_equals_the_means_one_by_one_and_adds_up():
    layer = states(9, 4, 5)
    score = position_context(layer)
    p = score.parts
    mean = sum(layer[c, t] for c in range(9) for t in range(4)) / 36
    cosines = []
    for t in range(4):
        place = sum(layer[c, t] for c in range(9)) / 9 - mean
        assert p["position"][t] == pytest.approx(place, abs=1e-12)
        for c in range(9):
            text = sum(layer[c, s] for s in range(4)) / 4 - mean
            assert p["context"][c] == pytest.approx(text, abs=1e-12)
            cosines.append(abs(place @ text) / np.linalg.norm(place) / np.linalg.norm(text))
            whole = p["mean"] + p["position"][t] + p["context"][c] + p["residual"][c, t]
            assert whole == pytest.approx(layer[c, t], abs=1e-12)
    assert score.value == pytest.approx(np.mean(cosines), abs=1e-12)
    spread = np.sum((layer - mean) ** 2)
    assert p["shares"][0] == pytest.approx(9 * np.sum(p["position"] ** 2) / spread)
    assert p["shares"].sum() == pytest.approx(1)
    assert score.ci is None


def test_finds_ranks_and_orthogonal_parts():
    layer = states(200)
    score = position_context(layer)
    assert (score.parts["position_rank"], score.parts["context_rank"]) == (2, 3)
    assert score.parts["position_held"][1] > 0.95 > score.parts["position_held"][0]
    assert score.value < score.chance / 2
    assert "nearly orthogonal" in score.warnings[0]
    assert score.ci[0] < score.value < score.ci[1]
    # The same axes for both parts are not orthogonal.
    mixed = layer.copy()
    mixed[:, :, :2] += mixed[:, :, 2:4].mean(axis=1, keepdims=True) * 5
    assert position_context(mixed).value > 3 * score.value


@pytest.mark.parametrize("d", [2, 3, 10])
def test_chance_is_the_mean_cosine_of_random_directions(d):
    top = quad(lambda a: abs(np.cos(a)) * np.sin(a) ** (d - 2), 0, np.pi)[0]
    whole = quad(lambda a: np.sin(a) ** (d - 2), 0, np.pi)[0]
    assert position_context(states(d=10)[:, :, :d]).chance == pytest.approx(top / whole)


def test_interval_covers_the_value_of_many_contexts():
    """Where the parts share axes; where they are orthogonal, noise reads as an angle."""
    layer = states(2000, seed=99)[:, :, :3]
    truth = position_context(layer).value
    hits = []
    for seed in range(40):
        picked = np.random.default_rng(seed).choice(2000, 80, replace=False)
        low, high = position_context(layer[picked]).ci
        hits.append(low <= truth <= high)
    assert np.mean(hits) > 0.8


def test_invariances_and_kinds():
    layer = states()
    value = position_context(layer).value
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    assert position_context(3 * layer @ turn + 5).value == pytest.approx(value, abs=1e-10)
    assert position_context(layer[::-1, ::-1]).value == pytest.approx(value, abs=1e-10)
    assert position_context(torch.asarray(layer)).value == pytest.approx(value, abs=1e-12)
    assert position_context(layer.tolist()).value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "bad",
    [
        np.ones((4, 3)),
        np.ones((1, 3, 2)),
        np.ones((4, 3, 2)),
        np.full((4, 3, 2), np.inf),
        np.ones((4, 3, 2)) * np.arange(3)[:, None],
    ],
)
def test_bad_input(bad):
    with pytest.raises(InputError, match="position_context"):
        position_context(bad)
