"""SciPy: Procrustes, whose disparity is the squared sine of the angle; best assignments."""

import itertools

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment, quadratic_assignment
from scipy.spatial import procrustes

from isthmus.bridges import Orthogonal
from isthmus.bridges.assignment import quadratic_assignment as quadratic
from isthmus.measures import permutation_procrustes, procrustes_angular


def test_procrustes(compare, oracle, spaces):
    compare.same(
        "procrustes_angular", "spatial.procrustes", ours=procrustes_angular(*spaces),
        theirs=np.arcsin(np.sqrt(procrustes(*spaces)[2])), equation="Williams 2021",
        oracle=np.arccos(oracle.cosine_of_shapes(*spaces)),
    )  # fmt: skip
    near = spaces[0], spaces[0] @ np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    # The disparity of equal shapes is what rounding leaves of 1 - 1: half of the digits are gone.
    assert float(procrustes_angular(*near)) < 1e-12


def test_orthogonal_procrustes(compare, oracle, spaces):
    x, y = (oracle.centred(a) for a in spaces)
    compare.same(
        "orthogonal", "linalg.orthogonal_procrustes of centred rows",
        theirs=oracle.read(x @ orthogonal_procrustes(x, y)[0]),
        ours=oracle.read(Orthogonal().fit(x, y).transform(x)),
        oracle=oracle.read(x @ oracle.rotation(x, y)), equation="Schönemann 1966",
    )  # fmt: skip


def test_assignment(compare, oracle, spaces):
    x, y = (oracle.centred(a) / np.sqrt(60) for a in spaces)
    rows, columns = linear_sum_assignment(-(x.T @ y))
    compare.same(
        "permutation_procrustes", "optimize.linear_sum_assignment",
        theirs=np.linalg.norm(x[:, rows] - y[:, columns]), ours=permutation_procrustes(*spaces),
        oracle=oracle.permutation_procrustes(*spaces), equation="Williams 2021",
    )  # fmt: skip


def test_quadratic_assignment(compare, oracle, spaces):
    """Which numbering of 7 rows makes their similarities those of the other side, all tried."""
    a, b = (oracle.cosines(side[:7], side[:7]) for side in spaces)
    starts = np.array([np.random.default_rng(i).permutation(7) for i in range(20)])
    orders = [list(order) for order in itertools.permutations(range(7))]
    found = [
        quadratic_assignment(a, b, method="2opt", options={"maximize": True, "rng": i}).fun
        for i in range(20)
    ]
    compare.same(
        "quadratic assignment behind unpaired bridges", 'quadratic_assignment("2opt"), 20 starts',
        theirs=max(found), ours=quadratic(a, b, starts)[1].max(),
        oracle=max(np.sum(a * b[np.ix_(order, order)]) for order in orders),
        equation="Koopmans & Beckmann 1957",
    )  # fmt: skip
