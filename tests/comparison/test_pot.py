"""POT: transport of rows and of columns; ours runs on it, so the oracle matters."""

import numpy as np
import ot
import pytest
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from isthmus.bridges import GromovWasserstein
from isthmus.measures import gaussian_wasserstein, gromov_wasserstein, soft_matching


def test_gromov_wasserstein(compare, oracle, spaces):
    sides = [cdist(a, a) for a in spaces]
    one, two = (d / np.sqrt(np.mean(d**2)) for d in sides)
    flat = np.full(60, 1 / 60)
    value, log = ot.gromov.gromov_wasserstein2(one, two, flat, flat, log=True)
    score = gromov_wasserstein(*spaces)
    assert float(score) <= np.sqrt(value) + 1e-9  # the best of more than one descent
    compare.same(
        "gromov_wasserstein", "gromov_wasserstein2", theirs=np.sqrt(value), ours=score,
        oracle=oracle.gromov_objective(one, two, log["T"]), equation="Mémoli 2011, at its plan",
    )  # fmt: skip


@pytest.mark.parametrize("pairs", [0, 5])
def test_gromov_wasserstein_bridge(compare, oracle, spaces, pairs):
    """Rows of a rotated copy in another order: the coupling that moves no distance finds it."""
    x = spaces[0]
    rng = np.random.default_rng(1)
    turn, order = np.linalg.qr(rng.normal(size=(5, 5)))[0], rng.permutation(60)
    y = (x @ turn)[order]
    known = np.argsort(order)[:pairs]
    ours = GromovWasserstein(points=60, least=0).fit(x, y, pairs=(np.arange(pairs), known))
    a, b = (oracle.centred(side) for side in (x, y))
    u, v = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
    costs = [cdist(side, side) for side in (u, v)]
    if pairs:
        gap = cdist(u @ u[:pairs].T, v @ v[known].T, "sqeuclidean")
        plan = ot.gromov.fused_gromov_wasserstein(gap, *costs, alpha=0.5, symmetric=True)
    else:
        plan = ot.gromov.gromov_wasserstein(*costs, symmetric=True)
    name = "fused_gromov_wasserstein" if pairs else "gromov_wasserstein"
    compare.same(
        f"gromov_wasserstein bridge, {pairs} pairs", f"{name}, then Procrustes",
        theirs=oracle.read(a @ oracle.rotation(u, 60 * plan @ v) + y.mean(axis=0)),
        ours=oracle.read(ours.transform(x)), oracle=oracle.read(x @ turn),
        equation="Alvarez-Melis & Jaakkola 2018",
    )  # fmt: skip


@pytest.mark.parametrize("rank", [5, 10, 50])
def test_a_low_rank_coupling_finds_no_planted_rotation(oracle, rank):
    """Why the bridge couples through centres; it has 1.0 where the three seeds have .07 at most."""
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.exponential(size=(100, 5)) * np.linspace(1, 2, 5)
        order = rng.permutation(100)
        y = (x @ np.linalg.qr(rng.normal(size=(5, 5)))[0])[order]
        u, v = (oracle.centred(side) for side in (x, y))
        u, v = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (u, v))
        q, r, g = ot.gromov.lowrank_gromov_wasserstein_samples(
            u, v, rank=rank, seed_init=seed, numItermax=1000
        )
        moved = u @ oracle.rotation(u, (q / g) @ r.T @ v)
        found.append(np.mean(order[(moved @ v.T).argmax(axis=1)] == np.arange(100)))
    assert max(found) < 0.15
    if rank == 5:
        ours = GromovWasserstein(points=100, least=0).fit(x, y, pairs=()).transform(x)
        assert (order[cdist(ours, y).argmin(axis=1)] == np.arange(100)).all()


def test_gaussian_wasserstein(compare, oracle, spaces):
    x, y = spaces
    means, covariances = [a.mean(axis=0) for a in spaces], [np.cov(a.T) for a in spaces]
    known = {
        "ours": gaussian_wasserstein(x, y), "equation": "Dowson & Landau 1982",
        "oracle": oracle.bures_wasserstein(*means, *covariances),
    }  # fmt: skip
    compare.same(
        "gaussian_wasserstein", "bures_wasserstein_distance",
        theirs=ot.gaussian.bures_wasserstein_distance(*means, *covariances), **known,
    )  # fmt: skip
    compare.differs(
        "gaussian_wasserstein", "empirical_bures_wasserstein_distance", right="both",
        theirs=ot.gaussian.empirical_bures_wasserstein_distance(x, y, reg=1e-6),
        explained=oracle.bures_wasserstein(*means, *(c * 59 / 60 for c in covariances)),
        tolerance=1e-4, why="Covariances over n, where ours are over n - 1.", **known,
    )  # fmt: skip


def test_soft_matching(compare, oracle, spaces):
    x, y = (oracle.centred(a) for a in spaces)
    y = y[:, :3]
    cost = cdist(x.T, y.T, "sqeuclidean")
    rows = np.vstack([np.kron(np.eye(5), np.ones(3)), np.kron(np.ones(5), np.eye(3))])
    plan = linprog(cost.ravel(), A_eq=rows, b_eq=np.repeat([1 / 5, 1 / 3], [5, 3]))
    compare.same(
        "soft_matching", "emd2", ours=soft_matching(x, y), oracle=np.sqrt(plan.fun / 60),
        theirs=np.sqrt(ot.emd2(np.full(5, 1 / 5), np.full(3, 1 / 3), cost) / 60),
        equation="Khosla & Williams 2024",
    )  # fmt: skip
