import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import InputError
from isthmus.retrieval.neighbour_overlap import neighbour_overlap, per_query

DOCUMENTS = list("abcdefgh")


@settings(max_examples=40, deadline=None)
@given(a=st.permutations(DOCUMENTS), b=st.permutations(DOCUMENTS), k=st.integers(1, 8))
def test_symmetric_and_counts_common_documents(a, b, k):
    one, two = per_query([a], [b], k=k), per_query([b], [a], k=k)
    assert one == two == len(set(a[:k]) & set(b[:k])) / k


def test_no_jaccard():
    assert neighbour_overlap([["a", "b"]], [["b", "c"]], k=2).value == 0.5  # Jaccard: 1/3


def test_short_lists_count_by_the_longer_one():
    assert neighbour_overlap([["a"]], [["a", "b"]], k=5).value == 0.5
    assert neighbour_overlap([["a", "b"]], [["b", "a"]], k=5).value == 1.0
    assert np.isnan(per_query([[], ["a"]], [[], ["a"]], k=2)[0])


def test_mappings_are_joined_on_their_queries():
    score = neighbour_overlap({"q": np.array([1, 2]), "r": [1]}, {"r": [3], "q": [2, 1]}, k=2)
    assert score.value == 0.5
    with pytest.raises(InputError, match="same queries"):
        neighbour_overlap({"q": ["a"], "r": ["a"]}, {"q": ["a"]}, k=1)


def test_the_score_carries_an_interval():
    rng = np.random.default_rng(0)
    a, b = ([rng.permutation(20)[:10] for _ in range(60)] for _ in range(2))
    score = neighbour_overlap(a, b, k=10)
    assert score.ci[0] < 0.5 < score.ci[1]
    assert score.n == 60
    assert score.method == "overlap@10"
