import numpy as np
import pytest

from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.core.neighbors import unit
from isthmus.upgrade.strategies import Vectors, routes, strategies


class End:
    """A fingerprint that knows its space by the sign of the first coordinate."""

    def __init__(self, dim, sign=0, encoder=None):
        self.dim, self.sign, self.encoder = dim, sign, encoder

    def matches(self, rows):
        return not self.sign or bool((np.sign(rows[:, 0]) == self.sign).all())


class Bridge:
    def __init__(self, weights, *, name="b", inverse=True, source=None, target=None):
        self.weights, self.name, self.has_inverse = weights, name, inverse
        self.source = source or End(weights.shape[0])
        self.target = target or End(weights.shape[1])
        self.holdout = None

    def transform(self, x):
        return x @ self.weights

    def inverse_transform(self, y):
        return y @ np.linalg.pinv(self.weights)


@pytest.fixture(scope="module")
def turned():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    old = rng.normal(size=(40, 5))
    old[:, 0] = np.abs(old[:, 0]) + 0.1
    return old, old @ turn, turn


def test_direction_follows_dims(turned):
    old, _, _ = turned
    wide = np.random.default_rng(1).normal(size=(5, 7))
    (ahead,) = routes(Bridge(wide), old, old @ wide)
    assert ahead.direction == "old to new"
    assert np.allclose(ahead.to_new(old), old @ wide)
    (back,) = routes(Bridge(wide), old @ wide, old)
    assert back.direction == "new to old"
    assert np.allclose(back.to_old(old), old @ wide)
    assert back.new.dim == 5


def test_direction_of_equal_dims_follows_fingerprints_then_encoders_then_fit(turned):
    old, new, turn = turned
    marked = Bridge(turn, source=End(5, sign=1))
    assert routes(marked, old, -np.abs(new))[0].forward
    assert not routes(marked, -np.abs(new), old)[0].forward
    named = Bridge(turn, source=End(5, encoder="A"), target=End(5, encoder="B"))
    assert routes(named, new, old, encoders=("A", "B"))[0].forward
    assert not routes(named, old, new, encoders=("B", "A"))[0].forward
    assert routes(Bridge(turn), old, new)[0].forward
    assert not routes(Bridge(turn), new, old)[0].forward


def test_a_bridge_of_other_spaces_is_refused_with_what_was_seen(turned):
    old, new, turn = turned
    with pytest.raises(SpaceMismatch, match="5 dimensions where the bridge has 9"):
        routes(Bridge(np.ones((9, 4))), old, new)
    with pytest.raises(SpaceMismatch, match="foreign"):
        routes(Bridge(turn, source=End(5, sign=1)), -old, -np.abs(new))
    with pytest.raises(SpaceMismatch, match="encoder 'C' where the bridge has 'A'"):
        routes(Bridge(turn, source=End(5, encoder="A")), old, new, encoders=("C", "C"))


def test_names_come_from_the_mapping_or_the_bridge_and_are_unique(turned):
    old, new, turn = turned
    bridge = Bridge(turn)
    assert [r.name for r in routes({"mine": bridge}, old, new)] == ["mine"]
    assert [r.name for r in routes([bridge, bridge], old, new)] == ["b", "b 2"]


@pytest.mark.parametrize("given", [[], {}, "old-to-new.isthmus", [object()]])
def test_what_is_no_bridge_is_refused(turned, given):
    old, new, _ = turned
    with pytest.raises(InputError):
        routes(given, old, new)


def table(bridges, vectors):
    opened = routes(bridges, vectors.old_documents, vectors.new_documents)
    return {s.name: s for s in strategies(opened, vectors)}


def test_every_strategy_compares_what_it_says(turned):
    old, new, turn = turned
    vectors = Vectors(old, new, new[:6], old[:6])
    found = table(Bridge(turn), vectors)
    sides = {
        "status quo": (old[:6], old, False),
        "naive swap": (new[:6], old, False),
        "b, corpus side": (new[:6], old @ turn, True),
        "b, query side": (new[:6] @ turn.T, old, False),
        "full re-embedding": (new[:6], new, True),
    }
    assert set(found) == {*sides, "b, fused"}
    for name, (queries, documents, in_new) in sides.items():
        assert np.allclose(found[name].queries(vectors), queries)
        assert np.allclose(found[name].documents(vectors), documents)
        assert found[name].in_new_space is in_new
        assert not found[name].impossible


def test_fused_is_halfway_between_the_directions_at_the_old_length(turned):
    old, new, _ = turned
    bridge = Bridge(np.linalg.qr(np.random.default_rng(5).normal(size=(5, 5)))[0])
    vectors = Vectors(old, new, new[:6], old[:6])
    fused = table(bridge, vectors)["b, fused"].queries(vectors)
    bridged = bridge.inverse_transform(new[:6])
    assert np.allclose((unit(fused) * unit(old[:6])).sum(1), (unit(fused) * unit(bridged)).sum(1))
    assert np.allclose(np.linalg.norm(fused, axis=1), np.linalg.norm(old[:6], axis=1))


def test_what_cannot_be_is_listed_with_its_reason(turned):
    old, _, _ = turned
    wide = np.random.default_rng(1).normal(size=(5, 7))
    vectors = Vectors(old, old @ wide, (old @ wide)[:4], None)
    found = table(Bridge(wide), vectors)
    assert found["status quo"].impossible == "needs old query vectors"
    assert found["b, fused"].impossible == "needs old query vectors"
    assert found["naive swap"].impossible == "7 against 5 dimensions"
    with pytest.raises(InputError):
        found["status quo"].queries(vectors)


def test_a_bridge_without_inverse_opens_one_side_only(turned):
    old, new, turn = turned
    vectors = Vectors(old, new, new[:4], old[:4])
    ahead = table(Bridge(turn, inverse=False), vectors)
    assert [s.kind for s in ahead.values() if s.bridge] == ["corpus side"]
    back = table(Bridge(turn.T, inverse=False), vectors)
    assert [s.kind for s in back.values() if s.bridge] == ["query side", "fused"]
