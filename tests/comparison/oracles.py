"""Measures written straight from their equations, in float64 and without a thought for speed.

What is right is decided by these, not by Isthmus: a comparison holds both sides against them.
"""

import itertools

import numpy as np
from scipy.spatial.distance import cdist, pdist


def centred(x):
    return x - x.mean(axis=0)


def double_centred(k):
    h = np.eye(len(k)) - 1 / len(k)
    return h @ k @ h


def alignment(k, m):
    """Cosine of two matrices."""
    return float(np.sum(k * m) / np.linalg.norm(k) / np.linalg.norm(m))


def cka(x, y):
    """Kornblith et al. 2019: the cosine of the doubly centred Gram matrices."""
    return alignment(double_centred(x @ x.T), double_centred(y @ y.T))


def hsic_unbiased(k, m):
    """Song et al. 2012, eq. 5, of matrices whose diagonals are then ignored."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    value = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(value - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def unbiased(k, m):
    """The correlation that unbiased HSIC makes of two matrices."""
    return hsic_unbiased(k, m) / np.sqrt(hsic_unbiased(k, k) * hsic_unbiased(m, m))


def debiased_cka(x, y):
    return unbiased(x @ x.T, y @ y.T)


def gaussian(x, sigma=None):
    """The Gaussian kernel, its width the median distance over pairs of rows unless given."""
    sigma = np.median(pdist(x)) if sigma is None else sigma
    return np.exp(-cdist(x, x, "sqeuclidean") / (2 * sigma**2))


def minibatch_cka(x, y, batches):
    """Nguyen et al. 2021: unbiased HSICs summed over batches, then the cosine."""
    grams = [(x[b] @ x[b].T, y[b] @ y[b].T) for b in batches]
    xy, xx, yy = (
        sum(hsic_unbiased(g[i], g[j]) for g in grams) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    return xy / np.sqrt(xx * yy)


def distance_correlation(x, y):
    """Székely & Rizzo 2013: the cosine of U-centred distance matrices."""
    return unbiased(cdist(x, x), cdist(y, y))


def distance_correlation_biased(x, y):
    """Székely, Rizzo & Bakirov 2007, the square."""
    return alignment(double_centred(cdist(x, x)), double_centred(cdist(y, y)))


def correlations(x, y):
    """Canonical correlations, from orthonormal bases of the centred columns."""
    u, v = (np.linalg.svd(centred(a), full_matrices=False)[0] for a in (x, y))
    return np.linalg.svd(u.T @ v, compute_uv=False)


def truncated(x, share):
    """The leading principal axes that carry ``share`` of the variance."""
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(s**2) / np.sum(s**2), share)) + 1
    return u[:, :kept] * s[:kept]


def pwcca(x, y):
    """Morcos et al. 2018: canonical variates of x weigh by what they hold of x."""
    x, y = centred(x), centred(y)
    u, v = (np.linalg.svd(a, full_matrices=False)[0] for a in (x, y))
    left, rho, _ = np.linalg.svd(u.T @ v)
    weights = np.abs((u @ left).T @ x).sum(axis=1)[: len(rho)]
    return float(weights @ rho / weights.sum())


def cosine_of_shapes(x, y):
    """|XᵀY|_* / (|X| |Y|), the cosine of the Procrustes angle."""
    x, y = centred(x), centred(y)
    return float(np.linalg.norm(x.T @ y, "nuc") / np.linalg.norm(x) / np.linalg.norm(y))


def partly_whitened_angle(x, y, alpha):
    """Williams et al. 2021, the plain and the whitened part each of size one."""
    sides = []
    for a in (centred(x), centred(y)):
        u, _, vt = np.linalg.svd(a, full_matrices=False)
        whole = u @ vt / np.sqrt(u.shape[1])
        sides.append(alpha * a / np.linalg.norm(a) + (1 - alpha) * whole)
    sizes = np.linalg.norm(sides[0]) * np.linalg.norm(sides[1])
    return float(np.arccos(np.linalg.norm(sides[0].T @ sides[1], "nuc") / sizes))


def procrustes(x, y):
    """Schönemann 1966: what the best rotation leaves, root mean square per row."""
    x, y = centred(x), centred(y)
    u, _, vt = np.linalg.svd(x.T @ y)
    return float(np.linalg.norm(x @ u @ vt - y) / np.sqrt(len(x)))


def permutation_procrustes(x, y):
    """The least over all orders of the columns of y, each tried."""
    x, y = centred(x), centred(y)
    orders = itertools.permutations(range(y.shape[1]))
    return float(min(np.linalg.norm(x - y[:, list(p)]) for p in orders) / np.sqrt(len(x)))


def eigenspace_overlap(x, y):
    """May et al. 2019, of the rows as they come."""
    u, v = (np.linalg.svd(a, full_matrices=False)[0] for a in (x, y))
    return float(np.sum((u.T @ v) ** 2) / max(u.shape[1], v.shape[1]))


def gulp(x, y, lam):
    """Boix-Adserà et al. 2022, with sides of mean squared norm one."""
    n = len(x)
    x, y = (centred(a) / np.linalg.norm(centred(a)) * np.sqrt(n) for a in (x, y))
    predictors = [a @ np.linalg.inv(a.T @ a / n + lam * np.eye(a.shape[1])) @ a.T / n
                  for a in (x, y)]  # fmt: skip
    return float(np.linalg.norm(predictors[0] - predictors[1]))


def riemannian(a, b):
    """The affine-invariant distance of two covariances."""
    return float(np.sqrt(np.sum(np.log(np.linalg.eigvals(np.linalg.solve(a, b)).real) ** 2)))


def bures_wasserstein(mean_x, mean_y, a, b):
    """2-Wasserstein distance of two Gaussians."""
    from scipy.linalg import sqrtm

    cross = np.trace(np.real(sqrtm(np.real(sqrtm(a)) @ b @ np.real(sqrtm(a)))))
    return float(np.sqrt(np.sum((mean_x - mean_y) ** 2) + np.trace(a) + np.trace(b) - 2 * cross))


def soft_correlation_match(x, y):
    """The mean best correlation of a column, over the columns of both sides."""
    rho = np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]
    return float((rho.max(axis=1).mean() + rho.max(axis=0).mean()) / 2)


def energy(x, y, *, distinct=True):
    """Székely & Rizzo 2013; over distinct rows, or over all pairs."""
    n, m = len(x), len(y)
    within = [cdist(a, a).sum() / (k * (k - 1) if distinct else k * k)
              for a, k in ((x, n), (y, m))]  # fmt: skip
    return float(2 * cdist(x, y).mean() - sum(within))


def mmd(x, y):
    """Gretton et al. 2012: unbiased, Gaussian, median distance of all rows."""
    both = np.vstack([x, y])
    k = gaussian(both)
    n, m = len(x), len(y)
    xx, yy, xy = k[:n, :n], k[n:, n:], k[:n, n:]
    return float(
        (xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()
    )  # fmt: skip


def rsa(x, y, metric="euclidean", compare=None):
    """The correlation of two lists of distances over pairs of rows."""
    a, b = pdist(x, metric), pdist(y, metric)
    return float(compare(a, b) if compare else np.corrcoef(a, b)[0, 1])


def rank_correlation(a, b):
    from scipy.stats import rankdata

    return np.corrcoef(rankdata(a), rankdata(b))[0, 1]


def kendall_tau_a(a, b):
    i, j = np.triu_indices(len(a), 1)
    return np.mean(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]))


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def clipped(d, lower, upper):
    """Lin & Kriegeskorte 2023: distances between two of their own quantiles."""
    low, high = np.quantile(d, [lower, upper])
    return np.clip((d - low) / (high - low), 0, 1)


def crossnobis(x, labels, groups):
    """Mean over pairs of classes and ordered pairs of groups, noise pooled about class means."""
    classes, parts = np.unique(labels), np.unique(groups)
    rest = np.vstack([x[labels == c] - x[labels == c].mean(axis=0) for c in classes])
    precision = np.linalg.inv(rest.T @ rest / (len(x) - len(classes)))
    means = {(c, g): x[(labels == c) & (groups == g)].mean(axis=0) for c in classes for g in parts}
    return np.array([
        np.mean([
            (means[k, g] - means[m, g]) @ precision @ (means[k, h] - means[m, h])
            for g, h in itertools.permutations(parts, 2)
        ]) / x.shape[1]
        for k, m in itertools.combinations(classes, 2)
    ])  # fmt: skip


def whitened_cosine(d, e):
    """Diedrichsen et al. 2021, V the covariance of distances that share a class."""
    classes = round((1 + np.sqrt(1 + 8 * len(d))) / 2)
    pairs = list(itertools.combinations(range(classes), 2))
    contrast = np.zeros((len(pairs), classes))
    for row, (i, j) in enumerate(pairs):
        contrast[row, [i, j]] = 1, -1
    weight = np.linalg.inv((contrast @ contrast.T) ** 2)
    return float(d @ weight @ e / np.sqrt((d @ weight @ d) * (e @ weight @ e)))


def participation_ratio(x):
    values = np.linalg.eigvalsh(np.cov(x.T))
    return float(values.sum() ** 2 / np.sum(values**2))


def participation_ratio_unbiased(x):
    """tr² and tr of the square, each over distinct rows, so that each is unbiased."""
    n = len(x)
    c = centred(x)
    squared = cdist(x, x, "sqeuclidean")
    # Mean of |x_i - x_j|² |x_k - x_l|² / 4 over four distinct rows.
    total, rows = squared.sum(), squared.sum(axis=1)
    disjoint = total**2 - 4 * np.sum(rows**2) + 2 * np.sum(squared**2)
    trace = disjoint / 4 / (n * (n - 1) * (n - 2) * (n - 3))
    return float(trace / hsic_unbiased(c @ c.T, c @ c.T))


def gromov_objective(a, b, plan):
    """The mismatch of distances under a coupling."""
    gap = (a[:, :, None, None] - b[None, None, :, :]) ** 2
    return float(np.sqrt(np.einsum("ijkl,ik,jl->", gap, plan, plan)))


def read(a):
    """One number that depends on every cell of a matrix, so that two matrices can be compared."""
    return float(np.sum(a * np.random.default_rng(9).normal(size=a.shape)))


def rotation(x, y):
    """The orthogonal matrix that carries x (n, d) nearest to y (n, d)."""
    u, _, vt = np.linalg.svd(x.T @ y)
    return u @ vt


def cosines(x, anchors):
    """Cosine of every row with every anchor."""
    return np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in anchors] for a in x])
