"""k-means of rows against its definition, and at sizes that float32 alone could not square."""

import numpy as np
import pytest

from isthmus.anchors.clusters import cluster_centres, lloyd, nearest_centre


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(rng):
    """Five tight clusters of 40 rows in 3 dims, and their centres."""
    centres = rng.normal(size=(5, 3)) * 20
    return np.repeat(centres, 40, axis=0) + rng.normal(size=(200, 3)) * 0.1, centres


def test_rows_belong_to_their_nearest_centre(rng):
    x, centres = rng.normal(size=(300, 4)), rng.normal(size=(7, 4))
    gaps = ((x[:, None, :] - centres[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(nearest_centre(x, centres), gaps.argmin(axis=1))


def test_one_round_takes_means_and_leaves_an_empty_centre(rng):
    x = rng.normal(size=(50, 2))
    start = np.array([[-1.0, 0.0], [1.0, 0.0], [99.0, 99.0]])
    own = ((x[:, None, :] - start[None]) ** 2).sum(axis=2).argmin(axis=1)
    wanted = np.stack([x[own == 0].mean(axis=0), x[own == 1].mean(axis=0), start[2]])
    np.testing.assert_allclose(lloyd(x, start, rounds=1), wanted, rtol=1e-12)


def test_rounds_end_when_few_enough_rows_move(rng):
    x, start = rng.normal(size=(500, 3)), rng.normal(size=(9, 3))
    whole, early = lloyd(x, start, rounds=100), lloyd(x, start, rounds=100, settled=0.5)
    np.testing.assert_allclose(lloyd(x, whole, rounds=1), whole, rtol=1e-12)
    assert not np.allclose(early, whole)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_planted_clusters_at_any_size(blobs, rng, scale, offset):
    x, centres = blobs
    found = cluster_centres((x + offset) * scale, 5, rng) / scale - offset
    gaps = np.linalg.norm(found[:, None, :] - centres[None], axis=2)
    assert (gaps.min(axis=0) < 0.1).all()


def test_equal_rows(rng):
    np.testing.assert_array_equal(cluster_centres(np.ones((9, 2)), 1, rng), np.ones((1, 2)))
