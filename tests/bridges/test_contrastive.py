"""Contrastive bridge: its losses against formulas, retrieval, zero-shot classes, refusals."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Contrastive
from isthmus.bridges.contrastive import clip_loss
from isthmus.bridges.gap_report import gap_report
from isthmus.bridges.joint_space import cross_entropy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks


@pytest.fixture(scope="module")
def spaces():
    """Two mixes of five hidden causes, each with noise of its own."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 5))
    x = hidden @ rng.normal(size=(5, 8)) + 0.1 * rng.normal(size=(400, 8))
    y = hidden @ rng.normal(size=(5, 6)) + 0.1 * rng.normal(size=(400, 6))
    return x, y


@pytest.fixture(scope="module")
def fitted(spaces):
    x, y = spaces
    return Contrastive(dim=16, steps=100, batch=128).fit(x[:300], y[:300])


def test_loss_is_torchs_cross_entropy_both_ways():
    rng = np.random.default_rng(1)
    u, v = (torch.tensor(rng.normal(size=(20, 4))) for _ in range(2))
    scores, truth = u @ v.T / 0.3, torch.arange(20)
    cross = torch.nn.functional.cross_entropy
    expected = (cross(scores, truth) + cross(scores.T, truth)) / 2
    assert float(clip_loss(u, v, temperature=0.3)) == pytest.approx(float(expected))
    assert float(cross_entropy(scores)) == pytest.approx(float(cross(scores, truth)))


def test_further_terms_equal_their_formulas():
    rng = np.random.default_rng(2)
    u, v = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in rng.normal(size=(2, 12, 4)))
    plain = float(clip_loss(u, v))

    def potential(a, b):
        gaps = [[np.sum((p - q) ** 2) for q in b] for p in a]
        return np.log(np.exp(-2 * np.array(gaps))[~np.eye(12, dtype=bool)].mean())

    spread = (potential(u, u) + potential(v, v)) / 2 + potential(u, v)
    assert float(clip_loss(u, v, uniform=0.7)) == pytest.approx(plain + 0.7 * spread)
    near = np.mean(np.sum((u - v) ** 2, axis=1))
    assert float(clip_loss(u, v, align=0.3)) == pytest.approx(plain + 0.3 * near)


def test_partners_find_each_other_in_the_joint_space(spaces, fitted):
    x, y = (side[300:] for side in spaces)
    u, v = fitted.encode_source(x), fitted.encode_target(y)
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1, atol=1e-12)
    assert np.mean(1 / partner_ranks(u, v)) > 0.9
    assert np.mean(1 / partner_ranks(u, v[::-1])) < 0.1
    untrained = Contrastive(dim=16, steps=0).fit(*(side[:300] for side in spaces))
    ranks = partner_ranks(untrained.encode_source(x), untrained.encode_target(y))
    assert np.mean(1 / ranks) < 0.3


def test_the_alignment_term_draws_partners_together(spaces):
    x, y = (side[:100] for side in spaces)
    plain, near = (
        gap_report(bridge.encode_source(x), bridge.encode_target(y))
        for bridge in (Contrastive(dim=8, steps=60, align=a).fit(x, y) for a in (0.0, 5.0))
    )
    assert near.alignment.value < 0.8 * plain.alignment.value


def test_mixtures_change_the_fit_and_stay_reproducible(spaces):
    x, y = spaces
    one, two = (Contrastive(dim=4, steps=20, mix=1.0, rng=3).fit(x, y) for _ in range(2))
    plain = Contrastive(dim=4, steps=20, rng=3).fit(x, y)
    np.testing.assert_array_equal(one.source_weights_, two.source_weights_)
    assert np.abs(one.source_weights_ - plain.source_weights_).max() > 1e-6


def test_hidden_layers_cross_what_no_line_does():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 3))
    y = np.abs(x) + 0.05 * rng.normal(size=(400, 3))
    found = []
    for hidden in (0, 48):
        bridge = Contrastive(dim=8, hidden=hidden, steps=120, batch=100).fit(x[:300], y[:300])
        codes = bridge.encode_source(x[300:]), bridge.encode_target(y[300:])
        found.append(np.mean(1 / partner_ranks(*codes)))
    assert found[1] > 2 * found[0]


def test_zero_shot_classes_are_their_prompts_mean_direction(spaces, fitted):
    x, y = spaces
    prompts = [y[i : i + 3] for i in (300, 310, 320)]
    codes = [fitted.encode_target(p).mean(axis=0) for p in prompts]
    classes = np.array([code / np.linalg.norm(code) for code in codes])
    scores = fitted.encode_source(x) @ classes.T / 0.07
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.zero_shot(x, prompts), expected, atol=1e-10)
    own = fitted.zero_shot(x[[300, 310, 320]], [y[[i]] for i in (300, 310, 320)])
    assert own.argmax(axis=1).tolist() == [0, 1, 2]
    narrow = fitted.zero_shot(torch.tensor(x, dtype=torch.float32), prompts)
    assert narrow.dtype == torch.float32


def test_refusals(spaces, fitted):
    x, y = spaces
    with pytest.raises(InputError, match="1 classes"):
        fitted.zero_shot(x, [y[:2]])
    with pytest.raises(InputError, match="6 columns as fitted"):
        fitted.encode_target(y[:, :3])
    for wrong in ({"dim": 0}, {"hidden": -1}, {"batch": 1}, {"steps": -1}):
        with pytest.raises(InputError, match="dim >= 1"):
            Contrastive(**wrong).fit(x, y)
