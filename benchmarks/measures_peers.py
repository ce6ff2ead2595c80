"""Public implementations of our measures, each with the options that make ours the same."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from measures_bare import K

#: Rows for peers that multiply n x n matrices with each other.
CUBIC = 3000


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
        Peer(
            "TorchDR", "torchdr", _torchdr, {"metric": "euclidean"},
            differs="distances rounded in float32; ours has the neighbours of float64, all of them",
        ),
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
