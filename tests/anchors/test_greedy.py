"""The block-wise greedy choice against the plain one, where blocks matter: thousands of rows."""

import numpy as np
import pytest

from isthmus.anchors import d2_sampling, farthest_point, pivoted_qr
from isthmus.anchors.greedy import greedy


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).normal(size=(1500, 12)) * np.geomspace(3, 0.3, 12)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_farthest_point_equals_the_plain_choice(rows):
    found = farthest_point(rows, 150, rng=0).tolist()
    near = rows @ rows[found[0]]
    for row in found[1:]:
        assert near[row] == pytest.approx(near.min(), abs=1e-12)
        near = np.maximum(near, rows @ rows[row])


def test_pivoted_qr_equals_lapack(rows):
    from scipy.linalg import qr

    found = pivoted_qr(rows, 12, rng=0)
    # LAPACK starts where it likes; here the first pivot is drawn, so it is taken off first.
    first = rows[found[0]]
    rest = rows - np.outer(rows @ first, first)
    expected = qr(rest.T, pivoting=True, mode="r")[1][:11]
    np.testing.assert_array_equal(found[1:], expected)


def test_a_new_block_begins_when_the_span_is_full(rows):
    found = pivoted_qr(rows, 24, rng=0)
    for block in (found[:12], found[12:]):
        assert np.linalg.matrix_rank(rows[block]) == 12


def test_d2_sampling_follows_its_law():
    # Three places on a line: after the first, squared distances decide.
    x = np.array([[1.0, 0.0], [np.cos(0.5), np.sin(0.5)], [np.cos(1.5), np.sin(1.5)]])
    gaps = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    counts = np.zeros((3, 3))
    for seed in range(3000):
        a, b = d2_sampling(x, 2, rng=seed)
        counts[a, b] += 1
    expected = gaps / gaps.sum(axis=1, keepdims=True) / 3
    assert np.abs(counts / 3000 - expected).max() < 0.03


def test_d2_sampling_is_the_same_with_and_without_blocks(rows, monkeypatch):
    from isthmus.anchors import d2_sampling as sampler

    file = __import__(sampler.__module__, fromlist=["_BLOCK"])
    spread = []
    for block in (1, 64):
        monkeypatch.setattr(file, "_BLOCK", block)
        sets = [d2_sampling(rows, 30, rng=seed) for seed in range(40)]
        spread.append(np.mean([(rows @ rows[s].T).max(axis=1).mean() for s in sets]))
    assert spread[0] == pytest.approx(spread[1], abs=0.005)


def test_greedy_stops_where_it_is_told(rows):
    taken = np.zeros(len(rows), bool)
    found = greedy(
        rows, np.arange(len(rows), dtype=float), 5, taken,
        fold=lambda scores, products: scores, vector=lambda row: None if row == 1497 else rows[row],
    )  # fmt: skip
    assert found == [1499, 1498]
    assert taken.sum() == 2
