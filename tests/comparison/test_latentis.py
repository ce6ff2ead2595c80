"""latentis: CKA as it should be; its SVCCA cuts correlations where the paper cuts variance."""

import importlib

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from isthmus.measures import cka, rbf_cka, svcca


def tensors(spaces):
    # Copies, for its covariances are scaled in place.
    return [torch.asarray(side.copy()) for side in spaces]


def test_linear_cka(compare, oracle, spaces):
    from latentis.measure.cka import CKA, CKAMode
    from latentis.measure.functional.cka import linear_cka

    known = {"ours": cka(*spaces), "oracle": oracle.cka(*spaces), "equation": "Kornblith 2019"}
    compare.same("cka", "linear_cka", theirs=linear_cka(*tensors(spaces)), **known)
    compare.same("cka", "measure.cka.CKA", theirs=CKA(CKAMode.LINEAR)(*tensors(spaces)), **known)


def test_the_second_class_cannot_be_imported(compare, oracle, spaces):
    compare.fails(
        "cka", "measure.base.CKA", lambda: importlib.import_module("latentis.measure.base"),
        ImportError, ours=cka(*spaces), oracle=oracle.cka(*spaces), equation="Kornblith 2019",
        why="The class and the functions it wraps have drifted apart: it imports names that are "
        "not there.",
    )  # fmt: skip


def test_rbf_cka(compare, oracle, spaces):
    from latentis.measure.functional.cka import rbf_cka as theirs

    def kernel(a):
        squared = cdist(a, a, "sqeuclidean")
        return np.exp(-squared / (2 * np.median(squared[~np.eye(len(a), dtype=bool)])))

    explained = oracle.alignment(*(oracle.double_centred(kernel(a)) for a in spaces))
    compare.differs(
        "rbf_cka", "rbf_cka", theirs=theirs(*tensors(spaces)), ours=rbf_cka(*spaces),
        oracle=oracle.unbiased(*(oracle.gaussian(a) for a in spaces)),
        equation="Song 2012, eq. 5", right="both", explained=explained, tolerance=1e-2,
        why="The biased HSIC, which unrelated spaces of few rows do not take to 0; and a median "
        "that counts whichever zero distances of a row to itself rounding has made nonzero.",
    )  # fmt: skip


def test_svcca(compare, oracle, spaces):
    from latentis.measure.functional.svcca import svcca as theirs

    x, y = spaces
    score = svcca(x, y, variance=0.98)
    right = oracle.correlations(oracle.truncated(x, 0.98), oracle.truncated(y, 0.98)).mean()
    rho = oracle.correlations(x, y)
    kept = 1 + int(np.argmax(np.cumsum(rho) / rho.sum() >= 0.98))
    compare.differs(
        "svcca (mean ρ)", "svcca", theirs=theirs(*tensors(spaces)),
        ours=score.parts["mean_rho"], oracle=right, equation="Raghu 2017",
        explained=rho[:kept].mean(), tolerance=1e-4,
        why="No singular directions are cut: the share of variance is applied to the canonical "
        "correlations instead, which removes the smallest of them and so can only raise the mean.",
    )  # fmt: skip
    assert kept <= 5


def test_one_scale_moves_it(oracle, spaces):
    """Canonical correlations have no scale; its ridge of 1e-6 acts on a scaled covariance."""
    from latentis.measure.functional.svcca import svcca as theirs

    x, y = spaces
    one = float(theirs(*tensors((x, y))))
    narrow = float(theirs(*tensors((x * [1, 1, 1, 1, 1e-3], y))))
    assert abs(one - narrow) > 1e-3
    rho = oracle.correlations(x, y), oracle.correlations(x * [1, 1, 1, 1, 1e-3], y)
    assert rho[0] == pytest.approx(rho[1], abs=1e-9)
