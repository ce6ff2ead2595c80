"""Co-occurrence bridge: which negatives are mined, its loss by hand, retrieval, refusals."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Cooccurrence
from isthmus.bridges.cooccurrence import mined
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks


@pytest.fixture(scope="module")
def spaces():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(250, 4))
    x = hidden @ rng.normal(size=(4, 7)) + 0.1 * rng.normal(size=(250, 7))
    return x, hidden @ rng.normal(size=(4, 5)) + 0.1 * rng.normal(size=(250, 5))


@pytest.mark.parametrize(("hardness", "rank"), [(0.0, -1), (1.0, 0), (0.5, 9), (0.75, 4)])
def test_hardness_is_a_rank_among_the_others(hardness, rank):
    squares = torch.tensor(np.random.default_rng(1).random((20, 20)))
    squares.fill_diagonal_(0.0)  # partners are nearest and never their own negatives
    for i, found in enumerate(mined(torch, squares, hardness).tolist()):
        others = [j for j in np.argsort(squares[i].numpy()) if j != i]
        assert found == others[rank]


def test_loss_by_hand():
    rng = np.random.default_rng(2)
    u, v = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in rng.normal(size=(2, 8, 3)))
    bridge = Cooccurrence(start=1.0, end=1.0, margin=1.2)
    gaps = np.linalg.norm(u[:, None] - v[None], axis=2)
    others = gaps + 9 * np.eye(8)
    hinge = [np.maximum(1.2 - near, 0) ** 2 for near in (others.min(axis=1), others.min(axis=0))]
    expected = np.mean(np.diag(gaps) ** 2) + np.mean(hinge)
    found = bridge.loss(torch, torch.tensor(u), torch.tensor(v), 0, rng)
    assert float(found) == pytest.approx(expected)


def test_hardness_rises_from_start_to_end():
    rng = np.random.default_rng(3)
    u, v = (
        torch.nn.functional.normalize(torch.tensor(s), dim=1) for s in rng.normal(size=(2, 30, 3))
    )
    bridge = Cooccurrence(start=0.0, end=1.0, steps=11, margin=1.5)
    losses = [float(bridge.loss(torch, u, v, step, rng)) for step in (0, 5, 10)]
    assert losses[0] < losses[1] < losses[2]


def test_partners_find_each_other(spaces):
    x, y = spaces
    bridge = Cooccurrence(dim=8, steps=120, batch=64).fit(x[:180], y[:180])
    u, v = bridge.encode_source(x[180:]), bridge.encode_target(y[180:])
    assert np.mean(1 / partner_ranks(u, v)) > 0.6
    never = Cooccurrence(dim=8, steps=0).fit(x[:180], y[:180])
    ranks = partner_ranks(never.encode_source(x[180:]), never.encode_target(y[180:]))
    assert np.mean(1 / ranks) < 0.3


def test_refusals(spaces):
    for wrong in ({"start": -0.1}, {"end": 1.1}, {"margin": 0.0}):
        with pytest.raises(InputError, match="from 0 to 1, and a positive margin"):
            Cooccurrence(**wrong).fit(*spaces)
