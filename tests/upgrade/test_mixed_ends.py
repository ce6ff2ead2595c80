"""Ends: which way a bridge leads, strangers named, and mixed rows told against an oracle."""

from types import SimpleNamespace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.upgrade import mixed_ends
from isthmus.upgrade.mixed_ends import Ends, in_new_space

N, D = 900, 8


@pytest.fixture(scope="module")
def world():
    """Two spaces of one width that fingerprints tell apart, and the same rows in both."""
    x = np.random.default_rng(0).normal(size=(N, D)) * np.linspace(3, 0.1, D) + 1
    old, new = isthmus.open(x), isthmus.open(2 * x[:, ::-1])
    prints = old.fingerprint(), new.fingerprint()
    assert not prints[0].matches(new.vectors())
    return SimpleNamespace(old=old, new=new, pairs=isthmus.pair(old, new), prints=prints)


def leading(source, target, turn=None):
    return SimpleNamespace(source=source, target=target, transform=turn)


def test_a_bridge_leads_the_way_its_fingerprints_say(world):
    old, new = world.prints
    for bridge, forward in ((leading(old, new), True), (leading(new, old), False)):
        for spaces in ((world.old, world.new), (world.old, None), (None, world.new)):
            ends = Ends.of(bridge, *spaces)
            assert (ends.old, ends.new, ends.forward) == (old, new, forward)
        by_pairs = Ends.of(bridge, None, None, world.pairs)
        assert (by_pairs.bridge, by_pairs.forward) == (bridge, forward)


def test_without_a_bridge_the_ends_are_as_measured(world):
    ends = Ends.of(None, world.old, world.new, world.pairs)
    assert (ends.old, ends.new, ends.bridge, ends.forward) == (*world.prints, None, False)
    half = Ends.of(None, None, world.new)
    assert (half.old, half.new) == (None, world.prints[1])
    with pytest.raises(SpaceMismatch, match="reference's old rows: The vectors"):
        Ends.of(None, world.old, world.new, isthmus.pair(world.new, world.old))


def test_a_bridge_of_other_spaces_is_refused_with_both_reasons_and_the_cure(world):
    rng = np.random.default_rng(1)
    wide = isthmus.open(rng.normal(size=(300, D + 3)), encoder="wide")
    old, new = world.prints
    with pytest.raises(SpaceMismatch, match="the old part has 8 dimensions, not 11") as raised:
        Ends.of(leading(wide.fingerprint(), new), world.old, world.new)
    assert "new to old: the old part: The vectors" in str(raised.value)
    assert "isthmus.fit(new, old)" in raised.value.cure
    named = isthmus.open(wide.vectors(), encoder="else")
    with pytest.raises(SpaceMismatch, match="of encoder 'else', not 'wide'"):
        Ends.of(leading(wide.fingerprint(), new), named, world.new)
    # Right parts, but a reference of the wrong way round.
    with pytest.raises(SpaceMismatch, match="reference's old rows"):
        Ends.of(leading(old, new), world.old, world.new, isthmus.pair(world.new, world.old))


def test_where_either_way_fits_the_closer_translations_decide():
    # Round spaces look the same from every side: only what the bridge does tells its way.
    x = np.random.default_rng(2).normal(size=(60, 4))
    turn = np.eye(4)[[1, 2, 3, 0]]  # whose inverse is another map
    old, new = isthmus.open(x), isthmus.open(x @ turn)
    pairs = isthmus.pair(old, new)
    prints = old.fingerprint(), new.fingerprint()
    for matrix, forward in ((turn, True), (turn.T, False)):
        bridge = leading(*prints, lambda rows, m=matrix: rows @ m)
        assert Ends.of(bridge, old, new, pairs).forward is forward
        with pytest.raises(InputError, match="may lead either way") as raised:
            Ends.of(bridge, old, new)
        assert "reference=isthmus.pair(old, new)" in raised.value.cure
        with pytest.raises(InputError, match="may lead either way"):
            Ends.of(bridge, old, new, pairs.select(slice(0, 0)))


def test_rows_are_held_against_their_end_and_a_swap_is_said(world):
    ends = Ends(*world.prints, None, False)
    old, new = world.old.vectors(), world.new.vectors()
    ends.check(new, new=True, what="queries")
    ends.check(old, new=False, what="queries")
    for rows, side, there in ((old, True, "old"), (new, False, "new")):
        with pytest.raises(SpaceMismatch, match="queries: ") as raised:
            ends.check(rows, new=side, what="queries")
        assert raised.value.cure == f"They look like the {there} space's."
    with pytest.raises(SpaceMismatch, match="queries: The vectors have 3 dimensions") as raised:
        ends.check(np.ones((4, 3)), new=True, what="queries")
    assert raised.value.cure == ""
    Ends(None, world.prints[1], None, False).check(new, new=False, what="anything")


def naive(rows, old, new):
    def nearest(row, side):
        return max(row @ one / np.linalg.norm(row) / np.linalg.norm(one) for one in side)

    return [nearest(row, new) > nearest(row, old) for row in rows]


def test_mixed_rows_go_to_the_side_of_their_nearest_reference(monkeypatch):
    rng = np.random.default_rng(4)
    # Lengths differ a thousandfold: an inner product or a distance would tell otherwise.
    old, new = rng.normal(size=(20, 4)), 1000 * rng.normal(size=(20, 4))
    rows = rng.normal(size=(50, 4)) * rng.choice([0.01, 1, 100], size=(50, 1))
    pairs = isthmus.pair(isthmus.open(old), isthmus.open(new))
    monkeypatch.setattr(mixed_ends, "_BLOCK", 7)
    found = in_new_space(isthmus.open(rows), pairs)
    assert found.tolist() == naive(rows, old, new)
    assert 0 < found.sum() < 50
    same = isthmus.pair(isthmus.open(old), isthmus.open(old))
    assert not in_new_space(isthmus.open(old), same).any()  # a tie stays old


def test_what_cannot_be_told_is_refused():
    eye = isthmus.open(np.eye(3))
    pairs = isthmus.pair(eye, eye)
    with pytest.raises(InputError, match="a reference of 3 and 2 dimensions"):
        in_new_space(eye, isthmus.pair(eye, isthmus.open(np.eye(3)[:, :2])))
    with pytest.raises(InputError, match="expected 4 in either space"):
        in_new_space(isthmus.open(np.ones((2, 4))), pairs)
    with pytest.raises(InputError, match="non-empty"):
        in_new_space(eye, pairs.select(slice(0, 0)))
    spoilt = np.eye(3)
    spoilt[1, 1] = np.inf
    with pytest.raises(InputError, match="the mixed rows with NaN or infinity in 1 of 3"):
        in_new_space(isthmus.open(spoilt), pairs)
