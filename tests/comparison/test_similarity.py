"""similarity-repository: copies of others' code (google/svcca, amzn/xfer, yuanli2333).

The package imports all it knows at once, much of which no registry has; its files are loaded one
by one.
"""

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from isthmus.measures import bures_similarity, cca, cka, pwcca, rbf_cka

BACKEND = Path(importlib.util.find_spec("similarity").origin).parent / "backend"


def part(folder, name):
    package = f"similarity_repository_{folder}"
    if package not in sys.modules:
        module = types.ModuleType(package)
        module.__path__ = [str(BACKEND / folder)]
        sys.modules[package] = module
    return importlib.import_module(f"{package}.{name}")


def test_cca(compare, oracle, spaces):
    x, y = spaces
    core = part("svcca", "cca_core")
    compare.same(
        "cca (mean ρ)", "google/svcca get_cca_similarity",
        theirs=core.get_cca_similarity(x.T, y.T, verbose=False)["mean"][0],
        ours=cca(x, y).parts["mean_rho"], oracle=oracle.correlations(x, y).mean(),
        equation="Hotelling 1936",
    )  # fmt: skip


def test_pwcca(compare, oracle, spaces):
    x, y = spaces
    compute = part("svcca", "pwcca").compute_pwcca
    rho, xc = oracle.correlations(x, y), oracle.centred(x)
    found = part("svcca", "cca_core").get_cca_similarity(x.T, y.T, verbose=False)
    # Directions of the whitened space (their signs are LAPACK's choice) applied to what is not
    # whitened, and the mean of column j put back on direction j.
    directions, _ = np.linalg.qr(xc @ found["coef_x"].T + x.mean(axis=0))
    weights = np.abs(directions.T @ x).sum(axis=1)
    compare.differs(
        "pwcca", "google/svcca compute_pwcca", theirs=compute(x.T, y.T)[0], ours=pwcca(x, y),
        oracle=oracle.pwcca(x, y), equation="Morcos 2018", explained=weights @ rho / weights.sum(),
        why="The directions are not whitened, so they are not the canonical variates, and the "
        "columns that they are weighed by are not centred, so the value moves with the mean and "
        "even with the signs that a library gives its singular vectors.",
    )  # fmt: skip
    assert abs(compute(x.T + 7, y.T)[0] - compute(x.T, y.T)[0]) > 0.01
    assert float(pwcca(x + 7, y)) == pytest.approx(float(pwcca(x, y)), abs=1e-9)


def test_bures(compare, oracle, spaces):
    x, y = spaces
    index = part("nn_similarity_index", "sim_indices").SimIndex()
    compare.same(
        "bures_similarity", "amzn/xfer SimIndex.nbs", theirs=index.nbs(x @ x.T, y @ y.T),
        ours=bures_similarity(x, y), oracle=oracle.cosine_of_shapes(x, y),
        equation="|XᵀY|_* / |X||Y|",
    )  # fmt: skip
    compare.same(
        "cka", "amzn/xfer SimIndex.cka", theirs=index.cka(x @ x.T, y @ y.T), ours=cka(x, y),
        oracle=oracle.cka(x, y), equation="Kornblith 2019",
    )  # fmt: skip


def test_kernels(compare, oracle, spaces):
    x, y = spaces
    theirs = part("yuanli2333", "CKA")
    compare.same(
        "cka", "yuanli2333 linear_CKA", theirs=theirs.linear_CKA(x, y), ours=cka(x, y),
        oracle=oracle.cka(x, y), equation="Kornblith 2019",
    )  # fmt: skip
    compare.differs(
        "rbf_cka", "yuanli2333 kernel_CKA", theirs=theirs.kernel_CKA(x, y), ours=rbf_cka(x, y),
        oracle=oracle.unbiased(*(oracle.gaussian(a) for a in spaces)),
        equation="Song 2012, eq. 5", right="both", tolerance=1e-2,
        explained=oracle.alignment(*(oracle.double_centred(oracle.gaussian(a)) for a in spaces)),
        why="The biased HSIC; and a median that counts whichever zero distances of a row to "
        "itself rounding has made nonzero.",
    )  # fmt: skip
