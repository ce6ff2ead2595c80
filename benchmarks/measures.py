"""Every measure against what its arithmetic costs bare, and against public implementations.

python benchmarks/measures.py [--only NAME ...] [--rows 10000] [--dim 768]
python benchmarks/measures.py --stream          one million rows of 384

Ratios within one process, taken in turns. O(n d²) measures are held against the bare matrix
products that their definition names (and the factorisations of d x d matrices), neighbour measures
against the bare exact k-NN search of both sides. Peers are timed where they are installed
(tests/comparison/requirements.txt) and compute the same thing; their value is compared too.
"""

import argparse
import importlib.util
import time
import warnings

import numpy as np
from record import memory_peak_mb, record

from isthmus.core.registry import method, methods

K = 10
#: Seconds after which a peer or a measure is not repeated.
PATIENCE = 20.0
LONG = 120.0


def data(n, d):
    rng = np.random.default_rng(0)
    scales = 1 / np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    x = rng.normal(size=(n, d)).astype(np.float32) * scales
    mix = rng.normal(size=(d, d)).astype(np.float32) / np.float32(np.sqrt(d))
    y = np.tanh(3 * x @ mix) + 0.1 * rng.normal(size=(n, d)).astype(np.float32)
    return x, y.astype(np.float32)


def products(x, y):
    """The bare products of two spaces."""
    return x.T @ y, x.T @ x, y.T @ y


def searched(x, y):
    """The bare exact k-NN search of both sides."""
    import faiss

    for side in (x, y):
        index = faiss.IndexFlatL2(side.shape[1])
        index.add(side)
        index.search(side, K + 1)


def factorised(x, y):
    """One singular value decomposition of a d x d matrix in float64."""
    np.linalg.svd((x[:2000].T @ y[:2000]).astype(np.float64))


def seconds(run, repeats=3):
    """Median and values of a few runs, fewer when they are long."""
    took, value = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = run()
        took.append(time.perf_counter() - start)
        if sum(took) > PATIENCE:
            break
    return float(np.median(took)), value


def given(card, x):
    labels = (x[:, 0] > 0).astype(int) + 2 * (x[:, 1] > 0)
    known = {
        "labels": labels, "factors": (x[:, :3] > 0).astype(int),
        "groups": np.arange(len(x)) // 5, "confound": x[:, :3] ** 2,
    }  # fmt: skip
    return {key: known[key] for key in card.given}


# --- peers: name -> (package, what it computes on x and y, the number of ours it equals) ----------


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
    from latentis.measure.functional.cka import linear_cka, linear_hsic

    return float(linear_cka(torch.asarray(x), torch.asarray(y), hsic=linear_hsic))


def _latentis_svcca(x, y):
    import torch
    from latentis.measure.functional.svcca import svcca

    return float(svcca(torch.asarray(x), torch.asarray(y)))


def _rsatoolbox_rsa(x, y):
    import rsatoolbox

    rdms = [
        rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(a.astype(np.float64)), method="euclidean")
        for a in (x, y)
    ]
    return float(np.squeeze(rsatoolbox.rdm.compare_correlation(*rdms)))


def _skdim_two_nn(x, _):
    import skdim

    return float(skdim.id.TwoNN().fit(x).dimension_)


def _skdim_mle(x, _):
    import skdim

    return float(skdim.id.MLE(K=K).fit(x, n_neighbors=K).dimension_)


def _skdim_lpca(x, _):
    import skdim

    return float(skdim.id.lPCA().fit(x).dimension_)


def _dadapy_two_nn(x, _):
    from dadapy import Data

    found = Data(x.astype(np.float64), maxk=3, verbose=False)
    return float(found.compute_id_2NN()[0])


def _dadapy_imbalance(x, y):
    from dadapy import MetricComparisons

    both = np.hstack([x, y]).astype(np.float64)
    d = x.shape[1]
    measured = MetricComparisons(coordinates=both, maxk=len(x) - 1)
    found = measured.return_inf_imb_two_selected_coords(list(range(d)), list(range(d, 2 * d)))
    return float(found[0])


def _hyppo_dcorr(x, y):
    from hyppo.independence import Dcorr

    return float(Dcorr(compute_distance="euclidean").statistic(x, y))


def _sklearn_trust(x, y):
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(x, y, n_neighbors=K))


def _sklearn_cca(x, y):
    from sklearn.cross_decomposition import CCA

    model = CCA(n_components=5, max_iter=500).fit(x, y)
    u, v = model.transform(x, y)
    return float(np.mean([np.corrcoef(u[:, i], v[:, i])[0, 1] ** 2 for i in range(5)]))


def _scipy_procrustes(x, y):
    from scipy.spatial import procrustes

    # Its disparity is 1 - s² with s the cosine of the angle.
    return float(np.arccos(np.sqrt(1 - procrustes(x, y)[2])))


PEERS = {
    "cka": (("torch, direct", "torch", _torch_cka), ("latentis", "latentis", _latentis_cka)),
    "debiased_cka": (("torch, both Gram matrices", "torch", _torch_debiased),),
    "mutual_knn": (("torch, direct", "torch", _torch_mutual),),
    "svcca": (("latentis", "latentis", _latentis_svcca),),
    "rsa": (("rsatoolbox", "rsatoolbox", _rsatoolbox_rsa),),
    "two_nn": (
        ("scikit-dimension", "skdim", _skdim_two_nn),
        ("dadapy", "dadapy", _dadapy_two_nn),
    ),
    "mle_dimension": (("scikit-dimension", "skdim", _skdim_mle),),
    "local_pca_dimension": (("scikit-dimension", "skdim", _skdim_lpca),),
    "information_imbalance": (("dadapy", "dadapy", _dadapy_imbalance),),
    "distance_correlation": (("hyppo", "hyppo", _hyppo_dcorr),),
    "trustworthiness": (("scikit-learn", "sklearn", _sklearn_trust),),
    "procrustes_angular": (("SciPy", "scipy", _scipy_procrustes),),
}


# --- the run ------------------------------------------------------------------------------------


def kind(card):
    if "n^2" in card.cost:
        return "n^2"
    return "n k" if "n k" in card.cost else "n d^2"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()
    if options.stream:
        return stream()
    x, y = data(options.rows, options.dim)
    products(x[:100], y[:100])
    found = {}
    for one in methods("measures"):
        card = one.card
        if not card.spaces or (options.only and one.name not in options.only):
            continue
        found[one.name] = compared(one, x, y)
        print(one.name, found[one.name], flush=True)
    name = "measures" if not options.only else "measures-part"
    record(name, {"rows": options.rows, "dim": options.dim, "dtype": "float32", **found})
    return None


def compared(one, x, y):
    card = one.card
    sides = (x, y)[: card.spaces]
    extra = given(card, x)
    row = {"cost": card.cost}
    part = one.call
    try:
        part(*(side[:500, :50] for side in sides), **{k: v[:500] for k, v in extra.items()})
    except Exception as error:  # a small warm-up may be refused; the real call says what is wrong
        row["warm_up"] = type(error).__name__
    start = time.perf_counter()
    try:
        value = float(part(*sides, **extra))
    except Exception as error:
        return row | {"refused": f"{type(error).__name__}: {error}"[:160]}
    first = time.perf_counter() - start
    bare = {"n d^2": products, "n^2": searched, "n k": searched}[kind(card)]
    ours, theirs, factors = [first], [], []
    for _ in range(1 if first > PATIENCE else 3):
        theirs.append(seconds(lambda: bare(x, y), 1)[0])
        if "d^3" in card.cost:
            factors.append(seconds(lambda: factorised(x, y), 1)[0])
        if first <= PATIENCE:
            ours.append(seconds(lambda: part(*sides, **extra), 1)[0])
    mine, base = float(np.median(ours)), float(np.median(theirs))
    base *= card.spaces / 2 if kind(card) != "n d^2" or card.spaces == 2 else 1 / 3
    row |= {"seconds": mine, "bare_s": base, "times_bare": mine / base}
    if factors:
        row["times_bare_with_factorisation"] = mine / (base + float(np.median(factors)))
    for label, package, run in PEERS.get(one.name, ()):
        row.setdefault("peers", {})[label] = against(package, run, x, y, mine, value, first)
    return row


def against(package, run, x, y, mine, value, first):
    if importlib.util.find_spec(package) is None:
        return "not installed"
    try:
        took, other = seconds(lambda: run(x, y), 1)
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:160]
    return {"times_faster": took / mine, "difference": abs(other - value)}


def stream():
    """One million rows of 384 in float32: what streams, its rate against the products, memory."""
    from isthmus.core.moments import Moments

    n, d = 1_000_000, 384
    x, y = data(n, d)
    products(x[:100], y[:100])
    found = {"rows": n, "dim": d, "dtype": "float32"}
    base, _ = seconds(lambda: products(x, y), 1)
    took, moments = seconds(lambda: Moments.of(x, y), 1)
    found["products_s"], found["moments_s"] = base, took
    found["moments_rate_of_products"] = base / took
    for one in methods("measures"):
        if not one.card.streams or one.card.spaces != 2:
            continue
        base, _ = seconds(lambda: products(x, y), 1)
        took, _ = seconds(lambda one=one: one.call(x, y), 1)
        found[one.name] = {"seconds": took, "times_bare": took / base}
        print(one.name, found[one.name], flush=True)
    del x, y, moments
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
