import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.metrics import average_precision_score

from isthmus.core.errors import InputError
from isthmus.measures import reconstruction_map
from isthmus.testing.kinds import array_kinds


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    graph = np.triu(rng.uniform(size=(40, 40)) < 0.06, 1)
    graph[:, 39] = graph[39] = False  # a node of no one
    return rng.normal(size=(40, 3)), graph | graph.T


def naive(vectors, graph, hops):
    far = shortest_path(graph, unweighted=True)
    apart, found = cdist(vectors, vectors), []
    for i in range(len(vectors)):
        others = np.arange(len(vectors)) != i
        near = (far[i] <= hops)[others]
        if near.any():
            found.append(average_precision_score(near, -apart[i][others]))
    return float(np.mean(found))


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_equals_average_precision_node_by_node(case, hops):
    vectors, graph = case
    score = reconstruction_map(vectors, graph, hops=hops, metric="euclidean")
    assert score.value == pytest.approx(naive(vectors, graph, hops), abs=1e-12)
    assert score.n < 40
    assert score.parts["precision"][39] == -1
    assert "no neighbour" in score.warnings[0]


def test_chance_is_the_mean_over_shuffled_vectors(case):
    vectors, graph = case
    rng = np.random.default_rng(1)
    scores = [reconstruction_map(vectors[rng.permutation(40)], graph, hops=2) for _ in range(300)]
    drawn = [score.value for score in scores]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert scores[0].chance == pytest.approx(np.mean(drawn), abs=4 * error)


def test_graph_as_matrix_sparse_or_pairs_and_vectors_of_any_kind(case):
    vectors, graph = case
    value = float(reconstruction_map(vectors, graph))
    pairs = np.argwhere(np.triu(graph))
    for same in (csr_array(graph * 2.5), coo_array(np.triu(graph)), pairs, pairs[:, ::-1]):
        assert float(reconstruction_map(vectors, same)) == value
    for convert in array_kinds().values():
        assert float(reconstruction_map(convert(vectors), graph)) == pytest.approx(value, abs=1e-12)
    half = vectors.astype(np.float32)
    wide = float(reconstruction_map(half.astype(np.float64), graph))
    assert float(reconstruction_map(half, graph)) == pytest.approx(wide, abs=1e-6)


def test_invariances_and_order_of_nodes(case):
    vectors, graph = case
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    value = float(reconstruction_map(vectors, graph))
    assert float(reconstruction_map(3 * vectors @ turn, graph)) == pytest.approx(value, abs=1e-12)
    order = np.random.default_rng(3).permutation(40)
    mixed = reconstruction_map(vectors[order], graph[np.ix_(order, order)])
    assert float(mixed) == pytest.approx(value, abs=1e-12)


def test_equal_vectors_gain_nothing(case):
    graph = case[1]
    score = reconstruction_map(np.ones((40, 2)), graph)
    assert score.value < score.chance


@pytest.mark.parametrize(
    ("graph", "options"),
    [
        (np.zeros((4, 4)), {}),
        (np.ones((3, 3)), {}),
        (np.array([[0, 9]]), {}),
        (np.ones((4, 4)), {"hops": 0}),
        (np.ones((4, 4)), {"metric": "taxicab"}),
    ],
)
def test_bad_input(graph, options):
    with pytest.raises(InputError, match="reconstruction_map"):
        reconstruction_map(np.eye(4), graph, **options)
    with pytest.raises(InputError, match="reconstruction_map"):
        reconstruction_map(np.full((4, 4), np.nan), np.ones((4, 4)))
