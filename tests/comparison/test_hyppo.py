"""hyppo: distance correlation right; its Gaussian widths and its two-sample scales are not."""

import numpy as np
from hyppo.independence import Dcorr, Hsic
from hyppo.ksample import MMD, Energy
from scipy.spatial.distance import cdist, pdist

from isthmus.measures import distance_correlation, energy_distance, mmd, rbf_cka


def stacked(x, y):
    """All rows, and which sample each is from."""
    return np.vstack([x, y]), np.repeat([0.0, 1.0], [len(x), len(y)])[:, None]


def test_distance_correlation(compare, oracle, spaces):
    x, y = spaces
    known = {
        "ours": distance_correlation(x, y), "oracle": oracle.distance_correlation(x, y),
        "equation": "Székely & Rizzo 2013",
    }  # fmt: skip
    compare.same("distance_correlation", "Dcorr()", theirs=Dcorr().statistic(x, y), **known)
    compare.differs(
        "distance_correlation", "Dcorr(bias=True)", theirs=Dcorr(bias=True).statistic(x, y),
        explained=np.sqrt(oracle.distance_correlation_biased(x, y)), right="both",
        why="The biased form, and its root besides, where the flag's other value returns a "
        "square: the two are not on one scale.", **known,
    )  # fmt: skip


def test_hsic(compare, oracle, spaces):
    x, y = spaces
    width = np.median(pdist(x))
    compare.differs(
        "rbf_cka", "Hsic()", theirs=Hsic().statistic(x, y), ours=rbf_cka(x, y),
        oracle=oracle.unbiased(oracle.gaussian(x), oracle.gaussian(y)),
        equation="Song 2012, eq. 5",
        explained=oracle.unbiased(oracle.gaussian(x, width), oracle.gaussian(y, width)),
        why="The width that is found for x is kept and used for y too, so the value moves with "
        "the scale of y and with the order of the arguments.",
    )  # fmt: skip
    assert abs(Hsic().statistic(x, 10 * y) - Hsic().statistic(x, y)) > 0.01


def test_energy(compare, oracle, spaces):
    x, y = spaces
    both, sample = stacked(x, y)
    known = {
        "ours": energy_distance(x, y), "oracle": oracle.energy(x, y),
        "equation": "Székely & Rizzo 2013",
    }  # fmt: skip
    # With two samples of 60 rows the factor (n + m)⁴ / 2n²m² is 8.
    unbiased = oracle.hsic_unbiased(cdist(both, both), cdist(sample, sample))
    compare.differs(
        "energy_distance", "Energy()", theirs=Energy().statistic(x, y), explained=8 * unbiased,
        why="Scaled from the distance covariance with the sample. That identity holds for means "
        "over all pairs; for unbiased estimates it does not.", **known,
    )  # fmt: skip
    compare.differs(
        "energy_distance, biased", "Energy(bias=True)", theirs=Energy(bias=True).statistic(x, y),
        ours=energy_distance(x, y).length ** 2, oracle=oracle.energy(x, y, distinct=False),
        equation="Székely & Rizzo 2013",
        explained=8 * np.sqrt(oracle.energy(x, y, distinct=False) / 8),
        why="The root of the distance covariance is scaled where its square belongs.",
    )  # fmt: skip


def test_mmd(compare, oracle, spaces):
    x, y = spaces
    both, sample = stacked(x, y)
    # On 0 and 1 all distances between samples are 1, and the median decides nothing.
    value = oracle.unbiased(oracle.gaussian(both), cdist(sample, sample))
    compare.differs(
        "mmd", "MMD()", theirs=MMD().statistic(x, y), ours=mmd(x, y), oracle=oracle.mmd(x, y),
        equation="Gretton 2012", explained=-value / 8,
        why="A correlation between 0 and 1 is scaled, not the covariance, and by the inverse of "
        "the factor: a p value from it holds, a distance it is not.",
    )  # fmt: skip
