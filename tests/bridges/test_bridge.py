"""Bridges know their ends, their direction and their proof; files bring all of it back."""

import json

import numpy as np
import pytest

import isthmus
from isthmus.bridges import Orthogonal
from isthmus.bridges.bridge import Bridge
from isthmus.core import registry
from isthmus.core.errors import (
    FormatError,
    InputError,
    NoRelationFound,
    PairingError,
    SpaceMismatch,
)
from isthmus.spaces.fingerprint import Fingerprint


@pytest.fixture
def spaces():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(1000, 8)) * np.geomspace(3, 0.2, 8)
    ids = [f"doc{i}" for i in range(1000)]
    x = hidden @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.5
    y = hidden @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.05 * rng.normal(size=(1000, 8))
    return (
        isthmus.open(x, ids=ids, encoder="old", name="old"),
        isthmus.open(y[::-1].copy(), ids=ids[::-1], encoder="new", name="new"),
    )


def test_fit_pairs_by_id_and_proves_on_held_out_pairs(spaces):
    bridge = isthmus.fit(*spaces)
    assert bridge.name == bridge.choice.chosen == "orthogonal"
    assert bridge.scores["mrr"].value > 0.9
    assert bridge.scores["mrr"].n + bridge.pairs == 1000
    assert bridge.holdout == {"test": 0.2, "seed": 0}
    assert "old -> new" in repr(bridge)
    json.dumps(bridge.as_dict())


@pytest.mark.parametrize("method", ["orthogonal", "affine", "low_rank", "low-rank", "relative"])
def test_every_method_by_name(spaces, method):
    bridge = isthmus.fit(*spaces, method=method)
    assert bridge.choice is None
    assert bridge.scores["top1"].value > (0.3 if method == "relative" else 0.5)


def test_the_held_out_side_never_takes_part(spaces):
    bridge = isthmus.fit(*spaces, method="orthogonal")
    train, _ = isthmus.pair(*spaces).split(**bridge.holdout)
    expected = Orthogonal().fit(train.x, train.y)
    np.testing.assert_allclose(bridge.map.coef_, expected.coef_, atol=1e-9)


def test_one_vector_at_a_time(spaces):
    old, _ = spaces
    for method in ("orthogonal", "relative"):
        bridge = isthmus.fit(*spaces, method=method)
        for dtype in (np.float32, np.float64):
            rows = old.vectors()[:5].astype(dtype)
            one = np.stack([bridge(row) for row in rows])
            assert one.dtype == dtype
            np.testing.assert_allclose(one, bridge.transform(rows), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"shape \(8,\)"):
        bridge(np.zeros(7))
    with pytest.raises(InputError, match="NaN or infinity"):
        isthmus.fit(*spaces, method="affine")(np.array([np.nan] + [0.0] * 7))


def test_blocks_are_translated_like_rows(spaces):
    bridge = isthmus.fit(*spaces, method="affine")
    rows = spaces[0].vectors()[:50]
    np.testing.assert_allclose(bridge.transform_block(rows), bridge.transform(rows), atol=1e-12)


def test_backwards_and_foreign_vectors_are_refused(spaces):
    old, new = spaces
    bridge = isthmus.fit(*spaces)
    bridge.check(old.vectors()[:200])
    with pytest.raises(SpaceMismatch, match="backwards"):
        bridge.check(new.vectors()[:200])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    with pytest.raises(SpaceMismatch, match="Fit a bridge for the space"):
        bridge.check(old.vectors()[:200] @ turn)
    with pytest.raises(SpaceMismatch, match="backwards"):
        bridge.check(old.vectors()[:200], encoder="new")
    with pytest.raises(SpaceMismatch, match="dimensions"):
        bridge.check(np.ones((200, 5)))


def test_shuffled_rows_raise_and_few_pairs_do_not(spaces):
    old, new = spaces
    with pytest.raises(NoRelationFound):
        isthmus.fit(old.vectors(), new.vectors(), method="orthogonal")
    few = isthmus.fit(old.vectors()[:6], old.vectors()[:6], method="orthogonal")
    assert few.holdout is None
    assert few.scores == {}


def test_bad_parameters_are_named(spaces):
    with pytest.raises(InputError, match="some of: scale"):
        isthmus.fit(*spaces, method="orthogonal", speed=3)
    with pytest.raises(InputError, match="no parameters"):
        isthmus.fit(*spaces, scale=True)
    with pytest.raises(PairingError):
        isthmus.fit(spaces[0], isthmus.open(np.ones((3, 2)), ids=["x", "y", "z"]))


def test_no_inverse_is_said(spaces):
    bridge = isthmus.fit(*spaces, method="relative")
    assert not bridge.has_inverse
    with pytest.raises(InputError, match="other way round"):
        bridge.inverse_transform(spaces[1].vectors())


@pytest.mark.parametrize("method", ["orthogonal", "relative", "low_rank"])
def test_files_bring_everything_back(spaces, method, tmp_path):
    bridge = isthmus.fit(*spaces, method=method)
    path = bridge.save(tmp_path / "b.isthmus")
    again = isthmus.load(path)
    assert again.as_dict() == bridge.as_dict()
    assert again.source == bridge.source
    rows = spaces[0].vectors()[:20]
    np.testing.assert_array_equal(again.transform(rows), bridge.transform(rows))
    assert [p.name for p in tmp_path.iterdir()] == ["b.isthmus"]


def test_a_file_whose_arrays_do_not_fit_each_other_is_refused(spaces, tmp_path):
    from isthmus.bridges import file

    bridge = isthmus.fit(*spaces, method="orthogonal")
    path = bridge.save(tmp_path / "b.isthmus")
    description, arrays = file.read(path)
    del description["format"], description["crc32"]
    for change in (
        {"coef_": np.zeros((8, 7))},
        {"coef_": np.zeros(8)},
        {"extra_": np.zeros(3)},
        {"intercept_": np.zeros((8, 8))},
    ):
        file.write(path, description, {**arrays, **change})
        with pytest.raises(FormatError):
            isthmus.load(path)
    for key, value in {
        "method": "magic", "params": {"colour": 1}, "fitted": {}, "source": {}, "scores": [],
        "holdout": {"test": "x"}, "pairs": "many",
    }.items():  # fmt: skip
        file.write(path, {**description, key: value}, arrays)
        with pytest.raises((FormatError, InputError)):
            isthmus.load(path)


def test_a_bridge_is_made_of_its_parts(spaces):
    old, new = spaces
    x, y = old.vectors(), new.vectors()[::-1]
    bridge = Bridge(
        Orthogonal().fit(x, y), source=old.fingerprint(), target=new.fingerprint(), pairs=1000
    )
    assert bridge.scores == {}
    assert bridge.transform(x).shape == y.shape


def test_its_translations_are_recognised():
    rng = np.random.default_rng(4)
    x = rng.exponential(size=(3000, 24)) @ (rng.normal(size=(24, 24)) * np.geomspace(3, 0.3, 24))
    y = x @ np.linalg.qr(rng.normal(size=(24, 24)))[0] + 4 * rng.normal(size=(3000, 24))
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    fitted = isthmus.fit(x[:2000], y[:2000], method="affine")
    moved = fitted.transform(x[2000:])
    assert not fitted.target.matches(moved).ok  # its translations are not of unit length
    image = fitted.image()
    assert image.matches(moved).ok
    assert not image.matches(moved @ np.linalg.qr(rng.normal(size=(24, 24)))[0]).ok
    fitted.familiarity = None
    assert fitted.image() is None


def test_the_score_is_that_of_its_map(spaces):
    bridge = isthmus.fit(*spaces, method="affine")
    x, y = (side[:90] for side in (isthmus.pair(*spaces).x, isthmus.pair(*spaces).y))
    y = y + np.random.default_rng(2).normal(size=y.shape)
    found = bridge.score(x[:50], y)
    assert type(found) is float
    assert found == bridge.map.score(x[:50], y)
    assert found < bridge.score(x[:50], y[:50])  # 40 more stand in the way


def _bridge(name, x, y, **params):
    fitted = registry.method("bridges", name).call(**params).fit(x, y)
    ends = {"source": Fingerprint.of(x), "target": Fingerprint.of(y)}
    return Bridge(fitted, **ends, pairs=len(x))


@pytest.mark.parametrize(
    ("name", "filled"),
    [(name, "dropped") for name in ("affine", "canonical", "low_rank")]
    + [(name, "kept and turned") for name in ("givens", "householder", "orthogonal")],
)
def test_directions_in_no_pair_are_filled_as_the_text_says(name, filled):
    """Measured: the length that a step within the pairs' span keeps, and one at right angles."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 32))
    y = x @ np.linalg.qr(rng.normal(size=(32, 32)))[0] + 0.1 * rng.normal(size=x.shape)
    bridge = _bridge(name, x, y, **dict(registry.method("bridges", name).card.quick))
    assert "at least 9 of 32 source directions lie in no known pair" in str(bridge)
    assert f"these are {filled}" in str(bridge)
    mean = x.mean(axis=0)
    axes = np.linalg.svd(x - mean)[2]
    moved = bridge.transform(mean + axes) - bridge.transform(mean[None])
    kept = np.linalg.norm(moved, axis=1)
    assert kept[:23].mean() > 0.5
    if filled == "dropped":
        assert kept[23:].max() < 1e-6
    else:
        np.testing.assert_allclose(kept[23:], 1, atol=0.1)


def test_the_text_says_nothing_of_directions_where_pairs_reach_all_and_something_of_any_method():
    x = np.random.default_rng(1).normal(size=(20, 6))
    assert "in no known pair" not in str(_bridge("orthogonal", x[:7], x[:7]))
    assert "at least 1 of 6 source" in str(_bridge("orthogonal", x[:6], x[:6]))
    assert "left to the method's own form" in str(_bridge("kernel_ridge", x[:5], x[:5]))
