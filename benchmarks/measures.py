"""Every measure against what its arithmetic costs bare, and against public implementations.

python benchmarks/measures.py [--only NAME ...] [--rows 10000] [--dim 768]
python benchmarks/measures.py --stream          one million rows of 384

Ratios within one process, taken in turns. Bare is what the definition cannot do without, in the
input's own precision: the matrix products that it names (those of its interval too, where the
default answer has one: an exact jackknife is half of CKA), the factorisations of d x d matrices
that its answer, interval and chance level need, each of the cheapest kind that gives it, both n x n
products where it reads every pair of rows, or the exact k-NN search where it reads neighbours.
Times are the best of nine turns, for other work on a machine only ever adds.
Peers are timed where they are installed (in .venv-compare, `make compare`) and compute the same
thing; their value is compared too. A peer is near the bare rate when it takes at most ``NEAR``
times as long; wherever it is not, ten times faster is asked for.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from record import RESULTS, memory_peak_mb, record

from isthmus.core.registry import method, methods

K = 10
#: Seconds after which a measure and its peers are given up.
LIMIT = 60
#: Seconds after which a peer or a measure is not repeated.
PATIENCE = 3.0
#: Turns, of which the best counts.
TURNS = 9
#: A peer within this multiple of the bare cost cannot be beaten tenfold.
NEAR = 3.0
#: Rows for peers that multiply n x n matrices with each other.
CUBIC = 3000


def data(n, d):
    rng = np.random.default_rng(0)
    scales = 1 / np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    x = rng.standard_normal(size=(n, d), dtype=np.float32) * scales
    mix = rng.standard_normal(size=(d, d), dtype=np.float32) / np.float32(np.sqrt(d))
    y = np.tanh(3 * x @ mix)
    y += np.float32(0.1) * rng.standard_normal(size=(n, d), dtype=np.float32)
    return x, y


# --- bare costs -----------------------------------------------------------------------------------


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


def given(card, x):
    labels = (x[:, 0] > 0).astype(int) + 2 * (x[:, 1] > 0)
    known = {
        "labels": labels, "factors": (x[:, :3] > 0).astype(int),
        "groups": np.arange(len(x)) // 5, "confound": x[:, :3] ** 2,
    }  # fmt: skip
    return {key: known[key] for key in card.given}


# --- peers ----------------------------------------------------------------------------------------


def _torch_cka(x, y):
    import torch

    x, y = (torch.asarray(a) for a in (x, y))
    x, y = x - x.mean(0), y - y.mean(0)
    cross = torch.linalg.norm(x.T @ y) ** 2
    return float(cross / torch.linalg.norm(x.T @ x) / torch.linalg.norm(y.T @ y))


def _torch_debiased(x, y):
    """Unbiased CKA from both Gram matrices in torch, the usual way."""
    import torch

    n = len(x)
    x, y = (torch.asarray(a) for a in (x, y))
    k, ell = (a @ a.T for a in (x - x.mean(0), y - y.mean(0)))
    for gram in (k, ell):
        gram.fill_diagonal_(0)

    def hsic(a, b):
        total = (a * b).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2))
        return (total - 2 * (a.sum(0) @ b.sum(0)) / (n - 2)) / (n * (n - 3))

    return float(hsic(k, ell) / (hsic(k, k) * hsic(ell, ell)).sqrt())


def _torch_mutual(x, y):
    """Mutual k-NN in torch: both cosine matrices and top-k."""
    import torch

    near = []
    for side in (x, y):
        unit = torch.nn.functional.normalize(torch.asarray(side))
        scores = unit @ unit.T
        scores.fill_diagonal_(-2)
        near.append(scores.topk(K, 1).indices)
    same = (near[0][:, :, None] == near[1][:, None, :]).any(2).float().mean()
    return float(same)


def _latentis_cka(x, y):
    import torch
    from latentis.measure.functional.cka import linear_cka

    return float(linear_cka(torch.tensor(x), torch.tensor(y)))


def _latentis_svcca(x, y):
    import torch
    from latentis.measure.functional.svcca import svcca

    return float(svcca(torch.tensor(x), torch.tensor(y)))


def _ckatorch(x, y):
    import torch
    from ckatorch.core import cka_base

    return float(cka_base(torch.tensor(x), torch.tensor(y), unbiased=True))


def _rsatoolbox_rsa(x, y):
    import rsatoolbox

    rdms = [
        rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(a.astype(np.float64)), method="euclidean")
        for a in (x, y)
    ]
    return float(np.squeeze(rsatoolbox.rdm.compare_correlation(*rdms)))


def _skdim_two_nn(x, _):
    import skdim

    return float(skdim.id.TwoNN(method="mle").fit(x).dimension_)


def _skdim_mle(x, _):
    import skdim

    return float(skdim.id.MLE().fit(x, n_neighbors=K, comb="mle").dimension_)


def _skdim_lpca(x, _):
    import skdim

    return float(np.mean(skdim.id.lPCA(ver="FO").fit_pw(x, n_neighbors=30).dimension_pw_))


def _dadapy_two_nn(x, _):
    from dadapy import Data

    found = Data(x.astype(np.float64), maxk=3, verbose=False)
    return float(found.compute_id_2NN(algorithm="ml", mu_fraction=1.0)[0])


def _dadapy_imbalance(x, y):
    from dadapy import MetricComparisons

    both = np.hstack([x, y]).astype(np.float64)
    d = x.shape[1]
    measured = MetricComparisons(coordinates=both, maxk=len(x) - 1)
    found = measured.return_inf_imb_two_selected_coords(list(range(d)), list(range(d, 2 * d)))
    return float(found[0])


def _hyppo_dcorr(x, y):
    from hyppo.independence import Dcorr

    return float(Dcorr(compute_distance="euclidean").statistic(x.astype(float), y.astype(float)))


def _sklearn_trust(x, y):
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(x, y, n_neighbors=K))


def _cca_zoo(x, y):
    from cca_zoo.linear import CCA

    found = CCA(n_components=min(x.shape[1], y.shape[1])).fit([x, y])
    u, v = (side - side.mean(axis=0) for side in found.transform([x, y]))
    norms = np.linalg.norm(u, axis=0) * np.linalg.norm(v, axis=0)
    return float(np.mean((np.einsum("ij,ij->j", u, v) / norms) ** 2))


def _pyriemann(x, y):
    from pyriemann.geometry.distance import distance_riemann

    return float(distance_riemann(np.cov(x.T.astype(float)), np.cov(y.T.astype(float))))


def _pot_gaussian(x, y):
    import ot

    x, y = x.astype(np.float64), y.astype(np.float64)
    means, covariances = (x.mean(0), y.mean(0)), (np.cov(x.T), np.cov(y.T))
    return float(ot.gaussian.bures_wasserstein_distance(*means, *covariances))


def _dcor(x, y):
    import dcor

    return float(dcor.u_distance_correlation_sqr(x.astype(float), y.astype(float)))


def _dcor_energy(x, y):
    import dcor

    return float(dcor.energy_distance(x.astype(float), y.astype(float), estimation_stat="U"))


def _torchdr(x, y):
    import torchdr

    return float(torchdr.neighborhood_preservation(x, y, K=K))


def _isoscore(x, _):
    from IsoScore.IsoScore import IsoScore

    return float(IsoScore(x))


def _dimensionality(x, _):
    from dimensionality import participation_ratio

    return float(participation_ratio(x, return_all=True)["naive"])


def _scipy_procrustes(x, y):
    from scipy.spatial import procrustes

    # Its disparity is 1 - s² with s the cosine of the angle.
    return float(np.arccos(np.sqrt(1 - procrustes(x, y)[2])))


@dataclass(frozen=True)
class Peer:
    """A public implementation of one of our measures, with the options that make ours the same."""

    label: str
    package: str
    run: Callable
    options: dict = field(default_factory=dict)
    #: Time both on at most so many rows.
    rows: int = 10**9
    #: The part of our score that it computes, where it is not the value.
    part: str = ""
    #: Why the values differ, where they do.
    differs: str = ""


PEERS = {
    "cka": (
        Peer(
            "torch, direct", "torch", _torch_cka, {"ci": False},
            differs="float32 throughout; ours adds up in float64",
        ),
        Peer("latentis", "latentis", _latentis_cka, {"ci": False}, rows=CUBIC),
    ),
    "debiased_cka": (
        Peer("torch, both Gram matrices", "torch", _torch_debiased, {"ci": False}),
        Peer("ckatorch", "ckatorch", _ckatorch, {"ci": False}),
    ),
    "mutual_knn": (
        Peer("torch, direct", "torch", _torch_mutual),
        Peer("TorchDR", "torchdr", _torchdr, {"metric": "euclidean"}),
    ),
    "svcca": (
        Peer(
            "latentis", "latentis", _latentis_svcca, {"variance": 0.98}, part="mean_rho",
            differs="cuts correlations, not variance; docs/disagreements.md",
        ),
    ),
    "cca": (Peer("cca-zoo", "cca_zoo", _cca_zoo),),
    "rsa": (
        Peer("rsatoolbox", "rsatoolbox", _rsatoolbox_rsa, {"distance": "squared_euclidean"}),
    ),
    "two_nn": (
        Peer("scikit-dimension", "skdim", _skdim_two_nn),
        Peer("dadapy", "dadapy", _dadapy_two_nn, {"discard": 0.0}),
    ),
    "mle_dimension": (Peer("scikit-dimension", "skdim", _skdim_mle),),
    "local_pca_dimension": (
        Peer(
            "scikit-dimension", "skdim", _skdim_lpca, rows=CUBIC,
            differs="leaves each row out of its own neighbourhood",
        ),
    ),
    "information_imbalance": (Peer("dadapy", "dadapy", _dadapy_imbalance),),
    "distance_correlation": (
        Peer("hyppo", "hyppo", _hyppo_dcorr, {"ci": False}),
        Peer("dcor", "dcor", _dcor, {"ci": False}),
    ),
    "energy_distance": (Peer("dcor", "dcor", _dcor_energy),),
    "trustworthiness": (Peer("scikit-learn", "sklearn", _sklearn_trust, {"k": K}),),
    "procrustes_angular": (Peer("SciPy", "scipy", _scipy_procrustes),),
    "riemannian_spd": (Peer("pyRiemann", "pyriemann", _pyriemann, {"shrinkage": "none"}),),
    "gaussian_wasserstein": (Peer("POT", "ot", _pot_gaussian),),
    "iso_score": (Peer("IsoScore", "IsoScore", _isoscore),),
    "participation_ratio": (
        Peer("dimensionality", "dimensionality", _dimensionality, rows=CUBIC),
    ),
}  # fmt: skip


# --- the run --------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()
    if options.stream:
        stream()
        return
    prepare_peers()
    x, y = data(options.rows, options.dim)
    products(x[:100], y[:100])
    found = {}
    for one in methods("measures"):
        card = one.card
        if not card.spaces or (options.only and one.name not in options.only):
            continue
        found[one.name] = within_limit(one, x, y)
        print(one.name, found[one.name], flush=True)
        # As it goes: the whole takes half an hour, and what is measured is measured.
        keep(found | {"rows": options.rows, "dim": options.dim, "dtype": "float32"})


def keep(found):
    """Put new figures beside those that ``--only`` did not touch."""
    file = RESULTS / "measures.json"
    known = json.loads(file.read_text())["figures"] if file.is_file() else {}
    for name, row in found.items():
        # A peer that is not installed here keeps what was measured where it was, and says so.
        for label, peer in row.get("peers", {}).items() if isinstance(row, dict) else ():
            before = known.get(name, {}).get("peers", {}).get(label)
            if peer == "not installed" and isinstance(before, dict):
                row["peers"][label] = before | {"earlier": True}
    with contextlib.redirect_stdout(io.StringIO()):
        record("measures", known | found)


def prepare_peers():
    """Import the peers the way the comparison does, where they are installed."""
    if importlib.util.find_spec("dadapy") is None:
        return
    path = Path(__file__).parent.parent / "tests/comparison/conftest.py"
    spec = importlib.util.spec_from_file_location("comparison", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def within_limit(one, x, y):
    """``compared``, given up after ``LIMIT`` seconds, which a run over all measures must be."""

    def stop(*_):
        raise TimeoutError(f"over {LIMIT} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        return compared(one, x, y)
    except TimeoutError as error:
        return {"cost": one.card.cost, "stopped": str(error)}
    finally:
        signal.alarm(0)


def compared(one, x, y):
    """Ours and the bare cost in turns, then each peer."""
    card, call = one.card, one.call
    extra = given(card, x)
    sides = (x, y)[: card.spaces]
    row = {"cost": card.cost}
    try:
        # A small call first, so that imports and compilation are not timed.
        seconds(
            lambda: call(*(a[:500, :50] for a in sides), **{k: v[:500] for k, v in extra.items()})
        )
    except TimeoutError:
        raise
    except Exception as error:
        row["warm_up"] = f"{type(error).__name__}: {error}"[:160]
    bare, kinds = bare_of(card)
    ours, theirs, value = [], [], None
    try:
        for _ in range(TURNS):
            theirs.append(bare_seconds(card, x, y))
            took, value = seconds(lambda: call(*sides, **extra))
            ours.append(took)
            if took > PATIENCE:
                break
    except TimeoutError:
        raise
    except Exception as error:
        return row | {"refused": f"{type(error).__name__}: {error}"[:160]}
    products_s, factors_s = np.min(theirs, axis=0).tolist()
    base, mine = products_s + factors_s, min(ours)
    row |= {
        "seconds": mine, "bare": bare.__name__, "factorisations": kinds,
        "products_s": products_s, "bare_s": base, "times_bare": mine / base,
        "value": float(value),
    }  # fmt: skip
    for peer in PEERS.get(one.name, ()):
        row.setdefault("peers", {})[peer.label] = against(peer, one, x, y)
    return row


def against(peer, one, x, y):
    """A peer and ours in turns, on the same rows and with the options that make them the same."""
    if importlib.util.find_spec(peer.package) is None:
        return "not installed"
    x, y = x[: peer.rows], y[: peer.rows]
    sides = (x, y)[: one.card.spaces]
    ours, theirs, base = [], [], []
    try:
        for _ in range(TURNS):
            base.append(sum(bare_seconds(one.card, x, y)))
            took, score = seconds(lambda: one.call(*sides, **peer.options))
            ours.append(took)
            took, other = seconds(lambda: peer.run(x, y))
            theirs.append(took)
            if took > PATIENCE:
                break
    except TimeoutError as error:
        return f"stopped: {error}"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:160]
    mine = float(score.parts[peer.part]) if peer.part else float(score)
    faster = min(theirs) / min(ours)
    near = min(theirs) / min(base) <= NEAR
    found = {
        "rows": len(x), "times_faster": faster,
        "theirs_times_bare": min(theirs) / min(base),
        "fast_enough": bool(faster >= (1 if near else 10)), "difference": abs(other - mine),
        "equal": bool(abs(other - mine) <= 1e-6 * max(1, abs(mine))),
    }  # fmt: skip
    return found | ({"why": peer.differs} if peer.differs else {})


def streamed(one, x, y, found):
    """A measure and its bare cost at a million rows, in turns."""
    took, base = [], []
    for _ in range(2):
        base.append(sum(bare_seconds(one.card, x, y)))
        took.append(seconds(lambda: one.call(x, y))[0])
    found[one.name] = {"seconds": min(took), "times_bare": min(took) / min(base)}
    print(one.name, found[one.name], flush=True)


def stream():
    """One million rows of 384 in float32: what streams, its rate against the products, memory."""
    from isthmus.core.moments import Moments

    n, d = 1_000_000, 384
    x, y = data(n, d)
    products(x[:100], y[:100])
    found = {"rows": n, "dim": d, "dtype": "float32"}
    base = [seconds(lambda: products(x, y))[0] for _ in range(2)]
    took = [seconds(lambda: Moments.of(x, y))[0] for _ in range(2)]
    found["products_s"], found["moments_s"] = min(base), min(took)
    found["moments_rate_of_products"] = min(base) / min(took)
    for one in methods("measures"):
        if one.card.streams and one.card.spaces == 2:
            streamed(one, x, y, found)
    code = (
        "import numpy as np\n"
        "from isthmus.core.registry import method\n"
        "call = method('measures', sys.argv[1]).call\n"
        "n = int(sys.argv[2])\n"
        "rng = np.random.default_rng(0)\n"
        "x = rng.normal(size=(n, 64)).astype('f4')\n"
        "y = x[:, ::-1] + x\n"
        "call(x[:500], y[:500])\n"
        "mark()\n"
        "call(x, y)\n"
    )
    for name in ("debiased_cka", "procrustes_angular"):
        method("measures", name)
        found[f"{name}_memory_mb"] = {
            str(rows): memory_peak_mb(code, name, rows) for rows in (250_000, 1_000_000)
        }
    record("measures-stream", found)


if __name__ == "__main__":
    main()
