"""Where a bridge is wanted, a hub's file will do: spaces named, recognised, refused."""

import numpy as np
import pytest

import isthmus
from isthmus.bridges import UniversalSpace
from isthmus.bridges.hub_bridge import bridge_from, is_hub
from isthmus.core.errors import FormatError, InputError, SpaceMismatch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three spaces of 700 items, two of them equally wide; their hub, and a bridge."""
    folder = tmp_path_factory.mktemp("hub")
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(700, 6)) * np.geomspace(3, 0.5, 6)
    spaces = {}
    for name, d in (("a", 9), ("b", 9), ("c", 7)):
        turn = np.linalg.qr(rng.normal(size=(d, 6)))[0].T
        spaces[name] = latent @ turn + 0.02 * rng.normal(size=(700, d)) + rng.normal(size=d)
    hub = UniversalSpace().fit({s: isthmus.open(x) for s, x in spaces.items()})
    hub.save(folder / "hub.isthmus")
    hub.bridge("a", "b").save(folder / "bridge.isthmus")
    return folder, hub, spaces


def test_a_hub_is_told_from_a_bridge(made, tmp_path):
    folder, _, spaces = made
    assert is_hub(folder / "hub.isthmus")
    assert not is_hub(folder / "bridge.isthmus")
    one = bridge_from(folder / "bridge.isthmus", isthmus.open(spaces["a"]))
    assert one.source.dim == 9
    (tmp_path / "text").write_text("neither")
    with pytest.raises(FormatError):
        bridge_from(tmp_path / "text")
    with pytest.raises(InputError, match=r"names of spaces, c.*one bridge"):
        bridge_from(folder / "bridge.isthmus", isthmus.open(spaces["a"]), "c")


@pytest.mark.parametrize("pair", [("a", "c"), ("b", "c"), ("c", "a")])
def test_ends_by_name_and_by_their_vectors(made, pair):
    folder, hub, spaces = made
    wanted = hub.transform(spaces[pair[0]], *pair)
    there, here = (isthmus.open(spaces[name]) for name in pair)
    for ends in (pair, (there, pair[1]), (there, here)):
        bridge = bridge_from(folder / "hub.isthmus", *ends)
        np.testing.assert_array_equal(bridge.transform(spaces[pair[0]]), wanted)
        assert (bridge.confidence(spaces[pair[0]][:50]) > 0).all()
    assert bridge.scores == hub.direction_scores_[pair]


def test_a_declared_encoder_is_believed(made, tmp_path):
    _, _, spaces = made
    named = {s: isthmus.open(x, encoder=f"encoder-{s}") for s, x in spaces.items()}
    UniversalSpace().fit(named).save(tmp_path / "hub.isthmus")
    ten = isthmus.open(spaces["b"][:10], encoder="encoder-b")  # too few rows to tell by
    assert bridge_from(tmp_path / "hub.isthmus", ten, "a").source.encoder == "encoder-b"
    # Of a hub of two, there is but one other.
    two = UniversalSpace().fit({s: named[s] for s in "ac"})
    two.save(tmp_path / "two.isthmus")
    assert bridge_from(tmp_path / "two.isthmus", named["c"]).target.encoder == "encoder-a"


def test_refusals(made):
    folder, _, spaces = made
    path = folder / "hub.isthmus"
    turned = spaces["a"] @ np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))[0]
    for foreign in (turned, turned[:, :4]):
        with pytest.raises(SpaceMismatch, match=r"none of the hub's.*a \(dim 9\).*--add"):
            bridge_from(path, isthmus.open(foreign), "c")
    with pytest.raises(InputError, match=r"may be of a, b.*--from"):
        bridge_from(path, isthmus.open(spaces["a"][:10]), "c")
    with pytest.raises(InputError, match=r"--to z.*a, b, c"):
        bridge_from(path, "a", "z")
    with pytest.raises(InputError, match="no --to"):
        bridge_from(path, isthmus.open(spaces["a"]))
    with pytest.raises(InputError, match="another target: b, c"):
        bridge_from(path, isthmus.open(spaces["a"]), "a")
    with pytest.raises(InputError, match="none finite"):
        bridge_from(path, isthmus.open(np.full((20, 9), np.nan)), "c")
    # Named wrongly, it is the bridge that notices.
    with pytest.raises(SpaceMismatch, match="another encoder"):
        bridge_from(path, "b", "c").check(spaces["a"])
