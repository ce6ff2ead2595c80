import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cosine_audit
from isthmus.measures.cosine_audit import POWERS, rescaled
from isthmus.testing.kinds import array_kinds


@pytest.fixture
def factors():
    rng = np.random.default_rng(0)
    scale = [9, 3, 1, 0.3]
    return rng.normal(size=(30, 4)) * scale, rng.normal(size=(25, 4)) * scale


def cosine(u, v):
    return u @ v / np.linalg.norm(u) / np.linalg.norm(v)


def test_equals_the_range_over_models_pair_by_pair(factors):
    a, b = factors
    _, s, vt = np.linalg.svd(a @ b.T)
    v, s = vt[:4].T, s[:4]
    score = cosine_audit(a, b)
    assert len(score.parts["pairs"]) == 25 * 24 / 2
    widths = []
    for row, (i, j) in enumerate(score.parts["pairs"]):
        seen = [cosine(v[i] * s**t, v[j] * s**t) for t in POWERS]
        widths.append(max(seen) - min(seen))
        assert score.parts["low"][row] == pytest.approx(min(seen), abs=1e-12)
        assert score.parts["given"][row] == pytest.approx(cosine(b[i], b[j]), abs=1e-12)
    assert score.value == pytest.approx(np.mean(widths), abs=1e-12)
    assert score.ci is None


def test_every_rescaling_predicts_the_same(factors):
    a, b = factors
    for power in POWERS:
        u, v = rescaled(a, b, power=power)
        np.testing.assert_allclose(u @ v.T, a @ b.T, atol=1e-10)
    u, v = rescaled(a, b)
    np.testing.assert_allclose(u.T @ u, v.T @ v, atol=1e-10)
    assert not np.allclose(u @ (2 * v).T, a @ b.T)


def test_depends_on_the_predictions_alone(factors):
    a, b = factors
    mix = np.random.default_rng(1).normal(size=(4, 4))
    same = cosine_audit(a @ mix, b @ np.linalg.inv(mix).T)
    assert same.value == pytest.approx(cosine_audit(a, b).value, abs=1e-9)
    assert same.value != pytest.approx(cosine_audit(a @ mix, b).value, abs=1e-3)


def test_equal_singular_values_leave_nothing_open():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 3)))[0]
    score = cosine_audit(q, q)
    assert score.value == pytest.approx(0, abs=1e-9)
    assert score.parts["neighbours_lost"] == 0
    assert score.warnings == ()


def test_bounds_over_every_scale_hold_and_are_reached():
    rng = np.random.default_rng(2)
    rows = rng.uniform(0.2, 1, (12, 3))  # of one sign, so that the least cosine is above -1
    a = np.linalg.qr(rng.normal(size=(12, 3)))[0]
    b = rows - rows.mean(axis=0) * 0
    score = cosine_audit(a, b)
    v = np.linalg.svd(a @ b.T)[2][:3].T
    scales = np.exp(rng.uniform(-9, 9, (4000, 3)))
    for (i, j), low, high in zip(
        score.parts["pairs"], score.parts["lowest"], score.parts["highest"], strict=True
    ):
        u, w = v[i] * scales, v[j] * scales
        seen = (u * w).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(w, axis=1)
        assert low - 1e-9 <= seen.min() <= low + 0.05
        assert high - 0.05 <= seen.max() <= high + 1e-9
    assert (score.parts["lowest"] > -1).any()


def test_many_rows_are_sampled_with_an_interval_that_holds_the_mean():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 120, 3)) * [5, 1, 0.2]
    drawn = [cosine_audit(a, b, rng=seed) for seed in range(20)]
    assert all(len(score.parts["pairs"]) == 2000 for score in drawn)
    mean = np.mean([score.value for score in drawn])
    assert sum(score.ci[0] <= mean <= score.ci[1] for score in drawn) >= 17
    assert all((score.parts["pairs"][:, 0] != score.parts["pairs"][:, 1]).all() for score in drawn)


def test_any_kind_of_array_and_zero_rows(factors):
    a, b = factors
    value = cosine_audit(a, b).value
    for convert in array_kinds().values():
        assert cosine_audit(convert(a), convert(b)).value == pytest.approx(value, abs=1e-12)
    b[3] = 0
    assert any("zero rows" in said for said in cosine_audit(a, b).warnings)


def test_bad_input(factors):
    a, b = factors
    with pytest.raises(InputError, match=r"cosine_audit.*\(30, 4\).*\(25, 3\).*equal width"):
        cosine_audit(a, b[:, :3])
    with pytest.raises(InputError, match="cosine_audit.*all zero"):
        cosine_audit(0 * a, b)
    with pytest.raises(InputError, match="cosine_audit.*k=24"):
        cosine_audit(a, b, k=24)
    with pytest.raises(InputError, match="cosine_audit.*NaN"):
        cosine_audit(a, b * np.nan)
