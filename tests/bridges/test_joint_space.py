"""Joint spaces: heads, training and decoder against arithmetic written out, and what is refused."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.joint_space import JointSpace, cross_entropy
from isthmus.bridges.map import Map
from isthmus.core.errors import InputError


class Near(JointSpace, Map, TransformerMixin, BaseEstimator):
    dim, hidden, steps, batch, rate, rng = 3, 0, 0, 100, 1e-3, 0

    def __init__(self, **given):
        vars(self).update(given, seen=[])

    def loss(self, torch, u, v, step, rng):
        self.seen.append((step, u.detach().numpy(), v.detach().numpy()))
        return ((u - v) ** 2).sum()


def spaces(n=12, seed=0):
    rng = np.random.default_rng(seed)
    return 3 * rng.normal(size=(n, 4)) + 5, 0.1 * rng.normal(size=(n, 2)) - 2


def codes(flat, rows, fitted, hidden, dim=3):
    """Unit codes of ``rows`` by the head in ``flat``, in the units of the rows it was fitted on."""
    mean, at = fitted.mean(axis=0), 0
    x = (rows - mean) / np.sqrt(((fitted - mean) ** 2).mean())
    for units in [hidden, dim] if hidden else [dim]:
        x = x / (1 + np.exp(-x)) if at else x
        end = at + x.shape[1] * units
        x, at = x @ flat[at:end].reshape(-1, units) + flat[end : end + units], end + units
    assert at == len(flat)
    return np.array([row / np.linalg.norm(row) for row in x])


def test_cross_entropy_is_that_of_each_row_with_its_own_column():
    scores = np.random.default_rng(0).normal(size=(5, 5)) * 2
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = np.mean([-np.log(shares[i, i]) for i in range(5)])
    assert float(cross_entropy(scores)) == pytest.approx(expected)
    narrow = cross_entropy(torch.tensor(scores, dtype=torch.float32))
    assert (narrow.dtype, float(narrow)) == (torch.float32, pytest.approx(expected, rel=1e-5))
    assert float(cross_entropy(1e4 * np.eye(3)[[1, 0, 2]])) == pytest.approx(2e4 / 3)
    assert float(cross_entropy(np.array([[7.0]]))) == 0


@pytest.mark.parametrize("hidden", [0, 5])
def test_codes_are_unit_answers_of_each_sides_own_head(hidden):
    (x, y), (more, other) = spaces(), spaces(n=1, seed=1)
    bridge = Near(hidden=hidden, steps=3).fit(x, y)
    u = codes(bridge.source_weights_, more, x, hidden)
    v = codes(bridge.target_weights_, other, y, hidden)
    wanted = u, v, u @ bridge.decoder_ + bridge.offset_
    for kind, atol in ((np.asarray, 1e-12), (torch.tensor, 1e-12), (np.float32, 1e-4)):
        rows, others = kind(more), kind(other)
        found = bridge.encode_source(rows), bridge.encode_target(others), bridge.transform(rows)
        for one, known in zip(found, wanted, strict=True):
            assert (type(one), one.dtype) == (type(rows), rows.dtype)
            np.testing.assert_allclose(np.asarray(one), known, atol=atol)


def test_the_decoder_is_the_ridge_that_cross_validates_best():
    x, noise = np.random.default_rng(2).normal(size=(2, 40, 3))
    y = x[:, :2] + noise[:, :2]
    bridge = Near().fit(x, y)
    u = bridge.encode_source(x)
    a, gram, found = u - u.mean(axis=0), 40 * np.cov(u.T, bias=True), {}
    for alpha in np.logspace(-8, 2, 21):
        ridge = np.linalg.solve(gram + alpha * np.trace(gram) / 3 * np.eye(3), a.T)
        hat = 1 / 40 + a @ ridge
        found[np.sum((y - hat @ y) ** 2) / (40 - np.trace(hat)) ** 2] = ridge @ y
    np.testing.assert_allclose(bridge.decoder_, found[min(found)], atol=1e-9)
    np.testing.assert_allclose(bridge.transform(x).mean(axis=0), y.mean(axis=0), atol=1e-12)


def test_the_first_step_moves_every_weight_by_the_rate_and_lowers_the_loss():
    x, y = spaces()
    start, end = (Near(steps=steps).fit(x, y) for steps in (0, 1))
    for name in ("source_weights_", "target_weights_"):
        np.testing.assert_allclose(np.abs(getattr(end, name) - getattr(start, name)), 1e-3, 1e-4)
    gaps = [np.sum((b.encode_source(x) - b.encode_target(y)) ** 2) for b in (start, end)]
    assert gaps[1] < gaps[0]


def test_batches_are_pairs_without_repeats():
    (x, y), i, j = spaces(), [0, 2, 4, 5, 9, 11], [3, 1, 0, 7, 8, 2]
    bridge = Near(hidden=4, steps=3, batch=4, rate=0.0).fit(x, y, pairs=(i, j))
    u, v = bridge.encode_source(x[i]), bridge.encode_target(y[j])
    assert [step for step, _, _ in bridge.seen] == [0, 1, 2]
    for _, a, b in bridge.seen:
        rows = [int(np.argmin(((u - row) ** 2).sum(axis=1))) for row in a]
        assert len(set(rows)) == len(rows) == 4
        np.testing.assert_allclose((a, b), (u[rows], v[rows]), atol=1e-12)


def test_a_side_of_one_column_that_does_not_vary_leads_to_the_targets_mean():
    y = spaces()[1]
    flat = Near(steps=2).fit(np.ones((12, 1)), y)
    np.testing.assert_allclose(flat.transform(np.ones((2, 1))), [y.mean(axis=0)] * 2)
    still = Near(steps=2).fit(y[:, :1], np.full((12, 2), 4.0))
    np.testing.assert_allclose(still.transform(y[:, :1]), 4)


def test_refusals():
    x, y = spaces()
    for wrong in ({"dim": 0}, {"hidden": -1}, {"steps": -1}, {"batch": 1}):
        with pytest.raises(InputError, match="Near: got dim=.*dim >= 1, hidden >= 0.*batch >= 2"):
            Near(**wrong).fit(x, y)
    bridge = Near(dim=1, batch=2).fit(x, y)
    for bad, says in ((x, r"Y \(12, 4\); expected 2 columns"), ([[np.nan, 0]], "Y with NaN")):
        with pytest.raises(InputError, match=f"Near.encode_target: got {says}"):
            bridge.encode_target(bad)
    with pytest.raises(ValueError, match="not fitted yet"):
        Near().encode_target(y)
