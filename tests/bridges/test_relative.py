"""Relative representations: codes against a naive oracle, their invariance, and decoding."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Relative
from isthmus.bridges.relative import relative
from isthmus.core.errors import InputError


def oracle(x, anchors, similarity):
    codes = np.empty((len(x), len(anchors)))
    for i, row in enumerate(x):
        for j, anchor in enumerate(anchors):
            gap = row - anchor
            codes[i, j] = {
                "cosine": row @ anchor / (np.linalg.norm(row) * np.linalg.norm(anchor)),
                "euclidean": -np.linalg.norm(gap),
                "l1": -np.abs(gap).sum(),
                "linf": -np.abs(gap).max(),
            }[similarity]
    return codes


@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "l1", "linf"])
def test_codes_equal_the_oracle(similarity):
    rng = np.random.default_rng(0)
    x, anchors = rng.normal(size=(30, 5)) + 1, rng.normal(size=(7, 5))
    expected = oracle(x, anchors, similarity)
    np.testing.assert_allclose(relative(x, anchors, similarity=similarity), expected, atol=1e-12)
    tensor = relative(torch.asarray(x), torch.asarray(anchors), similarity=similarity)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-12)


def test_rotation_and_rescaling_do_not_change_cosine_codes(turned):
    x, _, q = turned
    codes = relative(x, x[:50])
    np.testing.assert_allclose(relative(3.7 * x @ q, 3.7 * x[:50] @ q), codes, atol=1e-12)
    assert np.abs(relative(x + 1, x[:50] + 1) - codes).max() > 1e-3


@pytest.mark.parametrize("similarity", ["euclidean", "l1", "linf"])
def test_distances_ignore_a_shift_instead(turned, similarity):
    x, _, _ = turned
    codes = relative(x, x[:20], similarity=similarity)
    moved = relative(x + 1, x[:20] + 1, similarity=similarity)
    np.testing.assert_allclose(moved, codes, atol=1e-7)


@pytest.mark.parametrize("sampler", ["uniform", "k_means", "farthest_point"])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean", "l1", "linf"])
def test_every_sampler_and_similarity_finds_partners(turned, sampler, similarity):
    x, _, q = turned
    y = x @ np.eye(6)[:, ::-1] if similarity in ("l1", "linf") else x @ q
    bridge = Relative(anchors=40, similarity=similarity, sampler=sampler).fit(x[:200], y[:200])
    # Largest gaps are far from linear in the vector, so a linear decoder loses more of them.
    assert bridge.score(x[200:], y[200:]) > (0.6 if similarity == "linf" else 0.9)
    assert bridge.source_anchors_.shape == (40, 6)


def test_cosine_decoding_is_the_inverse_relative_projection():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    bridge = Relative(anchors=20).fit(x, x @ q)
    anchors = bridge.target_anchors_ / np.linalg.norm(bridge.target_anchors_, axis=1)[:, None]
    expected = bridge.encode_source(x) @ np.linalg.pinv(anchors.T)
    np.testing.assert_allclose(bridge.transform(x), expected, atol=1e-4)


def test_zero_vectors_are_no_anchors_but_are_translated(turned):
    x, y, _ = turned
    x = x.copy()
    x[:150] = 0
    bridge = Relative(anchors=300).fit(x, y)
    assert len(bridge.source_anchors_) == 150
    assert np.isfinite(bridge.transform(x)).all()
    with pytest.raises(InputError, match="zero vectors"):
        Relative().fit(np.zeros((5, 3)), np.ones((5, 3)))


def test_norms_of_1e20_in_float32(turned):
    x, y, _ = turned
    big = (x * 1e20).astype(np.float32)
    fitted = Relative(anchors=50).fit(big, y.astype(np.float32))
    assert np.isfinite(fitted.transform(big)).all()


def test_refusals(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="one of cosine, euclidean, l1, linf"):
        relative(x, x[:3], similarity="dot")
    with pytest.raises(InputError, match="equal dims"):
        relative(x, x[:3, :2])
    with pytest.raises(InputError, match="one of farthest_point, k_means, uniform"):
        Relative(sampler="magic").fit(x, y)
