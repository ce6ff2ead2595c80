"""Lambda-orthogonal: its two ends, the dial between them, and optimality on the way."""

from itertools import pairwise

import numpy as np
import pytest

from isthmus.bridges import Affine, LambdaOrthogonal, Orthogonal
from isthmus.bridges.lambda_orthogonal import deviation
from isthmus.core.errors import InputError


@pytest.fixture(scope="module")
def spaces():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)) * [2, 1.5, 1, 1, 0.5]
    return x, x @ rng.normal(size=(5, 5)) + 0.3 * rng.normal(size=(400, 5)) + 2


def error(bridge, x, y):
    return float(np.mean((bridge.transform(x) - y) ** 2))


def test_the_ends_are_procrustes_and_ridge(spaces):
    x, y = spaces
    np.testing.assert_allclose(
        LambdaOrthogonal(lam=0).fit(x, y).coef_, Orthogonal().fit(x, y).coef_, atol=1e-12
    )
    free = LambdaOrthogonal(lam=1e6).fit(x, y)
    np.testing.assert_allclose(free.coef_, Affine().fit(x, y).coef_, atol=1e-12)
    assert free.deviation_ < 1e6


def test_the_dial(spaces):
    x, y = spaces
    lams = (0.05, 0.2, 0.5, 1, 2)
    ladder = [LambdaOrthogonal(lam=lam).fit(x, y) for lam in lams]
    for lam, bridge in zip(lams, ladder, strict=True):
        assert bridge.deviation_ == pytest.approx(lam, rel=0.011)
        gram = bridge.coef_ @ bridge.coef_.T
        assert bridge.deviation_ == pytest.approx(np.linalg.norm(gram - np.eye(5)))
    errors = [error(b, x, y) for b in (Orthogonal().fit(x, y), *ladder, Affine().fit(x, y))]
    assert all(b < a for a, b in pairwise(errors))


def test_no_map_of_that_deviation_fits_better(spaces):
    x, y = spaces
    bridge = LambdaOrthogonal(lam=1.0, alpha=1e-8).fit(x, y)
    best = error(bridge, x, y)
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(200):
            w = bridge.coef_ + size * rng.normal(size=(5, 5))
            # Back to the same deviation, by scaling that of each singular value.
            u, s, vt = np.linalg.svd(w)
            gaps = (s**2 - 1) * bridge.deviation_ / deviation(w)
            if (gaps < -1).any():
                continue
            w = (u * np.sqrt(1 + gaps)) @ vt
            moved = (x - x.mean(axis=0)) @ w + y.mean(axis=0)
            assert np.mean((moved - y) ** 2) > best - 1e-4 * best


@pytest.mark.parametrize("dims", [(4, 7), (7, 4)])
def test_unequal_dims(dims):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, dims[0]))
    y = 3 * x @ rng.normal(size=dims)
    bridge = LambdaOrthogonal(lam=0.5).fit(x, y)
    assert bridge.deviation_ == pytest.approx(0.5, rel=0.011)
    small = bridge.coef_ if dims[0] < dims[1] else bridge.coef_.T
    assert np.linalg.norm(small @ small.T - np.eye(4)) == pytest.approx(bridge.deviation_)


def test_fewer_pairs_than_dims_and_spaces_that_do_not_vary():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 6, 12))
    bridge = LambdaOrthogonal(lam=1.0).fit(x, y)
    assert 0.5 < bridge.deviation_ <= 1.01
    still = LambdaOrthogonal().fit(np.ones((4, 3)), y[:4, :3])
    np.testing.assert_allclose(still.transform(np.ones((1, 3)))[0], y[:4, :3].mean(axis=0))


def test_refuses_a_negative_lambda(spaces):
    for lam in (-1.0, -1e-300):
        with pytest.raises(InputError, match="lam >= 0"):
            LambdaOrthogonal(lam=lam).fit(*spaces)
