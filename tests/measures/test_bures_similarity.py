import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import bures_similarity, procrustes_angular


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) @ rng.normal(size=(5, 5)) + 3
    return x, x[:, :3] + rng.normal(size=(n, 3))


def oracle(x, y):
    """Fidelity of the Gram matrices, tr sqrt(K½ L K½), over the root of their traces."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, l = h @ x @ x.T @ h, h @ y @ y.T @ h  # noqa: E741
    spectrum, basis = np.linalg.eigh(k)
    root = basis * np.sqrt(np.where(spectrum > 1e-9, spectrum, 0)) @ basis.T
    values = np.linalg.eigvalsh(root @ l @ root)
    return np.sqrt(values[values > 1e-9]).sum() / np.sqrt(np.trace(k) * np.trace(l))


def nuclear(x, y, weights=None):
    w = np.ones(len(x)) if weights is None else weights
    x = (x - w @ x / w.sum()) * np.sqrt(w)[:, None]
    y = (y - w @ y / w.sum()) * np.sqrt(w)[:, None]
    return np.linalg.norm(x.T @ y, "nuc") / np.linalg.norm(x) / np.linalg.norm(y)


def test_is_the_fidelity_of_gram_matrices():
    x, y = related()
    assert bures_similarity(x, y).value == pytest.approx(oracle(x, y), abs=1e-11)
    assert bures_similarity(x, y).value == pytest.approx(nuclear(x, y), abs=1e-13)


def test_is_the_cosine_of_the_procrustes_angle():
    x, y = related()
    one, two = bures_similarity(x, y), procrustes_angular(x, y)
    assert one.distance() == two.distance()
    assert one.value == pytest.approx(np.cos(two.value), abs=1e-15)
    assert one.chance == pytest.approx(np.cos(two.chance), abs=1e-15)
    assert one.method == "bures_similarity"


def test_interval_is_that_of_the_derivatives_in_the_weights():
    x, y = related(n=25)
    step, psi = 1e-5, []
    for i in range(25):
        up, down = np.ones(25), np.ones(25)
        up[i] += step
        down[i] -= step
        psi.append(25 * (nuclear(x, y, up) - nuclear(x, y, down)) / (2 * step))
    half = 1.959963984540054 * np.std(psi, ddof=1) / 5
    score = bures_similarity(x, y)
    np.testing.assert_allclose(score.ci, [score.value - half, score.value + half], atol=1e-8)


def test_interval_covers_the_population_value():
    # Σxy = 1, tr Σxx = 5, tr Σyy = 10: 5 / sqrt(50).
    hits = 0
    for seed in range(100):
        x, noise = np.random.default_rng(seed).normal(size=(2, 1000, 5))
        low, high = bures_similarity(x, x + noise).ci
        hits += low <= 0.5**0.5 <= high
    assert hits >= 88


def test_chance_is_what_shuffled_pairs_read():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 8))
    rng = np.random.default_rng(1)
    values = [nuclear(x, y[rng.permutation(40)]) for _ in range(200)]
    score = bures_similarity(x, y)
    assert score.chance == pytest.approx(np.mean(values), abs=4 * np.std(values))


def test_few_rows_are_said_and_bad_ones_refused():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 60))
    assert "unrelated" in bures_similarity(x, y).warnings[0]
    with pytest.raises(InputError, match="all equal"):
        bures_similarity(np.ones((30, 2)), y)
