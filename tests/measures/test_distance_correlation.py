import itertools

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import debiased_cka, distance_correlation, rdm


def u_centred(x):
    n = len(x)
    k = np.linalg.norm(x[:, None] - x[None], axis=2)
    rows = k.sum(0)
    u = k - rows[:, None] / (n - 2) - rows[None, :] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return u


def oracle(x, y):
    a, b = u_centred(x), u_centred(y)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def biased(x, y):
    def centred(x):
        k = np.linalg.norm(x[:, None] - x[None], axis=2)
        return k - k.mean(0) - k.mean(1)[:, None] + k.mean()

    a, b = centred(x), centred(y)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def related(n=40, d=4, seed=0):
    x, e = np.random.default_rng(seed).normal(size=(2, n, d))
    return x, x[:, :2] ** 2 + 0.5 * e[:, :2]


def test_equals_the_u_centred_form_and_not_the_biased_one():
    x, y = related()
    score = distance_correlation(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    assert abs(score.value - biased(x, y)) > 0.05


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=19)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(19)])
    half = 1.959963984540054 * np.sqrt(18 / 19 * np.sum((left - left.mean()) ** 2))
    score = distance_correlation(x, y)
    np.testing.assert_allclose(score.ci, [score.value - half, score.value + half], atol=1e-11)


@pytest.mark.parametrize(("dtype", "value", "ends"), [("f8", 1e-12, 1e-11), ("f4", 1e-7, 1e-6)])
def test_many_blocks_are_one(monkeypatch, dtype, value, ends):
    x, y = (side.astype(dtype) for side in related(n=61, d=9))
    whole = distance_correlation(*(side.astype(np.float64) for side in (x, y)))
    monkeypatch.setattr(rdm, "_SIDE", 8)
    parts = distance_correlation(x, y)
    assert parts.value == pytest.approx(whole.value, abs=value)
    np.testing.assert_allclose(parts.ci, whole.ci, atol=ends)


def test_many_blocks_of_tensors_are_one_too(monkeypatch):
    torch = pytest.importorskip("torch")
    x, y = related(n=61, d=9)
    monkeypatch.setattr(rdm, "_SIDE", 2)  # 16 for tensors
    parts = distance_correlation(torch.asarray(x), torch.asarray(y))
    assert parts.value == pytest.approx(oracle(x, y), abs=1e-12)


def test_without_its_interval_the_value_is_the_same():
    x, y = related()
    score = distance_correlation(x, y, ci=False)
    assert score.ci is None
    assert score.value == distance_correlation(x, y).value


def test_null_moments_hold_over_all_permutations():
    x, y = related(n=6)
    values = [oracle(x, y[list(p)]) for p in itertools.permutations(range(6))]
    assert np.mean(values) == pytest.approx(0, abs=1e-12)
    score = distance_correlation(x, y)
    assert score.z == pytest.approx(score.value / np.std(values), rel=1e-9)


def test_sees_what_no_line_sees():
    x = np.random.default_rng(1).normal(size=(150, 1))
    assert distance_correlation(x, x**2).p < 1e-6
    assert debiased_cka(x, x**2).value < 0.1 < distance_correlation(x, x**2).value


@pytest.mark.parametrize("d", [1, 12])
def test_p_does_not_reject_too_often(d):
    p = [
        distance_correlation(*np.random.default_rng(seed).normal(size=(2, 30, d))).p
        for seed in range(600)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 0.02
    assert np.mean(np.array(p) < 0.01) < 0.01 + 0.01


def test_length_is_the_chord_of_unit_matrices():
    x, y = related()
    a, b = (u / np.linalg.norm(u) for u in (u_centred(x), u_centred(y)))
    assert distance_correlation(x, y).distance() == pytest.approx(np.linalg.norm(a - b), abs=1e-12)


def test_few_equidistant_and_broken_rows():
    x, y = related(n=4)
    assert distance_correlation(x, y).ci is None
    with pytest.raises(InputError, match="at least 4"):
        distance_correlation(x[:3], y[:3])
    with pytest.raises(InputError, match="x whose rows are all equally far apart"):
        distance_correlation(np.eye(9), related(n=9)[1])
    with pytest.raises(InputError, match="distance_correlation.*equal"):
        distance_correlation(np.ones((9, 2)), related(n=9)[1])
