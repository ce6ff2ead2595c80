import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError, PairingError
from isthmus.retrieval import recall
from isthmus.retrieval.judgements import judge, mean_score


def test_gains_follow_the_list_and_ideal_is_sorted():
    judged = judge([["a", "b", "c"]], [{"c": 3, "a": 1, "z": 2, "b": 0}], k=2, operation="t")
    assert judged.gains.tolist() == [[1.0, 0.0]]
    assert judged.ideal.tolist() == [[3.0, 2.0, 1.0]]
    assert judged.relevant.tolist() == [3]


def test_mappings_and_sequences_and_arrays_agree():
    ranked = np.array([[3, 1, 2], [2, 3, 1]])
    facts = [{1: 2.0}, {3: 1.0, 9: 1.0}]
    by_position = judge(ranked, facts, k=3, operation="t")
    by_name = judge(
        {"q": [3, 1, 2], "r": [2, 3, 1]}, {"q": facts[0], "r": facts[1]}, k=3, operation="t"
    )
    assert np.array_equal(by_position.gains, by_name.gains)
    assert by_name.queries == ("q", "r")


def test_negative_and_zero_grades_are_not_relevant():
    judged = judge([["a", "b"]], [{"a": -1, "b": 0, "c": 1}], k=2, operation="t")
    assert judged.gains.tolist() == [[0.0, 0.0]]
    assert judged.relevant.tolist() == [1]


def test_a_judged_query_without_ranking_found_nothing_and_is_counted():
    judged = judge({"a": ["x"]}, {"b": ["x"], "a": ["x"]}, k=1, operation="t")
    assert judged.queries == ("b", "a")
    assert judged.gains.tolist() == [[0.0], [1.0]]
    assert "1 judged queries were not ranked" in judged.warnings[0]


def test_a_ranked_query_without_judgements_is_left_out_and_counted():
    judged = judge({"a": ["x"], "u": ["x"]}, {"a": ["x"]}, k=1, operation="t")
    assert judged.queries == ("a",)
    assert "1 ranked queries have no judgements" in judged.warnings[0]


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3"])
def test_k_must_be_a_positive_integer(k):
    with pytest.raises(InputError, match="k="):
        judge([["a"]], [["a"]], k=k, operation="t")


def test_a_document_listed_twice_is_named():
    with pytest.raises(InputError, match="'b' twice for query 'q'"):
        judge({"q": ["a", "b", "b"]}, {"q": ["a"]}, k=3, operation="t")


@pytest.mark.parametrize("grade", [float("nan"), float("inf"), "high", None])
def test_grades_must_be_finite_numbers(grade):
    with pytest.raises(InputError, match="finite"):
        judge([["a"]], [{"a": grade}], k=1, operation="t")


def test_text_is_no_list_of_documents():
    with pytest.raises(InputError, match="list or set"):
        judge([["a"]], ["abc"], k=1, operation="t")


@pytest.mark.parametrize(
    ("ranked", "relevance"), [({"a": ["x"]}, [["x"]]), ([["x"]], [["x"], ["y"]]), ([], [])]
)
def test_forms_must_fit(ranked, relevance):
    with pytest.raises(InputError):
        judge(ranked, relevance, k=1, operation="t")


@pytest.mark.parametrize(
    ("ranked", "relevance"),
    [
        (np.array([1, 2, 3]), np.array([1, 2, 3])),
        ([["a"]], [None]),
        ([None], [["a"]]),
        ([[["a"]]], [["a"]]),
        ([["a"]], [[{"a": 1}]]),
        ({"q": None}, {"q": ["a"]}),
        (None, None),
        (None, [["a"]]),
        (np.zeros((1, 2, 2)), [["a"]]),
    ],
)
def test_what_is_no_list_of_documents_is_typed(ranked, relevance):
    with pytest.raises(InputError, match="t: got"):
        judge(ranked, relevance, k=1, operation="t")


def test_no_query_in_common_shows_examples_of_both():
    with pytest.raises(PairingError, match=r"'1'.*'q1'"):
        judge({"1": ["x"]}, {"q1": ["x"]}, k=1, operation="t")


def test_the_mean_leaves_out_and_counts_undefined_queries():
    score = mean_score("m", np.array([1.0, np.nan, 0.0]), rng=0)
    assert score.value == 0.5
    assert score.n == 2
    assert score.warnings == ("1 queries without a relevant document were left out",)
    with pytest.raises(InputError, match="3 queries without any relevant document"):
        mean_score("m", np.full(3, np.nan), rng=0)


def test_documents_may_come_as_a_torch_tensor():
    ranked = torch.tensor([[3, 1], [2, 0]])
    for found in (ranked, ranked.numpy(), ranked.tolist()):
        assert recall(found, [[3], [0]], k=1).value == 0.5
