"""What holds for every measure of the room beyond the public contract."""

import numpy as np
import pytest

from isthmus.core.registry import methods

ROOM = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
PAIRED = [m for m in ROOM if m.card.spaces == 2]


def views(n=64, d=6):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5 + 0.3
    y = x @ rng.normal(size=(d, d)) + 0.4 * rng.normal(size=(n, d)) - 0.5
    return x, y


def sides(m, x, y):
    return (x,) if m.card.spaces == 1 else (x, y)


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_float32_half_and_integers_are_accepted(m):
    x, y = views()
    exact = float(m.call(*sides(m, x, y)))
    single = float(m.call(*sides(m, x.astype(np.float32), y.astype(np.float32))))
    assert single == pytest.approx(exact, rel=1e-3, abs=1e-3)
    half = float(m.call(*sides(m, x.astype(np.float16), y.astype(np.float16))))
    assert half == pytest.approx(exact, rel=0.1, abs=0.05)
    whole = [np.round(50 * a).astype(np.int32) for a in (x, y)]
    assert np.isfinite(float(m.call(*sides(m, *whole))))


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_chance_length_and_interval_agree_with_the_card(m):
    x, y = views()
    score = m.call(*sides(m, x, x + 0.3 * y if m.card.jointly else y))
    assert (score.length is not None) == m.card.metric
    assert score.n == 64
    if m.card.chance is not None:
        assert score.chance == m.card.chance
    if score.ci is not None:
        assert score.ci[0] <= score.value <= score.ci[1]
    if score.z is not None:
        assert score.z > 3
        assert score.p < 0.01


@pytest.mark.parametrize("m", PAIRED, ids=lambda m: m.name)
def test_an_object_with_both_sides_serves_as_pairs(m):
    class Both:
        x, y = views()

    assert float(m.call(Both())) == float(m.call(Both.x, Both.y))
