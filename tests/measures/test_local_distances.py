import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures.local_distances import gaussian_logs, low_reading, nearest, overlap_sum


def test_nearest_keeps_distinct_rows_and_the_way_back():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    twice = np.vstack([x, x[:5]])
    found = nearest(twice, 3, operation="t", least=4)
    assert found.rows.shape == (20, 3)
    assert found.warnings == ("5 duplicate rows removed",)
    np.testing.assert_array_equal(found.rows[found.inverse], twice)
    assert (found.distances > 0).all()
    gaps = np.linalg.norm(found.rows[:, None] - found.rows[found.indices], axis=2)
    np.testing.assert_allclose(gaps, found.distances)
    with pytest.raises(InputError, match=r"t: got 5 distinct rows of 25"):
        nearest(np.vstack([x[:5]] * 5), 3, operation="t", least=6)


def test_overlap_sum_counts_each_pair_of_neighbours_in_both_orders():
    rng = np.random.default_rng(1)
    e, indices = rng.normal(size=12) + 1, np.array([rng.permutation(12)[:3] for _ in range(12)])
    naive = e @ e
    for i in range(12):
        for j in range(12):
            if i != j and (j in indices[i] or i in indices[j]):
                naive += e[i] * e[j]
    own = np.sum(e[np.any(indices == np.arange(12)[:, None], axis=1)] ** 2)
    assert overlap_sum(e, indices) == pytest.approx(naive + own)
    e = np.array([1.0, -1.0])
    assert overlap_sum(e, np.array([[1], [0]])) == 1.0  # never below half the squares


@pytest.mark.parametrize(("near", "far"), [(0, 10), (2, 4)])
def test_gaussian_logs_are_those_of_gaussian_rows(near, far):
    x = np.random.default_rng(2).normal(size=(1500, 8))
    d = nearest(x, far, operation="t", least=2).distances
    inner = d[:, : far - 1] if near == 0 else d[:, near - 1 : near]
    measured = np.log(d[:, far - 1 : far] / inner).mean()
    assert gaussian_logs(1500, 8, near, far).mean() == pytest.approx(measured, rel=0.04)


def test_low_reading_inverts_the_reading():
    assert low_reading(3.0, 100, lambda d: d) == ()
    (text,) = low_reading(3.0, 100, lambda d: d / 2)
    assert float(text.split("dimension ")[1].split()[0]) == pytest.approx(6, rel=0.02)
    assert "dimension inf " in low_reading(3.0, 100, lambda d: d / 9)[0]
