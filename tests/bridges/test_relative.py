"""Relative bridges: decoding, frames, anchors that cannot be used, and what is refused."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Relative
from isthmus.bridges.bridge import Bridge, load
from isthmus.bridges.similarities import SIMILARITIES, relative
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.registry import Method
from isthmus.spaces.fingerprint import Fingerprint


@pytest.mark.parametrize("sampler", ["uniform", "k_means", "farthest_point"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_sampler_and_similarity_finds_partners(turned, sampler, similarity):
    x, _, q = turned
    y = x @ np.eye(6)[:, ::-1] if similarity in ("l1", "linf") else x @ q
    bridge = Relative(anchors=40, similarity=similarity, sampler=sampler).fit(x[:200], y[:200])
    # Largest gaps are far from linear in the vector, so a linear decoder loses more of them.
    assert bridge.score(x[200:], y[200:]) > (0.6 if similarity == "linf" else 0.9)
    assert bridge.source_anchors_.shape == (40, 6)


@pytest.mark.parametrize("decoder", ["ridge", "inverse"])
def test_cosine_decoding_is_the_inverse_relative_projection(decoder):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    bridge = Relative(anchors=20, decoder=decoder).fit(x, x @ q)
    anchors = bridge.target_anchors_ / np.linalg.norm(bridge.target_anchors_, axis=1)[:, None]
    expected = bridge.encode_source(x) @ np.linalg.pinv(anchors.T)
    atol = 1e-4 if decoder == "ridge" else 1e-12
    np.testing.assert_allclose(bridge.transform(x), expected, atol=atol)


def test_the_inverse_knows_the_target_by_its_anchors_alone(turned):
    x, y, _ = turned
    y = y + 0.1 * np.random.default_rng(0).normal(size=y.shape)
    given = Relative(anchors=50, decoder="inverse").fit(x, y)
    other = y.copy()
    kept = (y[:, None] == given.target_anchors_).all(axis=2).any(axis=1)
    assert kept.sum() == 50
    other[~kept] = other[~kept][::-1]
    again = Relative(anchors=50, decoder="inverse").fit(x, other)
    np.testing.assert_array_equal(again.decoder_, given.decoder_)
    assert np.abs(Relative(anchors=50).fit(x, other).decoder_ - Relative(anchors=50).fit(x, y)
                  .decoder_).max() > 1e-3  # fmt: skip


@pytest.mark.parametrize("option", ["centre", "standardise"])
def test_frames_undo_shifts_and_standardising_axis_scales_too(turned, option):
    x, _, q = turned
    y = 3.0 * x @ q + 50.0 if option == "centre" else x * np.geomspace(0.1, 10, 6) - 4.0
    plain, inside = (Relative(anchors=50, **given).fit(x, y) for given in ({}, {option: True}))
    np.testing.assert_allclose(inside.encode_target(y), inside.encode_source(x), atol=1e-10)
    assert np.abs(plain.encode_source(x) - plain.encode_target(y)).max() > 0.3
    # A decoded direction counts from the target's mean, in the target's own units.
    units = y.std(axis=0) if option == "standardise" else 1.0
    found, truth = (unit((rows - y.mean(axis=0)) / units) for rows in (inside.transform(x), y))
    np.testing.assert_allclose(found, truth, atol=1e-3)


def test_codes_are_those_of_the_frame(turned):
    x, y, _ = turned
    bridge = Relative(anchors=30, standardise=True, top=4, power=3).fit(x, y)
    mean, spread = y.mean(axis=0), y.std(axis=0)
    expected = relative(
        (y - mean) / spread, (bridge.target_anchors_ - mean) / spread, top=4, power=3
    )
    np.testing.assert_allclose(bridge.encode_target(y), expected, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [{"similarity": "kernel"}, {"standardise": True}, {"top": 5, "power": 2.0, "centre": True},
     {"similarity": "linf", "centre": True}, {"decoder": "inverse"}],
    ids=str,
)  # fmt: skip
def test_every_option_survives_a_file_and_other_arrays(turned, options, tmp_path):
    x, y, _ = turned
    fitted = Relative(anchors=30, **options).fit(x, y)
    bridge = Bridge(fitted, source=Fingerprint.of(x), target=Fingerprint.of(y), pairs=300)
    again = load(bridge.save(tmp_path / "saved.isthmus"))
    np.testing.assert_array_equal(again.transform(x), bridge.transform(x))
    assert again.map.get_params() == fitted.get_params()
    tensor = fitted.transform(torch.asarray(x))
    np.testing.assert_allclose(tensor.numpy(), fitted.transform(x), atol=1e-10)
    parts = np.concatenate([fitted.transform(x[i : i + 7]) for i in range(0, 300, 7)])
    np.testing.assert_allclose(parts, fitted.transform(x), atol=1e-10)
    assert fitted.transform(x.astype(np.float32)).dtype == np.float32


def test_zero_vectors_are_no_anchors_but_are_translated(turned):
    x, y, _ = turned
    x = x.copy()
    x[:150] = 0
    bridge = Relative(anchors=300).fit(x, y)
    assert len(bridge.source_anchors_) == 150
    assert np.isfinite(bridge.transform(x)).all()
    with pytest.raises(InputError, match="zero vectors"):
        Relative().fit(np.zeros((5, 3)), np.ones((5, 3)))
    with pytest.raises(InputError, match="zero vectors"):
        Relative(centre=True).fit(np.ones((5, 3)), np.random.default_rng(0).normal(size=(5, 3)))


@pytest.mark.parametrize("sampler", ["uniform", "k_means", "farthest_point"])
def test_copies_of_a_row_are_one_anchor(turned, sampler):
    x, y, _ = turned
    rows = np.repeat(np.arange(20), 15)
    bridge = Relative(anchors=100, sampler=sampler).fit(x[rows], y[rows])
    assert len(np.unique(bridge.source_anchors_, axis=0)) == len(bridge.source_anchors_) == 20
    assert np.isfinite(bridge.transform(x)).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_two_pairs_are_all_the_anchors_there_are(similarity):
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    bridge = Relative(similarity=similarity).fit(x, y)
    assert bridge.source_anchors_.shape == (2, 2)
    assert np.isfinite(bridge.transform(x)).all()


def test_norms_of_1e20_in_float32(turned):
    x, y, _ = turned
    big = (x * 1e20).astype(np.float32)
    fitted = Relative(anchors=50).fit(big, y.astype(np.float32))
    assert np.isfinite(fitted.transform(big)).all()


def test_a_sampler_of_more_than_rows_is_refused(turned, monkeypatch):
    from isthmus.core import registry

    card = Card(
        name="by_label", summary="Anchors by label.", paper=Paper("None", "Nobody", 2000),
        spaces=1, given=("labels",), cost="n", memory="n",
    )  # fmt: skip
    found = Method("anchors", card, lambda x, labels, count, rng: None)
    monkeypatch.setitem(registry._METHODS, ("anchors", "by_label"), found)
    x, y, _ = turned
    with pytest.raises(InputError, match="more than one space's rows"):
        Relative(sampler="by_label").fit(x, y)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"similarity": "dot"}, "one of cosine, angular"),
        ({"sampler": "magic"}, "one of .*farthest_point, .*k_means.*, .*uniform"),
        ({"anchors": 0}, "at least 1"),
        ({"anchors": 2.5}, "a whole number"),
        ({"similarity": "l1", "top": 3}, "farthest anchors"),
        ({"decoder": "network"}, "ridge or inverse"),
        ({"decoder": "inverse", "similarity": "l1"}, "without top and power"),
        ({"decoder": "inverse", "top": 3}, "without top and power"),
    ],
)
def test_refused_parameters(turned, options, says):
    x, y, _ = turned
    with pytest.raises(InputError, match=says):
        Relative(**options).fit(x, y)


def test_codes_of_a_wrong_width_are_refused(turned):
    x, y, _ = turned
    bridge = Relative(anchors=20).fit(x, y[:, :4])
    with pytest.raises(InputError, match="4 columns, the target's dims"):
        bridge.encode_target(y)
    with pytest.raises(InputError, match="6 columns, the source's dims"):
        bridge.encode_source(y[:, :4])


def test_unrelated_pairs_are_not_found(turned):
    x, y, _ = turned
    shuffled = y[np.random.default_rng(0).permutation(300)]
    assert Relative(anchors=40).fit(x[:200], shuffled[:200]).score(x[200:], shuffled[200:]) < 0.2
