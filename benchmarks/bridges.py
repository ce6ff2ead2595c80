"""Speed of bridges against their bare linear algebra, in one process, in turns.

python benchmarks/bridges.py [--only fits transforms relative curve published_3000 mini]

fits: every closed-form bridge against the products and factorisations that its formula names.
transforms: every linear bridge, a hub's and an origin map's among them, against one product x W.
relative: codes of all rows against 1,024 anchors, against the similarity product with the one
function (arccos, square root, exponential) that its formula names, or SciPy's distances where it
names no product, and against the product alone. curve: the anchor budget curve, 10 samplers
by 8 sizes. published_3000, published_6000, published_60000: mini_vec2vec beside a direct NumPy and
SciPy rendering of the published steps at so many rows, the last for most of an hour. mini:
mini_vec2vec on 60,000 x 384 against as many. Each figure is the best of several turns, but for the
curve and these, which run once.
"""

import argparse
import json
import time
from functools import partial

import numpy as np
from record import RESULTS, record
from scipy.spatial.distance import cdist

from isthmus.core.registry import method, methods

TURNS = 5
#: A product of a tenth of a second needs more of them beside other work on the machine.
SHORT_TURNS = 40
#: Passes over all bridges in which those turns are taken: a busy minute then falls on none alone.
PASSES = 4


def data(n, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d), dtype=np.float32) / np.sqrt(np.arange(1, d + 1, dtype="f4"))
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    return x, x @ turn + np.float32(0.05) * rng.standard_normal((n, d), dtype=np.float32)


def best(*runs, turns=TURNS):
    """The least seconds of every run, taken in turns."""
    for run in runs:
        run()
    times = [[] for _ in runs]
    for _ in range(turns):
        for run, mine in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            mine.append(time.perf_counter() - start)
    return [min(mine) for mine in times]


def _fit(found, x, y):
    found.call().fit(x, y)


def _svd(x, y):
    np.linalg.svd((x.T @ y).astype(np.float64))


def _ridge(x, y):
    xx, xy = (x.T @ x).astype(np.float64), (x.T @ y).astype(np.float64)
    values, vectors = np.linalg.eigh(xx)
    vectors @ ((vectors.T @ xy) / (values + 1)[:, None])


def _reduced(x, y):
    _ridge(x, y)
    np.linalg.eigh((x.T @ x).astype(np.float64))


def _canonical(x, y):
    xx, xy, yy = (p.astype(np.float64) for p in (x.T @ x, x.T @ y, y.T @ y))
    (a, u), (b, v) = np.linalg.eigh(xx), np.linalg.eigh(yy)
    np.linalg.svd(u.T @ xy @ v / np.sqrt(np.abs(a) + 1)[:, None] / np.sqrt(np.abs(b) + 1))


def _nystrom(x, y, landmarks=1000):
    u = x.astype(np.float64) / np.linalg.norm(x, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(u[:landmarks] @ u[:landmarks].T)
    features = (u @ u[:landmarks].T) @ vectors[:, values > 1e-10 * values[-1]]
    cross = features.T @ y.astype(np.float64)
    values, vectors = np.linalg.eigh(features.T @ features)
    vectors @ ((vectors.T @ cross) / (values + 1)[:, None])


def _decoder(x, y, anchors=300):
    u = y.astype(np.float64) / np.linalg.norm(y, axis=1, keepdims=True)
    codes = u @ u[:anchors].T
    values, vectors = np.linalg.eigh(codes.T @ codes)
    vectors @ ((vectors.T @ (codes.T @ u)) / (values + 1)[:, None])


def _shrunk(x, y):
    products = [p.astype(np.float64) for p in (x.T @ x, x.T @ y, y.T @ y)]
    values, vectors = np.linalg.eigh(products[0] + products[2] - products[1] - products[1].T)
    (vectors / np.sqrt(np.abs(values) + 1)) @ vectors.T


#: The bare linear algebra that each closed form names. What a functional map and a mixture of maps
#: name beside their graphs and clusters is small.
BARE = {
    "orthogonal": _svd,
    "affine": _ridge,
    "low_rank": _reduced,
    "canonical": _canonical,
    "kernel_ridge": _nystrom,
    "relative": _decoder,
    "origin_map": _shrunk,
}


def fits(n, d):
    x, y = data(n, d)
    figures = {}
    for name, bare in BARE.items():
        found = method("bridges", name)
        ours, limit = best(partial(_fit, found, x, y), partial(bare, x, y))
        figures[name] = {"seconds": ours, "bare_s": limit, "times_bare": ours / limit}
    return figures


def transforms(n, d):
    x, y = data(n, d)
    few, runs = slice(0, 2000), {}
    for found in methods("bridges"):
        if found.card.spaces != 2 and found.name != "origin_map":
            continue
        if "coef_" not in getattr(found.call, "STATE", {}):
            continue
        fitted = found.call(**dict(found.card.quick)).fit(x[few], y[few])
        w = fitted.coef_.astype(np.float32)
        runs[found.name] = partial(fitted.transform, x), partial(np.matmul, x, w)
    hub = method("bridges", "universal_space").call().fit({"x": x[few], "y": y[few]})
    w = hub.bridge("x", "y").map.coef_.astype(np.float32)
    runs["universal_space"] = partial(hub.transform, x, "x", "y"), partial(np.matmul, x, w)
    least = dict.fromkeys(runs, (np.inf, np.inf))
    for _ in range(PASSES):
        for name, both in runs.items():
            found = best(*both, turns=SHORT_TURNS // PASSES)
            least[name] = tuple(np.minimum(least[name], found).tolist())
    return {
        name: {"seconds": ours, "bare_s": bare, "times_bare": ours / bare}
        for name, (ours, bare) in least.items()
    }


def relative(n, d, anchors=1024):
    x, y = data(n, d)
    figures = {}
    for similarity in (*NAMED, *APART):
        fitted = method("bridges", "relative").call(anchors=anchors, similarity=similarity)
        fitted.fit(x[:4000], y[:4000])
        a = fitted.source_anchors_.astype(np.float32)
        rows = x[:2000] if similarity in APART else x
        ours, bare, product = best(
            partial(fitted.encode_source, rows),
            partial(_similarity, rows, a, similarity),
            partial(np.matmul, rows, a.T),
            turns=1 if similarity in APART else SHORT_TURNS,
        )
        figures[similarity] = {
            "seconds": ours, "bare_s": bare, "product_s": product,
            "times_bare": ours / bare, "times_product": ours / product,
        }  # fmt: skip
    return figures


#: The one function of each entry that a similarity's formula names beside the product, and the ends
#: of what it takes.
NAMED = {
    "cosine": None,
    "angular": (np.arccos, -1, 1),
    "euclidean": (np.sqrt, 0, None),
    "kernel": (np.exp, None, 0),
}


#: SciPy's name of distances that are no function of a product.
APART = {"l1": "cityblock", "linf": "chebyshev"}


def _similarity(x, a, similarity):
    if similarity in APART:
        cdist(x, a, APART[similarity])
        return
    found = x @ a.T
    if NAMED[similarity]:
        function, low, high = NAMED[similarity]
        np.clip(found, low, high, out=found)
        function(found, out=found)


def curve(n, d):
    from isthmus.bridges.anchor_curve import anchor_curve

    x, y = data(n, d)
    labels = np.argmax(x[:, :10], axis=1)
    samplers = [m.name for m in methods("anchors")][:10]
    sizes = (10, 20, 50, 100, 200, 500, 1000, 2000)
    start = time.perf_counter()
    anchor_curve(x, y, samplers=samplers, sizes=sizes, labels=labels)
    taken = time.perf_counter() - start
    return {"samplers": samplers, "sizes": list(sizes), "seconds": taken}


def beside_published(n, d, seed=0):
    from published_mini_vec2vec import published

    x, y = clusters(2 * n, d, seed=seed)
    start = time.perf_counter()
    ours = method("bridges", "mini_vec2vec").call(least=0, rng=seed).fit(x[:n], y[n:], pairs=())
    middle = time.perf_counter()
    theirs = published(x[:n], y[n:], seed=seed)
    end = time.perf_counter()
    return {
        "rows": n, "dim": d, "seconds": middle - start, "published_s": end - middle,
        "times_faster": (end - middle) / (middle - start),
        "cosine": _cosine(ours.transform(x[:2000]), y[:2000]),
        "published_cosine": _cosine(theirs(x[:2000]), y[:2000]),
    }  # fmt: skip


def seeds_beside_published(n, d, seeds=3):
    """The same on other draws of rows, clusters and starts."""
    return {"seeds": [beside_published(n, d, seed) for seed in range(seeds)]}


def mini(n, d):
    x, y = clusters(2 * n, d)
    start = time.perf_counter()
    fitted = method("bridges", "mini_vec2vec").call().fit(x[:n], y[n:], pairs=())
    taken = time.perf_counter() - start
    return {
        "rows": n, "dim": d, "seconds": taken, "confidence": fitted.confidence_,
        "cosine": _cosine(fitted.transform(x[:2000]), y[:2000]),
    }  # fmt: skip


def clusters(n, d, kinds=200, seed=0):
    """Spaces with something to find without pairs: clusters of unequal sizes, one side turned."""
    rng = np.random.default_rng(seed)
    spread = 1 / np.sqrt(np.arange(1, d + 1, dtype="f4"))
    own = rng.choice(kinds, n, p=rng.dirichlet(np.ones(kinds)))
    centres = rng.standard_normal((kinds, d), dtype=np.float32) * spread
    x = centres[own] + np.float32(0.7) * rng.standard_normal((n, d), dtype=np.float32) * spread
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    return x, x @ turn + np.float32(0.05) * rng.standard_normal((n, d), dtype=np.float32)


def _cosine(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float(np.mean(np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=768)
    size = {"fits": fits, "transforms": transforms, "relative": relative, "curve": curve}
    own = {
        "published_3000": partial(beside_published, 3000, 384),
        "published_6000": partial(seeds_beside_published, 6000, 384),
        "published_60000": partial(beside_published, 60_000, 384),
        "mini": partial(mini, 60_000, 384),
    }
    parser.add_argument("--only", nargs="*", choices=(*size, *own), default=(*size, *own))
    options = parser.parse_args()
    file = RESULTS / "bridges.json"
    figures = json.loads(file.read_text())["figures"] if file.is_file() else {}
    figures |= {"rows": options.rows, "dim": options.dim}
    for name in options.only:
        figures[name] = own[name]() if name in own else size[name](options.rows, options.dim)
        record("bridges", figures, whole=True)


if __name__ == "__main__":
    main()
