import pytest

from isthmus.retrieval.average_precision import average_precision, per_query


def naive(found, grades, k):
    relevant = {d for d, g in grades.items() if g > 0}
    total = 0.0
    for rank, document in enumerate(found[:k], start=1):
        if document in relevant:
            total += len(relevant & set(found[:rank])) / rank
    return total / len(relevant)


def over_what_was_found(ranked, relevance, *, k):
    kept = [
        {d: g for d, g in facts.items() if d in found[:k]} or facts
        for found, facts in zip(ranked, relevance, strict=True)
    ]
    return per_query(ranked, kept, k=k)


def test_agrees_with_its_definition(check):
    check.oracle(per_query, naive)


def test_the_oracle_rejects_dividing_by_what_was_found(check):
    check.rejects(over_what_was_found, naive)


def test_the_score_carries_interval_and_warnings(check):
    check.score(average_precision, per_query)


def test_by_hand():
    score = average_precision([["a", "x", "b"]], [["a", "b", "c"]])
    assert score.value == pytest.approx((1 + 2 / 3) / 3)
    assert score.method == "MAP"
