"""Two samples: distances tile by tile, and the statistic against every way to label the rows."""

from itertools import combinations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import two_sample
from isthmus.measures.two_sample import SquaredDistances, compared, samples


def naive(rows):
    return np.array([[np.sum((a - b) ** 2) for b in rows] for a in rows.astype(np.float64)])


def statistic(d, first):
    x, y = d[:first, :first], d[first:, first:]
    m = len(y)
    within = x.sum() / (first * (first - 1)) + y.sum() / (m * (m - 1))
    return 2 * d[:first, first:].mean() - within


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("twin", [True, False])
def test_distances_keep_their_digits_however_close_rows_are(kind, twin):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 4)).astype(kind)
    rows[1] = rows[0] + kind(1e-4)
    rows[2] = rows[0] if twin else rows[2]
    expected, found = naive(rows), SquaredDistances(rows)
    whole, apart = found.tile(slice(0, 30), slice(0, 30)), found.tile(slice(0, 8), slice(8, 30))
    tight = 1e-5 if kind is np.float32 else 1e-9
    np.testing.assert_allclose(whole, expected, rtol=tight)
    np.testing.assert_allclose(apart, expected[:8, 8:], rtol=tight)
    assert (whole[0, 2] == 0.0) == twin
    assert not np.diag(whole).any()


@pytest.mark.parametrize("cells", [16, 1 << 18])
def test_both_forms_and_z_are_those_of_the_whole_matrix(monkeypatch, cells):
    monkeypatch.setattr(two_sample, "_CELLS", cells)
    rng = np.random.default_rng(1)
    both = np.concatenate([rng.normal(size=(4, 3)), rng.normal(size=(5, 3)) + 0.7])
    d = np.sqrt(naive(both))
    found = compared(both, 4, np.sqrt)
    assert found.unbiased == pytest.approx(statistic(d, 4), rel=1e-10)
    biased = 2 * d[:4, 4:].mean() - d[:4, :4].mean() - d[4:, 4:].mean()
    assert found.biased == pytest.approx(biased, rel=1e-10)
    relabelled = []
    for chosen in combinations(range(9), 4):
        order = [*chosen, *(i for i in range(9) if i not in chosen)]
        relabelled.append(statistic(d[np.ix_(order, order)], 4))
    assert np.mean(relabelled) == pytest.approx(0, abs=1e-12)
    assert found.z == pytest.approx(found.unbiased / np.std(relabelled), rel=1e-9)
    low, high = found.ci
    assert low < found.unbiased < high


def test_three_rows_a_side_give_no_interval():
    rows = np.random.default_rng(2).normal(size=(6, 2))
    assert compared(rows, 3, np.sqrt).ci is None
    assert compared(rows, 3, np.sqrt).z is not None


def test_samples_are_centred_together_in_their_own_precision():
    x, y = np.random.default_rng(3).normal(size=(2, 6, 3)) + 100
    both, first = samples(x.astype(np.float32), y.astype(np.float32), operation="demo")
    assert (both.dtype, first) == (np.float32, 6)
    np.testing.assert_allclose(both.mean(axis=0), 0, atol=1e-5)
    assert samples(np.float32(1e20) * x.astype(np.float32), y, operation="demo")[0].dtype == float


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.eye(3), np.ones((3, 2)), "equal widths"), (np.ones((1, 2)), np.eye(2), "2 rows each"),
        (np.ones((3, 2)), np.ones((4, 2)), "all equal"),
    ],
)  # fmt: skip
def test_no_two_samples_of_one_space_are_refused(x, y, says):
    with pytest.raises(InputError, match=f"^demo: .*{says}"):
        samples(x, y, operation="demo")
