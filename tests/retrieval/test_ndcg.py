import math

import pytest

from isthmus.retrieval.ndcg import ndcg, per_query


def naive(found, grades, k):
    def dcg(values):
        return sum(v / math.log2(rank + 1) for rank, v in enumerate(values[:k], start=1))

    best = sorted((g for g in grades.values() if g > 0), reverse=True)
    return dcg([max(grades.get(d, 0), 0) for d in found]) / dcg(best)


def exponential_gain(ranked, relevance, *, k):
    return per_query(
        ranked, [{d: 2 ** max(g, 0) - 1 for d, g in facts.items()} for facts in relevance], k=k
    )


def ideal_of_what_was_found(ranked, relevance, *, k):
    kept = [
        {d: g for d, g in facts.items() if d in found or g <= 0} or facts
        for found, facts in zip(ranked, relevance, strict=True)
    ]
    return per_query(ranked, kept, k=k)


def test_agrees_with_its_definition(check):
    check.oracle(per_query, naive)


def test_the_oracle_rejects_the_other_gain_and_a_partial_ideal(check):
    check.rejects(exponential_gain, naive)
    check.rejects(ideal_of_what_was_found, naive)


def test_the_score_carries_interval_and_warnings(check):
    check.score(ndcg, per_query)


def test_by_hand():
    score = ndcg([["a", "b"]], [{"b": 3, "a": 1}], k=2)
    assert score.value == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))


def test_is_scikit_learns_where_both_are_defined():
    import numpy as np
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(0)
    grades = rng.integers(0, 4, size=(20, 12))
    scores = rng.normal(size=(20, 12))
    ranked = np.argsort(-scores, axis=1)
    relevance = [dict(enumerate(map(float, row))) for row in grades]
    assert ndcg(ranked, relevance, k=5).value == pytest.approx(ndcg_score(grades, scores, k=5))
