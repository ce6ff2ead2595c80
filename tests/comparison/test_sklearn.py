"""scikit-learn: neighbours, probes and regressions; canonical correlations stop early."""

import numpy as np
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.kernel_ridge import KernelRidge as TheirKernelRidge
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeCV
from sklearn.manifold import trustworthiness as theirs_of
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from isthmus.bridges import Affine, Canonical, KernelRidge
from isthmus.measures import (
    cca,
    continuity,
    knn_probe,
    linear_probe,
    pls_r2,
    ridge_r2,
    trustworthiness,
)
from isthmus.measures.held_out import predictions

GRID = np.logspace(-10, 4, 57)


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


def folds_of(x, y):
    """Which rows ours holds out together."""

    def nothing(moments, _):
        return np.zeros(moments.dims)

    return [rows for rows, _, _ in predictions(x, y, 5, 0, nothing, operation="folds")]


def held_out(x, y, folds, model):
    """R² of a scikit-learn model, ``model(rest)``, on the folds that it has not seen."""
    missed = spread = 0.0
    for held in folds:
        rest = np.setdiff1d(np.arange(len(x)), held)
        guess = model(rest).fit(x[rest], y[rest]).predict(x[held])
        missed += np.sum((y[held] - guess) ** 2)
        spread += np.sum((y[held] - y[rest].mean(axis=0)) ** 2)
    return 1 - missed / spread


def unit(x):
    """What ours counts penalties in: the mean eigenvalue of the scatter."""
    return np.var(x, axis=0).mean() * len(x)


def test_ridge(compare, oracle, spaces):
    x, y = spaces
    folds = folds_of(x, y)

    def chosen(rest):
        part = (oracle.centred(a[rest]) for a in (x, y))
        return Ridge(alpha=oracle.ridge(*part, GRID)[1])

    known = {
        "ours": ridge_r2(x, y), "equation": "Golub 1979, GCV in each training set",
        "oracle": oracle.held_out_r2(x, y, folds, lambda a, b: oracle.ridge(a, b, GRID)[0]),
    }  # fmt: skip
    compare.same(
        "ridge_r2", "Ridge, its penalty by GCV", theirs=held_out(x, y, folds, chosen), **known
    )
    compare.differs(
        "ridge_r2", "RidgeCV", right="both",
        theirs=held_out(x, y, folds, lambda rest: RidgeCV(GRID * unit(x[rest]))),
        explained=oracle.held_out_r2(
            x, y, folds, lambda a, b: oracle.ridge(a, b, GRID, leave_one_out=True)[0]
        ),
        why="The penalty of least leave-one-out error, which moves when the rows are rotated "
        "among each other; generalised cross-validation does not.", **known,
    )  # fmt: skip


def test_pls(compare, oracle, spaces):
    x, y = spaces
    folds = folds_of(x, y)
    options = {"scale": False, "tol": 1e-14, "max_iter": 100_000}
    known = {
        "ours": pls_r2(x, y, components=3), "equation": "Dayal & MacGregor 1997",
        "oracle": oracle.held_out_r2(x, y, folds, lambda a, b: oracle.pls(a, b, 3)),
    }  # fmt: skip
    theirs = held_out(x, y, folds, lambda _: PLSRegression(3, **options))
    compare.same("pls_r2, components=3", "PLSRegression(scale=False)", theirs=theirs, **known)
    scaled = held_out(x, y, folds, lambda _: PLSRegression(3, **options | {"scale": True}))

    def standard(a, b):
        sizes = a.std(axis=0, ddof=1), b.std(axis=0, ddof=1)
        return oracle.pls(a / sizes[0], b / sizes[1], 3) / sizes[0][:, None] * sizes[1]

    compare.differs(
        "pls_r2, components=3", "PLSRegression()", theirs=scaled, right="both",
        explained=oracle.held_out_r2(x, y, folds, standard),
        why="Every column is scaled to unit variance first, so that a rotation of a space moves "
        "the value.", **known,
    )  # fmt: skip


def test_knn_probe(compare, oracle, spaces):
    x, y = spaces
    labels = (y[:, 0] > np.median(y[:, 0])).astype(int)
    model = KNeighborsClassifier(n_neighbors=9)
    compare.same(
        "knn_probe, k=9", "KNeighborsClassifier, each row left out",
        theirs=cross_val_score(model, x, labels, cv=LeaveOneOut()).mean(),
        ours=knn_probe(x, labels, k=9), oracle=oracle.voted(x, labels, 9),
        equation="Cover & Hart 1967",
    )  # fmt: skip


def test_linear_probe(compare, oracle, spaces):
    x, y = spaces
    classes = np.digitize(y[:, 0], np.quantile(y[:, 0], [1 / 3, 2 / 3]))
    targets = np.eye(3)[classes]
    theirs, right = np.empty((2, 60))
    for out in folds_of(x, targets):
        rest = np.setdiff1d(np.arange(60), out)
        parts = x[rest] - x[rest].mean(axis=0), targets[rest] - targets[rest].mean(axis=0)
        w, penalty = oracle.ridge(*parts, GRID)
        theirs[out] = RidgeClassifier(alpha=penalty).fit(x[rest], classes[rest]).predict(x[out])
        guess = (x[out] - x[rest].mean(axis=0)) @ w + targets[rest].mean(axis=0)
        right[out] = guess.argmax(axis=1)
    compare.same(
        "linear_probe", "RidgeClassifier, its penalty by GCV", theirs=np.mean(theirs == classes),
        ours=linear_probe(x, classes), oracle=np.mean(right == classes),
        equation="largest ridge prediction",
    )  # fmt: skip


def test_ridge_bridges(compare, oracle, spaces):
    x, y = spaces
    xc, yc = oracle.centred(x), oracle.centred(y)
    map_of = np.linalg.solve(xc.T @ xc + 0.1 * unit(x) * np.eye(5), xc.T @ yc)
    compare.same(
        "affine, alpha=0.1", "Ridge", ours=oracle.read(Affine(alpha=0.1).fit(x, y).transform(x)),
        theirs=oracle.read(Ridge(alpha=0.1 * unit(x)).fit(x, y).predict(x)),
        oracle=oracle.read(xc @ map_of + y.mean(axis=0)), equation="Hoerl & Kennard 1970",
    )  # fmt: skip
    kernel = oracle.cosines(x, x)
    arc = np.arccos(np.clip(kernel, -1, 1))
    kernel = (np.sin(arc) + (np.pi - arc) * np.cos(arc)) / np.pi
    alpha = 0.01 * np.linalg.eigvalsh(kernel).mean()
    ours = KernelRidge(kernel="arc_cosine", landmarks=60, alpha=0.01).fit(x, y).transform(x)
    model = TheirKernelRidge(alpha=alpha, kernel="precomputed").fit(kernel, y)
    compare.same(
        "kernel_ridge, alpha=0.01", "KernelRidge", theirs=oracle.read(model.predict(kernel)),
        ours=oracle.read(ours), equation="(K + α)⁻¹ Y",
        oracle=oracle.read(kernel @ np.linalg.solve(kernel + alpha * np.eye(60), y)),
    )  # fmt: skip
