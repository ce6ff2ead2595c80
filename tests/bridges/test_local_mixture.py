"""Local mixture: two regions with two maps, its safe ends, and its gates."""

import numpy as np
import pytest

from isthmus.bridges import Affine, LocalMixture, Orthogonal
from isthmus.core.errors import InputError


@pytest.fixture(scope="module")
def regions():
    """Two clusters, each with a rotation of its own."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4))
    x[::2] += 10
    one, two = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    y = np.where(np.arange(600)[:, None] % 2 == 0, (x - 10) @ one, x @ two + 3)
    return x, y, one, two


@pytest.mark.parametrize("kind", ["affine", "orthogonal"])
def test_each_region_gets_its_map(regions, kind):
    x, y, one, two = regions
    bridge = LocalMixture(clusters=2, kind=kind).fit(x[:400], y[:400])
    assert bridge.locality_ > 0.9
    near = int(np.argmax(bridge.centres_[:, 0]))
    np.testing.assert_allclose(bridge.maps_[near], one, atol=0.05)
    np.testing.assert_allclose(bridge.maps_[1 - near], two, atol=0.05)
    whole = Affine().fit(x[:400], y[:400])
    errors = [np.mean((b.transform(x[400:]) - y[400:]) ** 2) for b in (bridge, whole)]
    assert errors[0] < 0.1 * errors[1]


@pytest.mark.parametrize(("kind", "whole"), [("affine", Affine), ("orthogonal", Orthogonal)])
def test_one_map_that_fits_everywhere_stays_one(turned, kind, whole):
    x, y, _ = turned
    y = y + 0.3 * np.random.default_rng(1).normal(size=y.shape)
    bridge = LocalMixture(kind=kind).fit(x, y)
    expected = whole().fit(x, y).transform(x)
    assert bridge.locality_ < 0.1
    np.testing.assert_allclose(bridge.transform(x), expected, atol=0.15)
    endless = LocalMixture(kind=kind, pull=np.inf).fit(x, y)
    assert endless.locality_ == 0
    np.testing.assert_allclose(endless.transform(x), expected, atol=1e-2)


def test_gates_are_those_of_the_distances(regions):
    x, y, *_ = regions
    bridge = LocalMixture(clusters=3).fit(x, y)
    gaps = np.sum((x[:, None] - bridge.centres_[None]) ** 2, axis=2)
    gates = np.exp(-gaps / (2 * bridge.width_**2))
    gates /= gates.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(bridge._gates(x), gates, atol=1e-10)
    each = np.stack([x @ w + b for w, b in zip(bridge.maps_, bridge.constants_, strict=True)])
    np.testing.assert_allclose(bridge.transform(x), np.einsum("nc,cnd->nd", gates, each), atol=1e-9)


def test_affine_correction_equals_the_formula(regions):
    x, y, *_ = regions
    bridge = LocalMixture(clusters=2, pull=0.5).fit(x, y)
    gates = bridge._gates(x)
    whole = Affine().fit(x, y).coef_
    scatters, crosses = [], []
    for g in gates.T:
        a, b = x - g @ x / g.sum(), y - g @ y / g.sum()
        scatters.append((a * g[:, None]).T @ a)
        crosses.append((a * g[:, None]).T @ b)
    for c in range(2):
        inverse = np.linalg.inv(scatters[c] + 0.5 * np.mean(scatters, axis=0))
        expected = whole + inverse @ (crosses[c] - scatters[c] @ whole)
        np.testing.assert_allclose(bridge.maps_[c], expected, atol=1e-3)


def test_few_pairs_are_one_cluster():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 5))
    bridge = LocalMixture().fit(x, y)
    assert bridge.maps_.shape == (1, 3, 5)
    assert bridge.locality_ == 0
    # More clusters asked for than there are different rows.
    assert len(LocalMixture(clusters=9).fit(np.repeat(x[:3], 4, axis=0), y[:12]).centres_) == 3


def test_refusals(regions):
    x, y, *_ = regions
    for wrong in ({"clusters": 0}, {"kind": "cubic"}, {"pull": -1.0}):
        with pytest.raises(InputError, match="expected"):
            LocalMixture(**wrong).fit(x, y)
