import numpy as np
import pytest
from scipy.sparse import csr_array

from isthmus.evidence import restore
from isthmus.evidence.corpora import MissingData
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 3)


def tree(seed, n=200):
    """A random tree: every node below one that came before."""
    rng = np.random.default_rng(seed)
    child = np.arange(1, n)
    parent = (rng.uniform(size=n - 1) * child).astype(int)
    half = csr_array((np.ones(n - 1), (child, parent)), shape=(n, n))
    return csr_array(half + half.T)


@pytest.fixture(scope="module")
def figures():
    return restore.experiment(SEEDS, [tree(seed) for seed in SEEDS])


def test_all_methods_beat_random_vectors_at_every_hop(figures):
    assert sum(figure.claimed for figure in figures.values()) == 9
    for name in ("hope", "random_walk", "laplacian"):
        for hops in restore.HOPS:
            assert figures[f"{name}_{hops}"].value > figures[f"random_{hops}"].value


def test_random_vectors_do_not_meet_the_claim():
    wrong = {"hope": lambda g, rng: restore.random(g, rng) ** 2, "random": restore.random}
    control = restore.experiment(SEEDS, [tree(seed) for seed in SEEDS], methods=wrong)
    assert not control["hope_gain"].met
    assert not control["hope_drop_1"].met


def test_methods_factorise_what_they_say(monkeypatch):
    graph = tree(0, n=30).toarray()
    monkeypatch.setattr(restore, "WIDTH", 30)
    beta = 0.5 / np.abs(np.linalg.eigvalsh(graph)).max()
    katz = sum(np.linalg.matrix_power(beta * graph, power) for power in range(1, 60))
    found = restore.hope(graph, np.random.default_rng(0))
    values, vectors = np.linalg.eigh(katz)
    assert found @ found.T == pytest.approx(vectors * np.abs(values) @ vectors.T, abs=1e-9)
    degree = graph.sum(axis=1)
    smooth = np.eye(30) - graph / np.sqrt(np.outer(degree, degree))
    monkeypatch.setattr(restore, "WIDTH", 3)
    slow = restore.laplacian(graph, np.random.default_rng(0))
    assert np.diag(slow.T @ smooth @ slow) == pytest.approx(np.linalg.eigvalsh(smooth)[1:4])
    assert restore.random_walk(graph, np.random.default_rng(0)).shape == (30, 3)


def test_subtrees_of_wordnet_are_trees_of_the_right_size():
    try:
        (graph,) = restore.subtrees(1, np.random.default_rng(0))
    except MissingData as error:
        pytest.skip(str(error))
    assert restore.SIZES[0] <= graph.shape[0] <= restore.SIZES[1]
    assert graph.sum() / 2 >= graph.shape[0] - 1
    assert (graph != graph.T).nnz == 0
