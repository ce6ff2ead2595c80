"""Measures of neighbourhoods, written straight from their equations (``oracles.py``)."""

import numpy as np
from scipy.optimize import brentq, linprog
from scipy.spatial.distance import cdist, pdist


def two_nn(x, discard):
    """Maximum likelihood of a Pareto ratio, the largest ratios censored."""
    r = np.sort(cdist(x, x), axis=1)
    logs = np.sort(np.log(r[:, 2] / r[:, 1]))
    m = len(x) - int(discard * len(x))
    return float((m - 1) / (logs[:m].sum() + (len(x) - m) * logs[m - 1]))


def gride(x, near, far, *, fewer=0, cut=False):
    """Denti et al. 2022: the root of the likelihood's slope; ``fewer`` terms in log d."""
    r = np.sort(cdist(x, x), axis=1)
    ratio = r[:, far] / r[:, near]
    if cut:
        high, middle = np.percentile(ratio, [95, 50])
        ratio = ratio[ratio < 20 * (high - middle) + middle]
    logs = np.log(ratio)

    def slope(d):
        rest = np.sum((far - near - 1) * logs / (1 - np.exp(-d * logs)) - (far - 1) * logs)
        return (len(logs) - fewer) / d + rest

    return float(brentq(slope, 1e-3, 1e3, xtol=1e-12))


def levina_bickel(x, k):
    """Levina & Bickel 2004, inverses averaged (MacKay & Ghahramani 2005)."""
    r = np.sort(cdist(x, x), axis=1)[:, 1 : k + 1]
    return float(1 / np.mean(np.log(r[:, -1:] / r[:, :-1]).mean(axis=1)))


def information_imbalance(x, y):
    """Glielmo et al. 2022: the mean rank in y of the nearest in x."""
    dx, dy = cdist(x, x), cdist(y, y)
    np.fill_diagonal(dx, np.inf)
    ranks = dy.argsort(axis=1).argsort(axis=1)
    n = len(x)
    return float(2 / n * ranks[np.arange(n), dx.argmin(axis=1)].mean())


def neighbours(x, k, metric="euclidean"):
    d = cdist(x, x, metric)
    np.fill_diagonal(d, np.inf)
    return d.argsort(axis=1)[:, :k]


def mutual_knn(x, y, k, metric="euclidean"):
    pairs = zip(neighbours(x, k, metric), neighbours(y, k, metric), strict=True)
    return float(np.mean([len(set(a) & set(b)) / k for a, b in pairs]))


def jaccard(x, y, k, metric="euclidean"):
    pairs = zip(neighbours(x, k, metric), neighbours(y, k, metric), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in pairs]))


def rank_biased_overlap(x, y, k, p):
    """Webber et al. 2010, extrapolated from depth k, of lists of neighbours by cosine."""
    found = []
    for a, b in zip(neighbours(x, k, "cosine"), neighbours(y, k, "cosine"), strict=True):
        agreed = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)]
        found.append((1 - p) * sum(p**d * v for d, v in enumerate(agreed)) + p**k * agreed[-1])
    return float(np.mean(found))


def neighbours_kept(x, y):
    """Share of the K nearest that both sides have in common, K = 1 .. n - 1."""
    return np.array([mutual_knn(x, y, k) for k in range(1, len(x))])


def r_nx_auc(x, y):
    """Lee et al. 2015: what is kept beyond chance, weighed by 1 / K."""
    n, sizes = len(x), np.arange(1, len(x) - 1)
    beyond = ((n - 1) * neighbours_kept(x, y)[:-1] - sizes) / (n - 1 - sizes)
    return float(np.sum(beyond / sizes) / np.sum(1 / sizes))


def hubness(x, k, metric):
    """Radovanović et al. 2010: skewness of how often each row is a neighbour."""
    counts = np.bincount(neighbours(x, k, metric).ravel(), minlength=len(x)) - k
    return float(np.mean(counts**3) / np.mean(counts**2) ** 1.5)


def mean_cosine(x):
    """Over all pairs of different rows."""
    return float(1 - pdist(x, "cosine").mean())


def transport(cost, a, b):
    """The least cost of carrying masses a to b, by linear programming."""
    n, m = cost.shape
    sums = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return float(linprog(cost.ravel(), A_eq=sums, b_eq=np.concatenate([a, b])).fun)


def ollivier_ricci(edges, n):
    """Ollivier 2009: 1 - W(m_u, m_v) on every edge, half of the mass at the node itself."""
    apart = np.full((n, n), np.inf)
    np.fill_diagonal(apart, 0)
    for u, v in edges:
        apart[u, v] = apart[v, u] = 1
    lazy = np.where(apart == 1, 0.5 / (apart == 1).sum(axis=1, keepdims=True), 0) + np.eye(n) / 2
    for k in range(n):  # Floyd and Warshall
        apart = np.minimum(apart, apart[:, [k]] + apart[[k], :])
    found = []
    for u, v in edges:
        a, b = np.flatnonzero(lazy[u]), np.flatnonzero(lazy[v])
        found.append(1 - transport(apart[np.ix_(a, b)], lazy[u, a], lazy[v, b]))
    return np.array(found)


def trustworthiness(x, y, k):
    """Venna & Kaski 2001: ranks in x of the neighbours that y adds."""
    n = len(x)
    ranks = cdist(x, x).argsort(axis=1).argsort(axis=1)
    near = neighbours(y, k)
    excess = np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0)
    return float(1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess.sum())
