"""Every ranking metric against a naive oracle that knows only its definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import InputError
from isthmus.retrieval.average_precision import average_precision
from isthmus.retrieval.average_precision import per_query as average_precision_per_query
from isthmus.retrieval.mrr import mrr
from isthmus.retrieval.mrr import per_query as mrr_per_query
from isthmus.retrieval.ndcg import ndcg
from isthmus.retrieval.ndcg import per_query as ndcg_per_query
from isthmus.retrieval.neighbour_overlap import neighbour_overlap
from isthmus.retrieval.neighbour_overlap import per_query as overlap_per_query
from isthmus.retrieval.recall import per_query as recall_per_query
from isthmus.retrieval.recall import recall


def naive_recall(found, grades, k):
    relevant = {d for d, g in grades.items() if g > 0}
    return len(relevant & set(found[:k])) / len(relevant)


def naive_ndcg(found, grades, k):
    def dcg(values):
        return sum(v / math.log2(rank + 1) for rank, v in enumerate(values[:k], start=1))

    best = sorted((g for g in grades.values() if g > 0), reverse=True)
    return dcg([max(grades.get(d, 0), 0) for d in found]) / dcg(best)


def naive_mrr(found, grades, k):
    for rank, document in enumerate(found[:k], start=1):
        if grades.get(document, 0) > 0:
            return 1 / rank
    return 0.0


def naive_average_precision(found, grades, k):
    relevant = {d for d, g in grades.items() if g > 0}
    total = 0.0
    for rank, document in enumerate(found[:k], start=1):
        if document in relevant:
            total += len(relevant & set(found[:rank])) / rank
    return total / len(relevant)


METRICS = {
    "recall": (recall, recall_per_query, naive_recall),
    "ndcg": (ndcg, ndcg_per_query, naive_ndcg),
    "mrr": (mrr, mrr_per_query, naive_mrr),
    "average_precision": (
        average_precision,
        average_precision_per_query,
        naive_average_precision,
    ),
}
DOCUMENTS = list("abcdefgh")
QUERIES = st.lists(
    st.tuples(
        st.permutations(DOCUMENTS).flatmap(
            lambda p: st.integers(0, len(p)).map(lambda n: list(p)[:n])
        ),
        st.dictionaries(st.sampled_from([*DOCUMENTS, "z"]), st.integers(-1, 3)),
    ),
    min_size=1,
    max_size=4,
)


def agrees(per_query, naive, queries, k):
    """Whether ``per_query`` gives the oracle's number, NaN exactly where nothing is relevant."""
    values = per_query([found for found, _ in queries], [grades for _, grades in queries], k=k)
    for value, (found, grades) in zip(values, queries, strict=True):
        if not any(g > 0 for g in grades.values()):
            if not np.isnan(value):
                return False
        elif not math.isclose(value, naive(found, grades, k), rel_tol=1e-12):
            return False
    return True


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=60, deadline=None)
@given(queries=QUERIES, k=st.integers(1, 12))
def test_agrees_with_the_oracle(name, queries, k):
    _, per_query, naive = METRICS[name]
    assert agrees(per_query, naive, queries, k)


def _exponential_gain(ranked, relevance, *, k):
    return ndcg_per_query(
        ranked, [{d: 2 ** max(g, 0) - 1 for d, g in facts.items()} for facts in relevance], k=k
    )


def _precision(ranked, relevance, *, k):
    found = recall_per_query(ranked, relevance, k=k)
    return found * np.array([sum(g > 0 for g in f.values()) for f in relevance]) / k


def _last_hit(ranked, relevance, *, k):
    return mrr_per_query([list(reversed(found[:k])) for found in ranked], relevance, k=k)


def _found_only(ranked, relevance, *, k):
    kept = [
        {d: g for d, g in f.items() if d in found}
        for found, f in zip(ranked, relevance, strict=True)
    ]
    return average_precision_per_query(ranked, kept, k=k)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ndcg", _exponential_gain),
        ("recall", _precision),
        ("mrr", _last_hit),
        ("average_precision", _found_only),
    ],
)
def test_the_oracle_rejects_the_usual_mistakes(name, wrong):
    queries = [(list("abcd"), {"b": 3, "d": 1, "z": 1})]
    _, per_query, naive = METRICS[name]
    assert agrees(per_query, naive, queries, 4)
    assert not agrees(wrong, naive, queries, 4)


@pytest.mark.parametrize("name", METRICS)
def test_the_score_is_the_mean_of_the_queries_with_an_interval(name):
    score_of, per_query, _ = METRICS[name]
    rng = np.random.default_rng(0)
    ranked = [rng.permutation(30) for _ in range(50)]
    relevance = [rng.choice(30, 3, replace=False) for _ in range(50)]
    score = score_of(ranked, relevance, k=10)
    values = per_query(ranked, relevance, k=10)
    assert score.value == pytest.approx(values.mean())
    assert score.n == 50
    assert score.ci[0] < score.value < score.ci[1]
    assert score == score_of(ranked, relevance, k=10)
    assert "@10" in score.method
    # Against the normal interval, which 50 queries make a fair one.
    half = 1.96 * values.std(ddof=1) / np.sqrt(50)
    assert (score.ci[1] - score.ci[0]) / 2 == pytest.approx(half, rel=0.15)


@pytest.mark.parametrize("name", METRICS)
def test_queries_without_relevant_documents_are_left_out_and_counted(name):
    score_of = METRICS[name][0]
    score = score_of([["a"], ["a"]], [{"a": 1}, {"a": 0}], k=1)
    assert score.value == 1.0
    assert score.n == 1
    assert "1 queries without a relevant document" in score.warnings[0]
    with pytest.raises(InputError, match="without any relevant"):
        score_of([["a"]], [{}], k=1)


def test_perfect_and_useless_rankings_reach_the_ends():
    ranked, facts = [["a", "b", "c"]], [{"a": 2, "b": 1}]
    for score_of, _, _ in METRICS.values():
        assert score_of(ranked, facts, k=3).value == pytest.approx(1.0)
        assert score_of([["x", "y"]], facts, k=3).value == 0.0


def test_ndcg_by_hand():
    score = ndcg([["a", "b"]], [{"b": 3, "a": 1}], k=2)
    assert score.value == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))


@settings(max_examples=40, deadline=None)
@given(a=st.permutations(DOCUMENTS), b=st.permutations(DOCUMENTS), k=st.integers(1, 8))
def test_overlap_is_symmetric_and_counts_common_documents(a, b, k):
    one, two = overlap_per_query([a], [b], k=k), overlap_per_query([b], [a], k=k)
    assert one == two == len(set(a[:k]) & set(b[:k])) / k


def test_overlap_is_no_jaccard_and_copes_with_short_lists():
    assert neighbour_overlap([["a", "b"]], [["b", "c"]], k=2).value == 0.5
    assert neighbour_overlap([["a"]], [["a", "b"]], k=5).value == 0.5
    assert neighbour_overlap([["a", "b"]], [["b", "a"]], k=5).value == 1.0
    assert neighbour_overlap({"q": np.array([1, 2])}, {"q": [2, 1]}, k=2).value == 1.0
    with pytest.raises(InputError, match="same queries"):
        neighbour_overlap({"q": ["a"], "r": ["a"]}, {"q": ["a"]}, k=1)
