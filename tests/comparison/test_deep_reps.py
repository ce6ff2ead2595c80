"""deep-reps: most of the survey's measures; few compute what they are named after."""

import importlib
import importlib.util
import sys
import types

import numpy as np
import pytest
import torch

from isthmus.measures import (
    alpha_shape,
    bures_similarity,
    cca,
    cka,
    correlation_match,
    distance_correlation,
    eigenspace_overlap,
    gulp,
    jaccard_knn,
    procrustes_angular,
    procrustes_distance,
    pwcca,
    riemannian_spd,
    rsa,
    svcca,
)

#: It computes in float32, row by row.
ROUGH = 3e-6


def part(name):
    """One file of it: the package imports itself in a circle and CLIP."""
    if "deep_reps" not in sys.modules:
        package = types.ModuleType("deep_reps")
        package.__path__ = list(importlib.util.find_spec("deep_reps").submodule_search_locations)
        sys.modules["deep_reps"] = package
        found = importlib.import_module("deep_reps.utils").get_knn_indices_and_ranks
        package.get_knn_indices_and_ranks = found
    return importlib.import_module(f"deep_reps.{name}")


@pytest.fixture
def tensors(spaces):
    return [torch.asarray(side).float() for side in spaces]


@pytest.fixture
def middle(spaces, oracle):
    """Centred, as some of its functions ask."""
    return [torch.asarray(oracle.centred(side)).float() for side in spaces]


def test_cka(compare, oracle, spaces, tensors):
    rsm = part("rsm_measures")
    grams = [a @ a.T for a in spaces]
    h = np.eye(60) - 60 / 60  # ones (n, n) @ ones (n, n)ᵀ is n times ones
    hsic = [np.trace(grams[i] @ h @ grams[j] @ h) for i, j in ((0, 1), (0, 0), (1, 1))]
    compare.differs(
        "cka", "centered_kernel_alignment", theirs=rsm.centered_kernel_alignment(*tensors),
        ours=cka(*spaces), oracle=oracle.cka(*spaces), equation="Kornblith 2019",
        explained=hsic[0] / np.sqrt(hsic[1] * hsic[2]), tolerance=1e-3,
        why="The centring matrix subtracts n means rather than one, so the value can pass 1.",
    )  # fmt: skip


def test_distance_correlation(compare, oracle, spaces, tensors):
    theirs = part("rsm_measures").distance_correlation(*tensors)
    assert theirs > 1 or theirs < 0
    compare.differs(
        "distance_correlation", "distance_correlation", theirs=theirs,
        ours=distance_correlation(*spaces), oracle=oracle.distance_correlation(*spaces),
        equation="Székely & Rizzo 2013",
        why="A matrix product of the centred distances is summed where their entries belong: that "
        "sum is 0 in exact arithmetic, so the value is a ratio of rounding errors.",
    )  # fmt: skip


def test_bures(compare, oracle, spaces, middle):
    theirs = part("rsm_measures").normalized_bures_similarity
    compare.fails(
        "bures_similarity", "normalized_bures_similarity", lambda: theirs(*middle), None,
        ours=bures_similarity(*spaces), oracle=oracle.cosine_of_shapes(*spaces),
        equation="|XᵀY|_* / |X||Y|",
        why="The root of eigenvalues that rounding has made negative; and the root is taken of "
        "the trace, where it belongs to the matrix.",
    )  # fmt: skip


def test_spans(compare, oracle, spaces, tensors):
    theirs = part("rsm_measures").eigenspace_overlap_score(*tensors)
    compare.differs(
        "eigenspace_overlap", "eigenspace_overlap_score", theirs=theirs,
        ours=eigenspace_overlap(*spaces), oracle=oracle.eigenspace_overlap(*spaces),
        equation="May 2019",
        why="All n eigenvectors of the Gram matrix, those of eigenvalue 0 too: they span "
        "everything, so any two spaces overlap fully, and past 1 where they are not orthogonal.",
    )  # fmt: skip
    assert theirs > 0.99


def test_gulp(compare, oracle, spaces, tensors, middle):
    theirs = part("rsm_measures").unified_linear_probing
    known = {
        "ours": gulp(*spaces, lam=0.1), "oracle": oracle.gulp(*spaces, 0.1),
        "equation": "Boix-Adserà 2022",
    }  # fmt: skip
    unit = [a / torch.linalg.norm(a) * 60**0.5 for a in middle]
    compare.same(
        "gulp", "unified_linear_probing, centred and scaled", theirs=theirs(*unit, lamb=0.1),
        tolerance=ROUGH, **known,
    )  # fmt: skip
    compare.differs(
        "gulp", "unified_linear_probing, as it comes", theirs=theirs(*tensors, lamb=0.1),
        right="both", why="Centring and scaling are left to the caller; λ then has the unit of "
        "each side's variance.", **known,
    )  # fmt: skip


def test_riemannian(compare, oracle, spaces, tensors):
    compare.fails(
        "riemannian_spd, none", "riemannian_distance",
        lambda: part("rsm_measures").riemannian_distance(*tensors), RuntimeError,
        ours=riemannian_spd(*spaces, shrinkage="none"),
        oracle=oracle.riemannian(*(np.cov(a.T) for a in spaces)),
        equation="|log A^-½ B A^-½|",
        why="Gram matrices of more rows than columns are singular, so they have no inverse: the "
        "distance is between covariances.",
    )  # fmt: skip


def test_rsa(compare, oracle, spaces, tensors):
    compare.fails(
        "rsa", "representation_similarity_analysis",
        lambda: part("rsm_measures").representation_similarity_analysis(*tensors), TypeError,
        ours=rsa(*spaces), oracle=oracle.rsa(*spaces), equation="correlation over pairs",
        why="A function of one argument is given two: it has never run.",
    )  # fmt: skip


def test_shapes(compare, oracle, spaces, middle):
    shapes = part("alignment_measures")
    compare.same(
        "procrustes_distance", "orthogonal_procrustes", tolerance=ROUGH,
        theirs=shapes.orthogonal_procrustes(*middle) / 60**0.5,
        ours=procrustes_distance(*spaces), oracle=oracle.procrustes(*spaces),
        equation="Schönemann 1966",
    )  # fmt: skip
    torch.manual_seed(0)
    compare.differs(
        "procrustes_angular", "angular_shape_metric",
        theirs=shapes.angular_shape_metric(*middle, num_iterations=50),
        ours=procrustes_angular(*spaces), oracle=np.arccos(oracle.cosine_of_shapes(*spaces)),
        equation="Williams 2021",
        why="Gradient steps from a random rotation towards the largest norm of the products, "
        "where the sum of the products is what the angle is made of; the best rotation is known "
        "in closed form.",
    )  # fmt: skip


def test_partial_whitening(compare, oracle, spaces, middle):
    x, y = spaces
    compare.fails(
        "alpha_shape", "partial_whitening_shape_metric",
        lambda: part("alignment_measures").partial_whitening_shape_metric(*middle), NameError,
        ours=alpha_shape(x, y), oracle=oracle.partly_whitened_angle(x, y, 0.5),
        equation="Williams 2021", why="It calls a function that is not there: it has never run.",
    )  # fmt: skip


def test_correlation_match(compare, oracle, spaces, tensors):
    compare.differs(
        "correlation_match, soft", "correlation_match",
        ours=correlation_match(*spaces, match="soft"),
        theirs=part("alignment_measures").correlation_match(*tensors),
        oracle=oracle.soft_correlation_match(*spaces), equation="Li 2016",
        why="Partners are chosen by covariance and then multiplied by the matching the wrong way "
        "round, so a column is held against one that chose it and not against its choice.",
    )  # fmt: skip


def test_canonical(compare, oracle, spaces, tensors):
    canonical = part("cca_measures")
    rho = oracle.correlations(*spaces)
    compare.same(
        "cca (mean ρ)", "compute_standard_cca", theirs=canonical.compute_standard_cca(*tensors),
        ours=cca(*spaces).parts["mean_rho"], oracle=rho.mean(), equation="Hotelling 1936",
        tolerance=ROUGH,
    )  # fmt: skip
    compare.same(
        "cca", "compute_yanai_cca", theirs=canonical.compute_yanai_cca(*tensors),
        ours=cca(*spaces), oracle=np.mean(rho**2), equation="Pillai's trace over r",
        tolerance=ROUGH,
    )  # fmt: skip
    compare.fails(
        "pwcca", "compute_wvcca", lambda: canonical.compute_wvcca(*tensors), TypeError,
        ours=pwcca(*spaces), oracle=oracle.pwcca(*spaces), equation="Morcos 2018",
        why="It gives its own function an argument that this does not take: it has never run.",
    )  # fmt: skip


def test_svcca(compare, oracle, spaces, tensors):
    cut = [oracle.truncated(a, 0.9) for a in spaces]
    rho = oracle.correlations(*cut)
    canonical = part("cca_measures")
    compare.differs(
        "svcca, variance=0.9", "compute_yanai_svcca", ours=svcca(*spaces, variance=0.9),
        theirs=canonical.compute_yanai_svcca(*tensors, variance_retained=0.9),
        oracle=np.mean(rho**2), equation="Raghu 2017, with ρ²", explained=np.sum(rho**2) / 5,
        tolerance=1e-5,
        why="The sum over the directions that were kept is divided by the width before the cut.",
    )  # fmt: skip


def test_jaccard(compare, oracle, spaces, tensors):
    compare.same(
        "jaccard_knn, euclidean", "knn_jaccard_similarity",
        theirs=part("neighbors_measures").knn_jaccard_similarity(*tensors, 10),
        ours=jaccard_knn(*spaces, metric="euclidean"), oracle=oracle.jaccard(*spaces, 10),
        equation="intersection over union", tolerance=ROUGH,
    )  # fmt: skip
