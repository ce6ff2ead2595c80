"""SciPy: Procrustes' disparity is the squared sine of the angle."""

import numpy as np
from scipy.spatial import procrustes

from isthmus.measures import procrustes_angular


def test_procrustes(compare, oracle, spaces):
    compare.same(
        "procrustes_angular", "spatial.procrustes", ours=procrustes_angular(*spaces),
        theirs=np.arcsin(np.sqrt(procrustes(*spaces)[2])), equation="Williams 2021",
        oracle=np.arccos(oracle.cosine_of_shapes(*spaces)),
    )  # fmt: skip
    near = spaces[0], spaces[0] @ np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    # The disparity of equal shapes is what rounding leaves of 1 - 1: half of the digits are gone.
    assert float(procrustes_angular(*near)) < 1e-12
