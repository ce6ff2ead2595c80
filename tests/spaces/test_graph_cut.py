import itertools

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from isthmus.spaces.graph_cut import _sweep, cuts, neighbour_graph


def conductance(graph, part):
    """By the formula, link by link; each link of the symmetric graph is met from both ends."""
    across = links = inside = 0.0
    for a, row in enumerate(graph):
        for b, link in enumerate(row):
            links += link
            inside += link if part[a] else 0
            across += link / 2 if part[a] != part[b] else 0
    return (across + 0.5) * links / (inside * (links - inside))


def symmetric(n, rng):
    half = np.triu(rng.integers(0, 4, (n, n)) * (rng.random((n, n)) < 0.5), 1).astype(float)
    ring = np.roll(np.eye(n), 1, axis=1)
    return half + half.T + ring + ring.T


def cliques(*sizes):
    """Cliques in a row, each joined to the next by one link."""
    n = sum(sizes)
    graph, start = np.zeros((n, n)), 0
    for size in sizes:
        graph[start : start + size, start : start + size] = 1
        if start:
            graph[start - 1, start] = graph[start, start - 1] = 1
        start += size
    return graph - np.diag(np.diag(graph))


@pytest.mark.parametrize("k", [1, 3, 19])
def test_neighbours_by_full_sort(k):
    z = np.random.default_rng(k).standard_normal((20, 4))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    links = np.zeros((20, 20))
    for row in range(20):
        others = sorted((float(-z[row] @ z[other]), other) for other in range(20) if other != row)
        for _, other in others[:k]:
            links[row, other] += 1
            links[other, row] += 1
    np.testing.assert_array_equal(neighbour_graph(z, k).toarray(), links)


def test_no_row_is_its_own_neighbour_even_among_opposites():
    z = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(neighbour_graph(z, 2).toarray(), 2 * (1 - np.eye(3)))


@pytest.mark.parametrize("least", [1, 2, 4, 5])
@pytest.mark.parametrize("seed", range(4))
def test_a_sweep_finds_the_cheapest_place_with_enough_rows_on_either_side(least, seed):
    rng = np.random.default_rng(seed)
    graph, order = symmetric(10, rng), rng.permutation(10)
    found, part = _sweep(coo_array(graph), graph.sum(axis=1), order, least)
    tried = [
        conductance(graph, np.isin(np.arange(10), order[:at])) for at in range(least, 11 - least)
    ]
    assert found == pytest.approx(min(tried))
    assert conductance(graph, part) == pytest.approx(found)
    assert least <= part.sum() <= 5


@pytest.mark.parametrize("reverse", [False, True])
def test_a_part_of_just_the_least_size_is_found_at_either_end(reverse):
    graph = cliques(4, 12)
    order = np.arange(16)[::-1] if reverse else np.arange(16)
    found, part = _sweep(coo_array(graph), graph.sum(axis=1), order, 4)
    np.testing.assert_array_equal(part, np.arange(16) < 4)
    # 1 link across and half a link more; 13 link ends in the small clique, 133 in the large one.
    assert found == pytest.approx(1.5 * 146 / (13 * 133))


def test_the_best_cut_is_the_best_of_all_bipartitions():
    graph = cliques(5, 7)
    found = cuts(csr_array(graph), 2, np.random.default_rng(0))
    best = min(
        conductance(graph, np.isin(np.arange(12), part))
        for size in range(2, 7)
        for part in itertools.combinations(range(12), size)
    )
    assert found[0][0] == pytest.approx(best)
    np.testing.assert_array_equal(found[0][1], np.arange(12) < 5)


def test_cuts_come_cheapest_first_with_the_smaller_part():
    rng = np.random.default_rng(0)
    graph = symmetric(30, rng)
    found = cuts(csr_array(graph), 6, rng)
    assert len(found) == 4
    assert [c for c, _ in found] == sorted(c for c, _ in found)
    for rated, part in found:
        assert rated == pytest.approx(conductance(graph, part))
        assert 6 <= part.sum() <= 15


def test_cuts_through_nothing_are_rated_by_the_size_of_their_parts():
    graph = np.kron(np.eye(2), cliques(6)) + 0.0
    found, part = cuts(csr_array(graph), 2, np.random.default_rng(0))[0]
    np.testing.assert_array_equal(part, part[0] == (np.arange(12) < 6))
    assert found == pytest.approx(0.5 * 60 / (30 * 30))
