import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import mle_dimension


def oracle(x, k):
    local = []
    for i in range(len(x)):
        r = np.sort(np.linalg.norm(np.delete(x, i, axis=0) - x[i], axis=1))[:k]
        local.append(sum(np.log(r[-1] / r[j]) for j in range(k - 1)))
    return np.array(local)


@pytest.mark.parametrize("k", [3, 10])
def test_equals_the_formula(k):
    x = np.random.default_rng(0).normal(size=(60, 4))
    score, sums = mle_dimension(x, k=k), oracle(x, k)
    assert score.value == pytest.approx(1 / np.mean(sums / (k - 1)), rel=1e-10)
    np.testing.assert_allclose(score.parts["local_dimension"], (k - 2) / sums)
    # Averaging the dimensions, and not their inverses, reads too high.
    assert np.mean((k - 1) / sums) > score.value * 1.04


def test_low_dimensions_are_read_right_and_locally():
    rng = np.random.default_rng(1)
    line = np.column_stack([rng.uniform(size=300), np.zeros(300), np.zeros(300)])
    sheet = np.column_stack([np.full(300, 9.0), rng.uniform(size=(300, 2))])
    local = mle_dimension(np.vstack([line, sheet])).parts["local_dimension"]
    assert np.mean(local[:300]) == pytest.approx(1, abs=0.1)
    assert np.mean(local[300:]) == pytest.approx(2, abs=0.2)


def test_interval_covers_a_circle_and_a_sphere():
    hits = []
    for seed in range(30):
        x = np.random.default_rng(seed).normal(size=(300, 3))
        low, high = mle_dimension(x / np.linalg.norm(x, axis=1, keepdims=True)).ci
        hits.append(low <= 2 <= high)
    assert np.mean(hits) >= 0.8


def test_high_dimensions_are_warned_about_with_the_corrected_value():
    x = np.random.default_rng(0).normal(size=(800, 20))
    text = mle_dimension(x).warnings[0]
    assert float(text.split("dimension ")[1].split()[0]) == pytest.approx(20, rel=0.1)
    assert all(text.endswith(ROUGH) for text in mle_dimension(x[:, :2]).warnings)


def test_duplicates_and_float32_zero_distances():
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    score = mle_dimension(np.vstack([x, x[:40]]))
    assert score.n == 100
    assert score.warnings[0] == "40 duplicate rows removed"
    assert score.value == pytest.approx(mle_dimension(x).value)
    local = score.parts["local_dimension"]
    assert len(local) == 140
    np.testing.assert_array_equal(local[100:], local[:40])
    assert np.isfinite(local).all()


def test_rows_of_a_grid_have_no_local_dimension():
    rng = np.random.default_rng(0)
    corners = 50 * np.eye(6)
    mixed = mle_dimension(np.vstack([corners, 1e4 + rng.normal(size=(20, 6))]), k=5)
    assert (mixed.parts["local_dimension"][:6] == -1).all()
    assert "6 rows with 5 neighbours equally far" in mixed.warnings[0]
    with pytest.raises(InputError, match="grid"):
        mle_dimension(np.eye(8), k=5)


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(InputError, match=r"mle_dimension: got 11 rows: .* expected at least 12"):
        mle_dimension(x[:11])
    with pytest.raises(InputError, match="distinct"):
        mle_dimension(np.vstack([x[:5]] * 6))
    with pytest.raises(InputError, match="k=2"):
        mle_dimension(x, k=2)
