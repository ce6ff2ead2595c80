"""The published steps of mini-vec2vec as directly as NumPy, SciPy and scikit-learn say them.

What ``benchmarks/bridges.py`` holds ``isthmus.bridges.MiniVec2vec`` against. Dar 2025: 30 runs of
k-means (20) on 10,000 rows a side matched by SciPy's 2-opt from 30 starts; cosines to the 600
centres; the mean of the 50 nearest rows as pseudo-pair; Procrustes; 100 rounds of 10,000 rows; one
round of 500 clusters. float64 throughout, as those libraries give it.
"""

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans

SAMPLE, NEAREST, STARTS, FINE = 10_000, 50, 30, 500


def published(x, y, *, seed, runs=30, clusters=20, rounds=100):
    """The map of source rows, as a function of new ones."""
    rng = np.random.default_rng(seed)
    means = x.mean(axis=0), y.mean(axis=0)
    a, b = (_unit(side.astype(np.float64) - mean) for side, mean in zip((x, y), means, strict=True))
    ours, theirs = [], []
    for run in range(runs):
        one, two = (
            KMeans(clusters, n_init=1, random_state=run)
            .fit(side[rng.permutation(len(side))[:SAMPLE]])
            .cluster_centers_
            for side in (a, b)
        )
        grams = [(c - c.mean(axis=0)) @ (c - c.mean(axis=0)).T for c in (one, two)]
        tries = [
            quadratic_assignment(*grams, method="2opt", options={"maximize": True, "rng": rng})
            for _ in range(STARTS)
        ]
        ours.append(one)
        theirs.append(two[max(tries, key=lambda found: found.fun).col_ind])
    codes = [
        _unit(side @ _unit(np.concatenate(c)).T)
        for side, c in zip((a, b), (ours, theirs), strict=True)
    ]
    w = orthogonal_procrustes(a, _pseudo(*codes, b))[0]
    for _ in range(rounds):
        rows = a[rng.permutation(len(a))[:SAMPLE]]
        w = (w + orthogonal_procrustes(rows, _pseudo(_unit(rows @ w), b, b))[0]) / 2
    fine = min(FINE, len(a) // 4)
    one = KMeans(fine, n_init=1, random_state=seed).fit(a).cluster_centers_
    two = KMeans(fine, n_init=1, init=one @ w).fit(b).cluster_centers_
    w = (w + orthogonal_procrustes(one, two)[0]) / 2
    return lambda new: (new - means[0]) @ w + means[1]


def _unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def _pseudo(codes, theirs, rows):
    """The mean of the 50 rows whose codes are nearest to each of ``codes``, in blocks."""
    parts = []
    for start in range(0, len(codes), 1000):
        similar = codes[start : start + 1000] @ theirs.T
        nearest = np.argpartition(-similar, NEAREST, axis=1)[:, :NEAREST]
        parts.append(rows[nearest].mean(axis=1))
    return np.concatenate(parts)
