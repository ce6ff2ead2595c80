"""The ranking metrics' contract: the data it makes, what it renames, and what it asks for."""

import numpy as np
import pytest

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.testing import retrieval as suite


def metric(call, **card):
    known = {"cost": "n k", "memory": "n k", "spaces": 0}
    paper = Paper("None", "Nobody", 2000)
    return Method(
        "retrieval",
        Card(name="some_metric", summary="A metric.", paper=paper, **(known | card)),
        call,
    )


def score(value, n=40, ci=(-1e9, 1e9)):
    return Score(value=float(value), method="some_metric", n=n, ci=ci)


def hits(ranked, relevant):
    """How many relevant documents are found: half of the four of every query, by construction."""
    if len(ranked) != len(relevant) or not len(ranked):
        raise InputError("score", "sides", "equal ones")
    found = [len(set(a) & set(b)) / len(b) for a, b in zip(ranked, relevant, strict=True)]
    return score(np.mean(found), len(found), (0.0, 1.0))


def test_every_check_of_the_module_is_run():
    found = [value for name, value in vars(suite).items() if name.startswith("check_")]
    assert list(suite.CHECKS) == found


@pytest.mark.parametrize("seed", range(4))
def test_of_four_relevant_documents_two_are_among_the_first_eight_and_two_nowhere(seed):
    ranked, relevant = suite._data(metric(hits), seed)
    assert hits(ranked, relevant).value == 0.5
    assert len(ranked) == len(relevant) == 40
    for found, wanted in zip(ranked, relevant, strict=True):
        assert len(set(found)) == 20
        assert len(set(wanted)) == 4
        assert len(set(wanted) & set(found[:8])) == 2
        assert len(set(wanted) - set(range(60))) == 2
    assert ranked != suite._data(metric(hits), seed + 1)[0]


def test_a_metric_of_vectors_gets_arrays():
    x, y = suite._data(metric(hits, spaces=2), 0)
    assert x.shape == y.shape == (40, 5)


def test_new_names_are_texts_and_keep_apart_what_was_apart():
    names = suite._renamed(list(range(62)))
    assert len(set(names)) == 62
    assert {type(name) for name in names} == {str}
    assert suite._renamed([3, 1, 3]) == ["d21", "d7", "d21"]
    assert names != sorted(names)  # nor is their order that of the numbers


@pytest.mark.parametrize("side", [np.eye(3), [[1], [2], [3]]], ids=["array", "list"])
def test_both_kinds_of_sides_are_put_in_order(side):
    picked = suite._picked(side, np.array([2, 0, 1]))
    assert type(picked) is type(side)
    np.testing.assert_array_equal(picked, np.asarray(side)[[2, 0, 1]])


WRONG_SCORES = {
    "not Score": lambda: 0.5,
    "reports n=39 of 40": lambda: score(0.5, n=39),
    "outside its interval": lambda: score(0.5, ci=(0.6, 0.7)),
    "outside its interval, above": lambda: score(0.5, ci=(0.3, 0.4)),
}


@pytest.mark.parametrize("said", WRONG_SCORES)
def test_what_is_no_whole_score_is_rejected(said):
    with pytest.raises(AssertionError, match=said.partition(",")[0]):
        suite.check_returns_score(metric(lambda *sides: WRONG_SCORES[said]()))


def test_vectors_in_another_order_must_not_matter_either():
    def steps(x, y):
        return score(np.abs(np.diff(x, axis=0)).sum())

    with pytest.raises(AssertionError, match="depends on the order of queries"):
        suite.check_query_order(metric(steps, spaces=2))
    suite.check_query_order(metric(lambda x, y: score(np.abs(x - y).max()), spaces=2))


def test_ties_broken_by_number_are_told_by_the_new_names():
    """Names are equal or not, and nothing else: neither their order nor their type counts."""

    def lowest_first(ranked, relevant):
        return score(np.mean([min(found) in found[:4] for found in ranked]))

    def numbers(ranked, relevant):
        return score(isinstance(ranked[0][0], int))

    for wrong in (lowest_first, numbers):
        with pytest.raises(AssertionError, match="depends on the names of documents"):
            suite.check_document_names(metric(wrong))


def test_a_metric_of_vectors_that_declares_too_little_is_rejected():
    def apart(x, y):
        return score(np.linalg.norm(x - x.mean(axis=0)) / np.linalg.norm(y - y.mean(axis=0)))

    kept = ("orthogonal", "translation")
    suite.check_invariances(metric(apart, spaces=2, invariant=kept))
    with pytest.raises(AssertionError, match="'translation'"):
        suite.check_invariances(metric(apart, spaces=2, invariant=("orthogonal",)))


def test_each_refusal_is_asked_for():
    def tolerant(of_nothing):
        def call(ranked, relevant):
            if (not ranked) == of_nothing:
                return score(0, 0)
            return hits(ranked, relevant)

        return metric(call)

    for of_nothing, what in ((True, "nothing"), (False, "unequal sides")):
        with pytest.raises(AssertionError, match=f"some_metric accepts {what}"):
            suite.check_refusals(tolerant(of_nothing))

    def crashes(ranked, relevant):
        raise IndexError

    with pytest.raises(IndexError):
        suite.check_refusals(metric(crashes))
