"""The contract of ranking metrics over all of them, and proof that it rejects wrong ones."""

import numpy as np
import pytest

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method, methods
from isthmus.core.score import Score
from isthmus.testing import retrieval as suite


@pytest.mark.parametrize("method", methods("retrieval"), ids=lambda m: m.name)
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(method, check):
    check(method)


def wrong(call, **changes):
    card = {
        "name": "wrong", "summary": "A wrong metric.", "paper": Paper("None", "Nobody", 2000),
        "cost": "n k", "memory": "n k", "spaces": 0,
    }  # fmt: skip
    card = Card(**(card | changes))
    return Method("retrieval", card, call)


def hits(ranked, relevance, *, ci=(0.0, 1.0)):
    if len(ranked) != len(relevance) or not ranked:
        raise InputError("wrong", "sides", "equal sides")
    found = [len(set(r[:5]) & set(q)) / len(q) for r, q in zip(ranked, relevance, strict=True)]
    return Score(value=float(np.mean(found)), method="wrong", n=len(found), ci=ci)


def without_interval(ranked, relevance):
    return hits(ranked, relevance, ci=None)


def first_query_counts(ranked, relevance):
    score = hits(ranked, relevance)
    return Score(value=score.value + ranked[0][0] / 1000, method="wrong", n=score.n, ci=(0.0, 9.0))


def by_name(ranked, relevance):
    score = hits(ranked, relevance)
    share = np.mean([str(query[0]) < "3" for query in ranked])
    return Score(value=score.value + float(share), method="wrong", n=score.n, ci=(0.0, 9.0))


def largest_entry(x, y):
    return Score(value=float(np.max(x) - np.max(y)), method="wrong", n=len(x))


def tolerant(ranked, relevance):
    n = min(len(ranked), len(relevance))
    return hits(ranked[:n], relevance[:n]) if n else Score(value=0.0, method="wrong", n=0)


WRONG = [
    (suite.check_returns_score, without_interval),
    (suite.check_query_order, first_query_counts),
    (suite.check_document_names, by_name),
    (suite.check_invariances, largest_entry),
    (suite.check_refusals, tolerant),
]


@pytest.mark.parametrize(("check", "call"), WRONG)
def test_contract_rejects(check, call):
    with pytest.raises(AssertionError):
        check(wrong(call, spaces=2 if call is largest_entry else 0))


def test_a_right_metric_passes_and_every_check_has_a_wrong_one():
    for check in suite.CHECKS:
        check(wrong(hits))
    assert {check for check, _ in WRONG} == set(suite.CHECKS)
