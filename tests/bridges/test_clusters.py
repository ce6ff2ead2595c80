"""k-means: what is found on few rows is settled on all; wrong centres are told apart."""

import numpy as np

from isthmus.anchors.clusters import nearest_centre
from isthmus.bridges.clusters import _COARSE, k_means


def cost(x, centres):
    return float(np.sum((x - centres[nearest_centre(x, centres)]) ** 2))


def blobs(n, k=6):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(k, 4)).astype(np.float32) * 4
    return centres, centres[rng.integers(k, size=n)] + rng.normal(size=(n, 4)).astype("f4") / 3


def test_few_rows_and_all_of_them_find_the_same_clusters():
    planted, x = blobs(5 * _COARSE * 6)
    found = k_means(x, 6, rng=np.random.default_rng(1))
    assert cost(x, found) < 1.01 * cost(x, planted)
    wrong = k_means(x[:12], 6, rng=np.random.default_rng(1))
    assert cost(x, wrong) > 1.01 * cost(x, planted)


def test_given_centres_keep_their_order():
    planted, x = blobs(300)
    found = k_means(x, 6, rng=np.random.default_rng(1), start=planted[::-1])
    np.testing.assert_allclose(found, planted[::-1], atol=0.3)


def test_k_means_is_a_fixed_point_as_good_as_scikit_learns():
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(2)
    x = (rng.normal(size=(8, 5))[rng.integers(8, size=400)] * 4 + rng.normal(size=(400, 5))).astype(
        np.float32
    )
    centres = k_means(x, 8, rng=rng)
    gaps = ((x[:, None] - centres) ** 2).sum(axis=2)
    labels = gaps.argmin(axis=1)
    means = np.stack([x[labels == k].mean(axis=0) for k in range(8)])
    np.testing.assert_allclose(means, centres, atol=1e-4)
    best = KMeans(8, n_init=5, random_state=0).fit(x).inertia_
    assert gaps.min(axis=1).sum() < 1.3 * best
