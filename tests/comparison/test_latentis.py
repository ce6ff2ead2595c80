"""latentis: CKA as it should be; its SVCCA cuts correlations where the paper cuts variance."""

import importlib

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from isthmus.bridges import Affine, Orthogonal
from isthmus.bridges.similarities import relative
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


def test_relative_projections(compare, oracle, spaces):
    from latentis.transform.projection import (
        angular_proj,
        cosine_proj,
        euclidean_proj,
        l1_proj,
        lp_proj,
    )

    x, anchors = spaces[0], spaces[0][:7]
    tx, ta = tensors((x, anchors))
    cosines = oracle.cosines(x, anchors)
    gaps = x[:, None] - anchors[None]
    # Theirs are distances and angles from 0 to 1, ours similarities.
    angles = 1 - 2 * angular_proj(tx, anchors=ta).numpy()
    for name, function, theirs, right in (
        ("cosine", "cosine_proj", cosine_proj(tx, anchors=ta).numpy(), cosines),
        ("angular", "angular_proj, as 1 - 2 r", angles,
         1 - 2 * np.arccos(np.clip(cosines, -1, 1)) / np.pi),
        ("euclidean", "euclidean_proj, as -r", -euclidean_proj(tx, anchors=ta).numpy(),
         -np.sqrt(np.sum(gaps**2, axis=2))),
        ("linf", "lp_proj(p=inf), as -r", -lp_proj(tx, anchors=ta, p=float("inf")).numpy(),
         -np.abs(gaps).max(axis=2)),
        ("l1", "l1_proj, as -r", -l1_proj(tx, anchors=ta).numpy(), -np.abs(gaps).sum(axis=2)),
    ):  # fmt: skip
        ours = relative(x, anchors, similarity=name)
        assert np.abs(theirs - ours).max() < 1e-6
        compare.same(
            f"relative, {name}", function, theirs=oracle.read(theirs), ours=oracle.read(ours),
            oracle=oracle.read(right), equation="Moschella 2023, eq. 2", tolerance=1e-5,
        )  # fmt: skip


def test_procrustes(compare, oracle, spaces):
    from latentis.transform.translate.aligner import Procrustes
    from latentis.transform.translate.functional import svd_align

    x, y = (oracle.centred(a) for a in spaces)
    known = {
        "ours": oracle.read(Orthogonal().fit(x, y).transform(x)),
        "oracle": oracle.read(x @ oracle.rotation(x, y)), "equation": "Schönemann 1966",
    }  # fmt: skip
    compare.same(
        "orthogonal", "svd_align of centred rows",
        theirs=oracle.read(svd_align(*tensors((x, y))).numpy()), **known,
    )  # fmt: skip
    fitted = Procrustes().fit(*tensors((x, y)))
    u, v = (a / a.std(axis=0, ddof=1) for a in (x, y))
    compare.differs(
        "orthogonal", "Procrustes", right="both",
        theirs=oracle.read(fitted.transform(tensors((x, y))[0])[0].numpy()),
        explained=oracle.read(u @ oracle.rotation(u, v) * y.std(axis=0, ddof=1)),
        why="Every column is standardised on the way in and out, so the map is no rotation of the "
        "space.", **known,
    )  # fmt: skip


def test_least_squares(compare, oracle, spaces):
    from latentis.transform.translate.functional import lstsq_align

    x, y = spaces
    # With next to no penalty on this many rows; without an intercept there is none to compare.
    ours = Affine(alpha=0.0).fit(x, y).transform(x)
    known = {
        "ours": oracle.read(ours), "oracle": oracle.read(oracle.least_squares(x, y, x)),
        "equation": "regression with intercept",
    }  # fmt: skip
    ones = [np.hstack([x, np.ones((60, 1))]), y]
    compare.same(
        "affine, no penalty", "lstsq_align of rows with a constant",
        theirs=oracle.read(lstsq_align(*tensors(ones)).numpy()), **known,
    )  # fmt: skip
    compare.differs(
        "affine, no penalty", "lstsq_align", right="both",
        theirs=oracle.read(lstsq_align(*tensors(spaces)).numpy()),
        explained=oracle.read(x @ np.linalg.pinv(x) @ y),
        why="No intercept: the origin is taken to stay where it is.", **known,
    )  # fmt: skip
