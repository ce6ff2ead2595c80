import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cca, svcca


def related(n=80, d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * 0.4 ** np.arange(d) + 3
    return x, x @ rng.normal(size=(d, d)) + 0.2 * rng.normal(size=(n, d))


def oracle(x, y, variance):
    cut = []
    for side in (x, y):
        u, s, _ = np.linalg.svd(side - side.mean(0), full_matrices=False)
        k = np.searchsorted(np.cumsum(s**2) / np.sum(s**2), variance) + 1
        cut.append(u[:, :k] * s[:k])
    q = [np.linalg.qr(c)[0] for c in cut]
    return np.linalg.svd(q[0].T @ q[1], compute_uv=False)


@pytest.mark.parametrize("variance", [0.9, 0.99])
def test_equals_cca_of_the_cut_sides(variance):
    x, y = related()
    rho = oracle(x, y, variance)
    score = svcca(x, y, variance=variance)
    assert score.value == pytest.approx(np.mean(rho**2), abs=1e-12)
    assert score.parts["mean_rho"] == pytest.approx(rho.mean(), abs=1e-12)


def test_all_variance_is_cca():
    x, y = related()
    one, two = svcca(x, y, variance=1), cca(x, y)
    for a, b in ((one.value, two.value), (one.chance, two.chance), (one.z, two.z), (one.p, two.p)):
        assert a == pytest.approx(b, abs=1e-12)
    assert one.ci == pytest.approx(two.ci)


def test_tied_directions_are_kept_together():
    # Four equal singular values, and a share that three of them reach.
    u = np.linalg.qr(np.hstack([np.ones((40, 1)), np.random.default_rng(0).normal(size=(40, 5))]))
    x = u[0][:, 1:5]
    y = u[0][:, 5:] + x[:, :1]
    for turn in range(3):
        q = np.linalg.qr(np.random.default_rng(turn).normal(size=(4, 4)))[0]
        score = svcca(x @ q, y, variance=0.7)
        assert score.parts["rank_x"] == 4
        assert score.value == pytest.approx(0.5, abs=1e-12)


def test_flat_cut_and_high_chance_warn():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 20))
    text = " ".join(svcca(x, y, variance=0.9).warnings)
    assert "flat" in text
    assert "read 0." in text
    rng = np.random.default_rng(1)
    (text,) = svcca(rng.normal(size=(500, 4)), rng.normal(size=(500, 4))).warnings
    assert "nominal level" in text  # what the card says of every size, no more


def test_noise_reads_chance():
    rng = np.random.default_rng(2)
    scores = [svcca(*rng.normal(size=(2, 60, 5)), variance=1) for _ in range(200)]
    error = np.std([s.value for s in scores]) / np.sqrt(200)
    assert np.mean([s.value for s in scores]) == pytest.approx(5 / 59, abs=4 * error)
    assert np.std([s.z for s in scores]) == pytest.approx(1, abs=0.2)


def test_more_dims_than_rows_works_at_low_rank_and_is_refused_at_full():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 100))
    assert svcca(x, x[:, ::-1] * 3).value == pytest.approx(1, abs=1e-9)
    with pytest.raises(InputError, match="rank 29"):
        svcca(rng.normal(size=(30, 100)), x, variance=1)
    with pytest.raises(InputError, match="variance=0"):
        svcca(x, x, variance=0)
