"""LowRank against the best map of its rank, and its choice of rank."""

import numpy as np
import pytest

from isthmus.bridges import LowRank
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments


def data(rank=2, n=400, noise=0.3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 8))
    return x, x @ rng.normal(size=(8, rank)) @ rng.normal(size=(rank, 5)) + noise * rng.normal(
        size=(n, 5)
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_chooses_the_rank_of_the_relation(rank):
    assert LowRank().fit(*data(rank)).rank_ == rank


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_is_the_best_map_of_its_rank(rank):
    x, y = data(rank=5)
    bridge = LowRank(rank=rank).fit(x, y)
    assert np.linalg.matrix_rank(bridge.coef_) == rank
    error = np.sum((bridge.transform(x) - y) ** 2)
    centred, target = x - x.mean(axis=0), y - y.mean(axis=0)
    full = np.linalg.lstsq(centred, target, rcond=None)[0]
    u, s, vt = np.linalg.svd(centred @ full, full_matrices=False)
    best = np.sum((target - (u[:, :rank] * s[:rank]) @ vt[:rank]) ** 2)  # Eckart-Young
    assert error == pytest.approx(best, rel=1e-4)
    # Truncating the coefficients themselves is worse, so the check can fail.
    cu, cs, cvt = np.linalg.svd(full)
    other = (cu[:, :rank] * cs[:rank]) @ cvt[:rank]
    assert rank == 5 or np.sum((centred @ other - target) ** 2) > best * 1.0001


def test_rank_bounds():
    with pytest.raises(InputError, match="1 <= rank <= 5"):
        LowRank(rank=6).fit(*data())


def test_moments_alone():
    x, y = data(noise=1e-3)
    bridge = LowRank().fit_moments(Moments.of(x, y))
    assert bridge.rank_ == 2
    assert np.mean((bridge.transform(x) - y) ** 2) < 1e-4
