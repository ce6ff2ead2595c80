"""What the arithmetic of each measure costs bare: its products, and the factorisations it needs."""

import time
import warnings

import numpy as np

#: Neighbours.
K = 10


def rows(x, y):
    """One pass: no product, only differences and norms."""
    gap = x - y
    np.einsum("ij,ij->i", gap, gap)


def own(x, _):
    return x.T @ x


def cross(x, y):
    return x.T @ y


def both(x, y):
    return x.T @ x, y.T @ y


def products(x, y):
    return x.T @ y, x.T @ x, y.T @ y


def through(x, _):
    """Its own product, and its rows through it: what its exact jackknife names."""
    x @ own(x, None)


def fitted(x, y):
    """All three products, of which the bias behind the interval needs two, and the rows turned."""
    x @ products(x, y)[0]


def spanned(x, y):
    """All three products, and the rows of both through one: the influences of the interval."""
    between = products(x, y)[0]
    x @ between, y @ between.T


def left_out(x, y):
    """All three products and the rows through each: the exact jackknife of the interval."""
    xy, xx, yy = products(x, y)
    x @ xy, x @ xx, y @ yy


def partialled(x, y):
    """Those, and what three columns of a confound share with either side, and rows through that."""
    left_out(x, y)
    for side in (x, y):
        side @ (side.T @ side[:, :3])


def grouped(x, y):
    """All three products, the rows turned, and cross-covariances of a dozen groups multiplied.

    In float64, for the order of rows must not depend on rounding. One sweep carries products of two
    to five groups along, from the second to the last but one; there are two senses of two orders,
    and those of the first again from their end, for the interval.
    """
    wide = x.astype(np.float64), y.astype(np.float64)
    fitted(*wide)
    cross(*wide)
    one = wide[0][:2000].T @ wide[1][:2000]
    for _ in range((2 * 2 + 2) * (1 + 2 + 3 + 4 * 7)):
        one @ one


def directed(x, y):
    """Both sides at length one, the gaps of partners, and the products of either side."""
    u, v = (side / np.sqrt(np.einsum("ij,ij->i", side, side))[:, None] for side in (x, y))
    rows(u, v)
    both(u, v)


def directions(x, _):
    """Rows at length one, their sum, each row along it, and their product."""
    u = x / np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
    u @ u.sum(axis=0)
    own(u, None)


def spectral(x, _):
    """Its own product in float64, and its rows through the axes: the influences of a spectrum."""
    wide = x.astype(np.float64)
    wide.T @ wide
    x @ x[: x.shape[1]]


def spectra(x, y):
    """Both products in float64, rows through both axes, between them, and through that."""
    spectral(x, None)
    spectral(y, None)
    between = cross(x, y)
    x @ between, y @ between.T


def damped(x, y):
    """Those, and what each basis leaves of the other, whose product is half of the distance."""
    spectra(x, y)
    own(y - x @ x[: x.shape[1]], None)


def apart(x, y):
    """Either product, and the rows through each: the influences of both samples."""
    through(x, None)
    through(y, None)


def shuffled(x, _):
    """Its axes, and the indicators of four classes through them in 199 shuffles."""
    spectral(x, None)
    x.T @ np.ones((len(x), 4 * 199), x.dtype)


def classed(x, _):
    """The means of four classes, and each row's gap from its own: its length, and along a way."""
    member = np.eye(4, dtype=x.dtype)[np.arange(len(x)) % 4]
    means = (member.T @ x) / x.dtype.type(len(x) / 4)
    gap = x - member @ means
    np.einsum("ij,ij->i", gap, gap)
    np.einsum("ij,ij->i", gap, member @ means)


def roles(x, _):
    """Those, its own product, and the square of that: the skewness behind p."""
    classed(x, None)
    scatter = own(x, None)
    scatter @ scatter


def repeated(x, _):
    """Sums of rows, their gaps and the product of those, cells whitened, six pairs of them apart.

    Of five rows in a group, in four classes, six tenths as many cells come as there are rows.
    """
    gap = x - x.sum(axis=0) / len(x)
    gap[: 6 * len(x) // 10] @ own(gap, None)
    for _ in range(6):
        rows(x[:1200], x[2000:3200])


def repeats(x, y):
    repeated(x, None)
    repeated(y, None)


def shells(x, y):
    """Either product, the rows through it, their distances from the mean, and their directions."""
    apart(x, y)
    for side in (x, y):
        rows(side, side.mean(axis=0))
        u = side / np.sqrt(np.einsum("ij,ij->i", side, side))[:, None]
        u @ u.sum(axis=0)


def counted(x, _):
    """Every column sorted, and its twenty bins counted with three binary factors 199 times."""
    np.sort(x, axis=0)
    shuffled = np.ones((len(x), 3 * 199), x.dtype)
    for _ in range(0, x.shape[1], 64):
        member = np.zeros((len(x), 64 * 20), x.dtype)
        member[:, ::20] = 1
        member.T @ shuffled


def explained(x, _):
    """That, and a logistic regression of each factor on either half, which the library fits."""
    from sklearn.linear_model import LogisticRegression

    counted(x, None)
    unit = (x - x.mean(axis=0)) / x.std(axis=0)
    for half in (slice(0, len(x) // 2), slice(len(x) // 2, len(x))):
        for column in x.T[:3]:
            LogisticRegression(max_iter=1000).fit(unit[half], column[half] > 0)


def lassos(x, _):
    """The library's lasso of three factors, of 199 shuffles of them, and without each fold."""
    from sklearn.linear_model import Lasso

    unit = (x - x.mean(axis=0)) / x.std(axis=0)
    draw = np.random.default_rng(0)
    targets = np.hstack([unit[draw.permutation(len(x)), :3] for _ in range(200)])
    Lasso(alpha=0.01, precompute=True).fit(unit, targets)
    for held in np.array_split(draw.permutation(len(x)), 5):
        rest = np.delete(unit, held, axis=0)
        Lasso(alpha=0.01, precompute=True).fit(rest, rest[:, :3])


def batched(x, y):
    """All inner products of centred rows within batches of 64 that are drawn at random.

    Drawn from an order that rows come to by their centred norms, so that theirs does not count.
    """
    norms = [np.einsum("ij,ij->i", side, side) for side in (x - x.mean(0), y - y.mean(0))]
    order = np.random.default_rng(0).permutation(np.argsort(norms[0] + norms[1]))
    for side in (x, y):
        for start in range(0, len(x), 64):
            part = side[order[start : start + 64]]
            part = part - part.mean(axis=0)
            part @ part.T


def folded(x, _):
    """The float64 products of five folds: a map of many directions needs them."""
    wide = x.astype(np.float64)
    for start in range(0, len(x), len(x) // 5):
        part = wide[start : start + len(x) // 5]
        part.T @ part


def audited(x, _):
    """Those, which probes of three features share, and the classes of each."""
    folded(x, None)
    for _ in range(3):
        classed(x, None)


def folded_pairs(x, y):
    """The float64 products of five folds, their maps in and out of axes, every row predicted."""
    wide = x.astype(np.float64), y.astype(np.float64)
    for start in range(0, len(x), len(x) // 5):
        part, other = (side[start : start + len(x) // 5] for side in wide)
        turn, cross = part.T @ part, part.T @ other
        part @ (turn @ (turn.T @ cross))


def gram(x, _):
    """All inner products of one side, block by block."""
    for start in range(0, len(x), 1000):
        x[start : start + 1000] @ x.T


def grams(x, y):
    gram(x, None)
    gram(y, None)


def samples(x, y):
    """Within both samples and between them."""
    grams(x, y)
    for start in range(0, len(x), 1000):
        x[start : start + 1000] @ y.T


def search(x, _):
    """The bare exact k-NN search of one side."""
    import faiss

    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    index.search(x, K + 1)


def searches(x, y):
    search(x, None)
    search(y, None)


def others(x, _):
    """The bare exact search for the nearest row of another of four classes."""
    import faiss

    member = np.arange(len(x)) % 4
    for c in range(4):
        index = faiss.IndexFlatL2(x.shape[1])
        index.add(x[member != c])
        index.search(x[member == c], 1)


def spectra_of_neighbours(x, _):
    """The search, and the eigenvalues of 31 rows about each: what a local spectrum is."""
    search(x, None)
    for start in range(0, len(x), 50):
        clouds = np.broadcast_to(x[start : start + 31].astype(np.float64), (50, 31, x.shape[1]))
        np.linalg.eigvalsh(clouds @ clouds.transpose(0, 2, 1))


def square(x, y):
    """A general d x d matrix in float64."""
    return (x[:2000].T @ y[:2000]).astype(np.float64)


def assignment(general, _):
    from scipy.optimize import linear_sum_assignment

    linear_sum_assignment(general)


def draw(root, _):
    """A Gaussian matrix between two roots: what shuffled pairs give their cross-scatter."""
    root @ np.random.default_rng(0).normal(size=root.shape) @ root


#: What may be needed of d x d matrices in float64 besides products: a singular value
#: decomposition, eigenvalues with or without vectors of a symmetric one, its triangular factor,
#: a product (an inverse of a factor is one, by halves), the best assignment.
KINDS = {
    "svd": lambda general, _: np.linalg.svd(general),
    "vectors": lambda _, symmetric: np.linalg.eigh(symmetric),
    "values": lambda _, symmetric: np.linalg.eigvalsh(symmetric),
    "cholesky": lambda _, symmetric: np.linalg.cholesky(symmetric),
    "product": lambda general, _: general @ general,
    "assignment": assignment, "draw": draw,
}  # fmt: skip

#: The best rotation; and what a random one reaches: the nuclear norm of factors of both sides and
#: of a draw, multiplied.
ROTATION = {"svd": 1, "values": 1, "cholesky": 3, "product": 3}
#: Both spans, and how much they share.
SPANS = {"vectors": 2, "values": 1}
#: A best assignment, and those of the draws, from both scatters, that its level comes from.
MATCHED = {"assignment": 21, "vectors": 2, "draw": 20}

#: Measure -> (bare products, what of ``KINDS`` its definition needs besides, how many times).
BARE = {
    "alignment": (directed, {}), "anisotropy": (directions, {"values": 1}), "rtd": (rows, {}),
    # The interval is part of the answer, and so are its products.
    "bures_similarity": (fitted, ROTATION), "procrustes_angular": (fitted, ROTATION),
    "procrustes_distance": (fitted, ROTATION),
    "shape_distance": (grouped, ROTATION),
    "alpha_shape": (spectra, ROTATION | {"vectors": 2}),
    "cca": (spectra, SPANS), "svcca": (spectra, SPANS), "gulp": (damped, {"vectors": 2}),
    "eigenspace_overlap": (spectra, {"vectors": 2}),
    # Two shuffles for the level, each with its own decomposition, of which a Gram matrix is enough.
    "pwcca": (spectra, {"vectors": 5}), "deconfounded_cka": (partialled, {}),
    "cka": (left_out, {}), "debiased_cka": (left_out, {}), "minibatch_cka": (batched, {}),
    "participation_ratio": (through, {}), "iso_score": (through, {}),
    "correlation_match": (products, MATCHED), "permutation_procrustes": (products, MATCHED),
    "mcc": (products, MATCHED), "soft_matching": (products, MATCHED),
    "gaussian_wasserstein": (apart, {"vectors": 2, "svd": 1, "values": 1}),
    # Factors of both, one of them inverted and through the other, and that by itself.
    "riemannian_spd": (both, {"values": 1, "cholesky": 2, "product": 3}),
    # Five folds, each with its own map. A penalty is chosen in the directions of the source: the
    # cross-scatter is turned into them and the map turned back.
    "ridge_r2": (folded_pairs, {"vectors": 5, "product": 10}),
    "pls_r2": (folded_pairs, {"vectors": 25}), "linear_probe": (folded, {"vectors": 5}),
    "bias_audit": (audited, {"vectors": 5}),
    "alpha_req": (spectral, {"vectors": 1}), "effective_rank": (spectral, {"vectors": 1}),
    "vne": (spectral, {"vectors": 1}), "log_me": (shuffled, {"vectors": 1}),
    "h_score": (spectral, {"vectors": 1}), "collapse_score": (roles, {}),
    "cdnv": (classed, {}), "ped_transform": (classed, {}),
    "mig": (counted, {}), "info_mec": (explained, {}), "dci": (lassos, {}),
    "modality_geometry": (shells, {"vectors": 1}),
    "crossnobis": (repeated, {"cholesky": 1, "product": 1}),
    "whitened_cosine": (repeats, {"cholesky": 2, "product": 2}),
    "energy_distance": (samples, {}), "mmd": (samples, {}),
    "mutual_knn": (searches, {}), "jaccard_knn": (searches, {}), "cknna": (searches, {}),
    "trustworthiness": (searches, {}), "continuity": (searches, {}), "r_nx_auc": (searches, {}),
    "information_imbalance": (searches, {}), "rank_biased_overlap": (searches, {}),
    "cycle_knn": (searches, {}), "imd": (searches, {}),
    "two_nn": (search, {}), "gride": (search, {}), "mle_dimension": (search, {}),
    "local_pca_dimension": (spectra_of_neighbours, {}), "label_sharpness": (others, {}),
    "hubness": (search, {}), "knn_probe": (search, {}),
    "ldreg": (search, {}), "t_regs": (search, {}), "unreachable": (search, {}),
}  # fmt: skip


def bare_of(card):
    """The bare cost of a measure, by its own entry or by its card."""
    if card.name in BARE:
        return BARE[card.name]
    if "n^2" in card.cost or "n^3" in card.cost:
        return (grams if card.spaces == 2 else gram), {}
    if "d^2" not in card.cost:
        return rows, {}
    return (products if card.spaces == 2 else own), {"svd": 1} if "d^3" in card.cost else {}


def bare_seconds(card, x, y):
    """Of the products, and of the factorisations."""
    bare, kinds = bare_of(card)
    products_s = seconds(lambda: bare(x, y))[0]
    # Made beforehand: what they decompose is among the products already.
    matrices = square(x, y), square(x, x)
    parts = (
        times * seconds(lambda k=kind: KINDS[k](*matrices))[0] for kind, times in kinds.items()
    )
    return products_s, sum(parts)


def seconds(run):
    """Time and value of one run."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = run()
    return time.perf_counter() - start, value
