from isthmus.retrieval.mrr import mrr, per_query


def naive(found, grades, k):
    for rank, document in enumerate(found[:k], start=1):
        if grades.get(document, 0) > 0:
            return 1 / rank
    return 0.0


def last_hit(ranked, relevance, *, k):
    return per_query([list(reversed(found[:k])) for found in ranked], relevance, k=k)


def test_agrees_with_its_definition(check):
    check.oracle(per_query, naive)


def test_the_oracle_rejects_the_last_hit(check):
    check.rejects(last_hit, naive)


def test_the_score_carries_interval_and_warnings(check):
    check.score(mrr, per_query)


def test_without_k_the_whole_list_counts():
    score = mrr([[*"abcdefghijklmnop"]], [["p"]])
    assert score.value == 1 / 16
    assert score.method == "MRR"
