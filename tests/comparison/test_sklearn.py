"""scikit-learn: trustworthiness; canonical correlations by an iteration that stops early."""

import numpy as np
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.manifold import trustworthiness as theirs_of

from isthmus.bridges import Canonical
from isthmus.measures import cca, continuity, trustworthiness


def correlations(x, y, **options):
    u, v = CCA(n_components=5, **options).fit(x, y).transform(x, y)
    return np.array([np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(5)])


def test_cca(compare, oracle, spaces):
    x, y = spaces
    known = {
        "ours": cca(x, y), "oracle": np.mean(oracle.correlations(x, y) ** 2),
        "equation": "Pillai's trace over r",
    }  # fmt: skip
    exact = correlations(x, y, tol=1e-14, max_iter=100_000)
    compare.same("cca", "CCA(tol=1e-14)", theirs=np.mean(exact**2), **known)
    theirs = correlations(x, y)
    # At its default tolerance each correlation is off by more than the mean is.
    assert 1e-7 < np.abs(theirs - oracle.correlations(x, y)).max() < 1e-4


def test_trustworthiness(compare, oracle, spaces):
    x, y = spaces
    known = {"equation": "Venna & Kaski 2001"}
    compare.same(
        "trustworthiness", "trustworthiness(x, y)", theirs=theirs_of(x, y, n_neighbors=10),
        ours=trustworthiness(x, y, k=10), oracle=oracle.trustworthiness(x, y, 10), **known,
    )  # fmt: skip
    compare.same(
        "continuity", "trustworthiness(y, x)", theirs=theirs_of(y, x, n_neighbors=10),
        ours=continuity(x, y, k=10), oracle=oracle.trustworthiness(y, x, 10), **known,
    )  # fmt: skip


def test_canonical_bridge(compare, oracle, spaces):
    x, y = spaces
    fitted = Canonical(shrinkage=0, regress=True).fit(x, y)
    model = PLSRegression(n_components=5, scale=False, tol=1e-14, max_iter=100_000).fit(x, y)
    # Along all directions, canonical or latent, prediction is the one regression.
    compare.same(
        "canonical, all directions", "PLSRegression(n_components=5)",
        theirs=oracle.read(model.predict(x)), ours=oracle.read(fitted.transform(x)),
        oracle=oracle.read(oracle.least_squares(x, y, x)), equation="Hotelling 1936",
    )  # fmt: skip
    compare.same(
        "canonical, first correlation", "CCA(tol=1e-14)", equation="Hotelling 1936",
        theirs=correlations(x, y, tol=1e-14, max_iter=100_000)[0], ours=fitted.correlations_[0],
        oracle=oracle.correlations(x, y)[0],
    )  # fmt: skip
