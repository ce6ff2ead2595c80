import numpy as np
import pytest

from isthmus.bridges import Affine, LambdaOrthogonal
from isthmus.evidence import lambda_orthogonality as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 3)


def small(seed):
    """New and old vectors of two related spaces, in place of trained encoders."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(500, 8)) * np.geomspace(2, 0.5, 8)
    new = hidden @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.05 * rng.normal(size=(500, 8))
    old = hidden @ rng.normal(size=(8, 8)) + 0.05 * rng.normal(size=(500, 8))
    return new[:300], old[:300], new[300:], old[300:]


class Free(LambdaOrthogonal):
    """Ignores its lambda."""

    def solve(self, moments, x, y):
        self.lam = 1e9
        return super().solve(moments, x, y)


class Bent(LambdaOrthogonal):
    """Translates with half of its directions lost."""

    def solve(self, moments, x, y):
        w, _ = super().solve(moments, x, y)
        w[:, ::2] = 0
        return w, moments.mean_y - moments.mean_x @ w


def test_the_ladder_on_small_spaces():
    figures = evidence.experiment(SEEDS, spaces=small)
    for name in ("over_orthogonal", "kept", "growth"):
        assert figures[name].met, str(figures[name])
    assert figures["off"].value < 0.011
    assert figures["orthogonal_overlap"].value == 1
    assert sum(figure.claimed for figure in figures.values()) == 4


def test_a_bridge_that_ignores_lambda_does_not_grow():
    assert not evidence.experiment(SEEDS, spaces=small, bridge=Free)["growth"].met


def test_a_bridge_that_loses_directions_fails():
    figures = evidence.experiment(SEEDS, spaces=small, bridge=Bent)
    assert not figures["over_orthogonal"].met
    assert not figures["kept"].met


def test_overlap_counts_shared_neighbours():
    x = np.random.default_rng(0).normal(size=(60, 4))
    assert evidence.overlap(x, 3 * x + 1) == 1
    assert evidence.overlap(x, x[::-1]) == pytest.approx(10 / 59, abs=0.1)


def test_encoders_are_two_of_the_same_images():
    new, old, queries, gallery = evidence.two_encoders(0)
    assert new.shape == old.shape == (1000, 64)
    assert queries.shape == gallery.shape == (797, 64)
    assert not np.allclose(new, old)
    assert Affine().fit(new, old).score(queries, gallery) > 0.9
