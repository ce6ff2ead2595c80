"""Geodesic mixing and its loss: against the formula, at the ends, in torch."""

import numpy as np
import pytest
import torch

from isthmus.bridges.geodesic_mix import geodesic_mix, m2mix_loss
from isthmus.core.errors import InputError


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, 30, 5))
    return sides / np.linalg.norm(sides, axis=2, keepdims=True)


def test_equals_the_formula_row_by_row(pair):
    a, b = pair
    shares = np.random.default_rng(1).random(30)
    expected = []
    for one, two, lam in zip(a, b, shares, strict=True):
        angle = np.arccos(one @ two)
        expected.append(
            (np.sin(lam * angle) * one + np.sin((1 - lam) * angle) * two) / np.sin(angle)
        )
    np.testing.assert_allclose(geodesic_mix(a, b, shares), expected, atol=1e-12)
    np.testing.assert_allclose(geodesic_mix(3 * a, 0.1 * b, shares), expected, atol=1e-12)


def test_lies_on_the_great_circle_at_the_share_of_the_angle(pair):
    a, b = pair
    mixed = geodesic_mix(a, b, 0.3)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-12)
    angle = np.arccos(np.sum(a * b, axis=1))
    np.testing.assert_allclose(np.arccos(np.sum(mixed * b, axis=1)), 0.3 * angle, atol=1e-7)
    # A straight mixture of equal shares lies elsewhere once angles differ.
    straight = 0.3 * a + 0.7 * b
    straight /= np.linalg.norm(straight, axis=1, keepdims=True)
    assert np.abs(straight - mixed).max() > 1e-2


def test_ends_and_degenerate_rows(pair):
    a, b = pair
    np.testing.assert_allclose(geodesic_mix(a, b, 1.0), a, atol=1e-9)
    np.testing.assert_allclose(geodesic_mix(a, b, 0.0), b, atol=1e-9)
    np.testing.assert_allclose(geodesic_mix(a, a, 0.4), a, atol=1e-7)
    assert np.isfinite(geodesic_mix(a, -a, 0.4)).all()


def oracle(u, v, lam, temperature):
    mixed, found = geodesic_mix(u, v, lam), []
    for side in (u, v):
        for i in range(len(u)):
            own = np.exp(u[i] @ v[i] / temperature)
            rest = sum(np.exp(side[i] @ mixed[j] / temperature) for j in range(len(u)) if j != i)
            found.append(-np.log(own / (own + rest)))
    return np.mean(found)


def test_loss_equals_the_formula(pair):
    u, v = pair
    assert float(m2mix_loss(u, v, 0.4, temperature=0.2)) == pytest.approx(oracle(u, v, 0.4, 0.2))


def test_mixtures_are_harder_negatives_across_a_gap(pair):
    u, v = pair[0].copy(), pair[1].copy()
    u[:, 0] += 3
    v[:, 0] -= 3
    u, v = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (u, v))
    # λ = 1 takes u's own cloud as its negatives, λ = 0 only the other's, as plain InfoNCE does.
    losses = [float(m2mix_loss(u, v, lam)) for lam in (0.0, 0.5)]
    assert losses[1] > losses[0] - 1e-9


def test_gradients_are_finite_where_partners_coincide(pair):
    u = torch.tensor(pair[0], requires_grad=True)
    loss = m2mix_loss(u, u, torch.full((30,), 0.5, dtype=torch.float64))
    loss.backward()
    assert torch.isfinite(u.grad).all()
    narrow = torch.tensor(pair[0], dtype=torch.float32)
    assert geodesic_mix(narrow, narrow, 0.5).dtype == torch.float32


@pytest.mark.parametrize("lam", [-0.1, 1.1, [0.5, 0.5], float("nan")])
def test_refusals(pair, lam):
    with pytest.raises(InputError, match="geodesic mix"):
        geodesic_mix(*pair, lam)
    with pytest.raises(InputError, match="equal shapes"):
        geodesic_mix(pair[0], pair[1][:, :2], 0.5)
