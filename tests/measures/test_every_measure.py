"""What holds for every measure of the room, from its card."""

import array_api_strict
import numpy as np
import pytest

from isthmus.core.card import GROUPS
from isthmus.core.registry import methods

ROOM = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
PAIRED = [m for m in ROOM if m.card.spaces == 2]
SINGLE = [m for m in ROOM if m.card.spaces == 1]


def views(n=64, d=6):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5 + 0.3
    y = x @ rng.normal(size=(d, d)) + 0.4 * rng.normal(size=(n, d)) - 0.5
    return x, y


def act(group, x):
    """``x`` under one fixed, clearly nontrivial element of the group."""
    n, d = x.shape
    rng = np.random.default_rng(11)
    linear = rng.normal(size=(d, d)) + 2 * np.eye(d)
    return {
        "permutation": lambda: x[:, np.roll(np.arange(d), 1)],
        "orthogonal": lambda: x @ np.linalg.qr(rng.normal(size=(d, d)))[0],
        "isotropic_scale": lambda: 7.3 * x,
        "axis_scale": lambda: x * np.geomspace(0.2, 5, d),
        "row_scale": lambda: x * rng.uniform(0.2, 5, size=(n, 1)),
        "translation": lambda: x + 3 * rng.normal(size=d),
        "invertible_linear": lambda: x @ linear,
        "affine": lambda: x @ linear + 3 * rng.normal(size=d),
    }[group]()


def sides(m, x, y):
    return (x,) if m.card.spaces == 1 else (x, y)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_declared_groups_change_nothing_and_all_others_do(m, group):
    x, y = views()
    before = float(m.call(*sides(m, x, y)))
    moved = [(act(group, x), act(group, y) if m.card.jointly else y, False)]
    if m.card.spaces == 2 and not m.card.jointly:
        moved.append((x, act(group, y), True))
    for a, b, target in moved:
        change = abs(float(m.call(*sides(m, a, b))) - before)
        if m.card.declares(group, target=target):
            assert change < 1e-8
        else:
            assert change > 1e-6


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_every_kind_of_array_gives_the_same_score(m):
    torch = pytest.importorskip("torch")
    x, y = views()
    expected = m.call(*sides(m, x, y))
    kinds = [
        [torch.from_numpy(a) for a in (x, y)],
        [array_api_strict.asarray(a) for a in (x, y)],
        [np.asfortranarray(a) for a in (x, y)],
        [a.astype(">f8") for a in (x, y)],
        [np.repeat(a, 2, axis=0)[::2] for a in (x, y)],
    ]
    for a, b in kinds:
        score = m.call(*sides(m, a, b))
        assert float(score) == pytest.approx(float(expected), abs=1e-9)
        assert score.ci is None or score.ci == pytest.approx(expected.ci, abs=1e-8)
        assert isinstance(score.value, float)


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_row_order_does_not_matter(m):
    x, y = views()
    order = np.random.default_rng(0).permutation(len(x))
    score, mixed = m.call(*sides(m, x, y)), m.call(*sides(m, x[order], y[order]))
    assert float(mixed) == pytest.approx(float(score), abs=1e-9)
    assert score.ci is None or mixed.ci == pytest.approx(score.ci, abs=1e-8)
    assert score.z is None or mixed.z == pytest.approx(score.z, rel=1e-8)


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


@pytest.mark.parametrize("m", PAIRED, ids=lambda m: m.name)
def test_identical_and_symmetric_as_declared(m):
    x, y = views()
    if m.card.identical is not None:
        assert float(m.call(x, x)) == pytest.approx(m.card.identical, abs=1e-9)
    there, back = float(m.call(x, y)), float(m.call(y, x))
    assert (abs(there - back) < 1e-9) == m.card.symmetric


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


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_inputs_are_left_alone(m):
    x, y = views()
    before = x.copy(), y.copy()
    m.call(*sides(m, x, y))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize("m", PAIRED, ids=lambda m: m.name)
def test_an_object_with_both_sides_serves_as_pairs(m):
    class Both:
        x, y = views()

    assert float(m.call(Both())) == float(m.call(Both.x, Both.y))
