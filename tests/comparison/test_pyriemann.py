"""pyRiemann: distances of covariances."""

import numpy as np
from pyriemann.geometry.distance import distance_riemann
from sklearn.covariance import ledoit_wolf

from isthmus.measures import riemannian_spd


def test_affine_invariant_distance(compare, oracle, spaces):
    plain, shrunk = [np.cov(a.T) for a in spaces], [ledoit_wolf(a)[0] for a in spaces]
    for name, pair in (("none", plain), ("ledoit_wolf", shrunk)):
        compare.same(
            f"riemannian_spd, {name}", "distance_riemann", theirs=distance_riemann(*pair),
            ours=riemannian_spd(*spaces, shrinkage=name), oracle=oracle.riemannian(*pair),
            equation="|log A^-½ B A^-½|",
        )  # fmt: skip
