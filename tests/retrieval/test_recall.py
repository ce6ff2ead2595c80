import numpy as np

from isthmus.retrieval.recall import per_query, recall


def naive(found, grades, k):
    relevant = {d for d, g in grades.items() if g > 0}
    return len(relevant & set(found[:k])) / len(relevant)


def precision(ranked, relevance, *, k):
    total = np.array([sum(g > 0 for g in facts.values()) for facts in relevance])
    return per_query(ranked, relevance, k=k) * total / k


def whole_list(ranked, relevance, *, k):
    return per_query(ranked, relevance, k=1000)


def test_agrees_with_its_definition(check):
    check.oracle(per_query, naive)


def test_the_oracle_rejects_precision_and_a_lost_cut(check):
    check.rejects(precision, naive)
    check.rejects(whole_list, naive)


def test_the_score_carries_interval_and_warnings(check):
    check.score(recall, per_query)


def test_with_more_relevant_documents_than_places_one_cannot_be_reached():
    assert recall([["a", "b"]], [["a", "b", "c", "d"]], k=2).value == 0.5
