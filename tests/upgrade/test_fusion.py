import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.upgrade.fusion import WEIGHTS, fused, merged, reranked
from isthmus.upgrade.view import View

Q, N, DEPTH = 12, 80, 25


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(Q, 6)), rng.normal(size=(N, 6))
    # The second space measures in other units: without calibration it would decide alone.
    one = View(queries, documents, "cosine", depth=DEPTH)
    two = View(
        100 * queries[:, ::-1] + rng.normal(size=(Q, 6)), documents[:, ::-1], "inner", depth=DEPTH
    )
    return one, two


def all_scores(view):
    q, d = view.queries, view.documents
    if view.metric == "cosine":
        q, d = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (q, d))
    if view.metric == "euclidean":
        return -np.linalg.norm(q[:, None] - d[None], axis=2)
    return q @ d.T


def rarity(scores, among):
    """One query's scores as the formula of ``retrieval.calibration`` has it."""
    ordered = np.sort(among)[::-1]
    m = min(max(round(0.05 * len(among)), 10), len(among) // 2)
    return (scores - ordered[m]) / (ordered[:m] - ordered[m]).mean() + np.log(len(among) / m)


def calibrated(view):
    # 80 documents are fewer than a reference, so all of them are the reference.
    return np.array([rarity(row, row) for row in all_scores(view)])


@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
def test_a_views_scores_are_those_of_its_metric(views, metric):
    view = View(views[0].queries, views[0].documents, metric, depth=DEPTH)
    rows = np.tile(np.arange(N), (Q, 1))
    np.testing.assert_allclose(view.scores(rows), all_scores(view), atol=1e-12)
    np.testing.assert_allclose(view.calibrated(rows), calibrated(view), atol=1e-9)
    assert (view.found == np.argsort(-all_scores(view), axis=1)[:, :DEPTH]).all()


def test_a_query_that_is_a_document_does_not_calibrate_by_itself():
    documents = np.random.default_rng(1).normal(size=(60, 4))
    view = View(documents[:5], documents, "cosine", depth=10, exclude=np.arange(5))
    assert not (view.found == np.arange(5)[:, None]).any()
    rows = np.arange(60)[None].repeat(5, axis=0)
    for i in range(5):
        scores = all_scores(view)[i]
        expected = rarity(scores, np.delete(scores, i))
        np.testing.assert_allclose(view.calibrated(rows)[i], expected, atol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
def test_some_queries_are_asked_alone_as_they_are_among_all(views, metric):
    view = View(views[0].queries, views[0].documents, metric, depth=DEPTH, exclude=np.arange(Q))
    some, rows = np.array([7, 2]), np.array([[3, 50, 9], [0, 1, 77]])
    alone = view.asked(some)
    whole = view.calibrated(np.repeat(rows[:1], Q, axis=0))
    np.testing.assert_allclose(alone.calibrated(rows)[0], whole[7], atol=1e-9)
    assert (alone.found == view.found[some]).all()


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_fusion_equals_a_naive_sort_of_the_union(views, weight):
    one, two = views
    (found,) = fused(one, two, k=10, weights=(weight,))
    mixed = (1 - weight) * calibrated(one) + weight * calibrated(two)
    for i in range(Q):
        union = sorted(set(one.found[i].tolist()) | set(two.found[i].tolist()))
        expected = sorted(union, key=lambda d: -mixed[i, d])[:10]
        assert found[i].tolist() == expected
        assert len(set(found[i].tolist())) == 10


def test_scores_added_as_they_are_would_be_rejected(views):
    one, two = views
    (found,) = fused(one, two, k=10, weights=(0.5,))
    raw = all_scores(one) + all_scores(two)
    union = [sorted(set(a.tolist()) | set(b.tolist()))
             for a, b in zip(one.found, two.found, strict=True)]  # fmt: skip
    wrong = [sorted(u, key=lambda d, i=i: -raw[i, d])[:10] for i, u in enumerate(union)]
    assert found.tolist() != wrong


def test_reranking_keeps_to_the_candidates(views):
    one, two = views
    alone, blended = reranked(one, two, candidates=15, k=10, weights=(1.0, 0.4))
    for i in range(Q):
        candidates = one.found[i, :15].tolist()
        expected = sorted(candidates, key=lambda d: -all_scores(two)[i, d])[:10]
        assert alone[i].tolist() == expected
        mixed = 0.6 * calibrated(one)[i] + 0.4 * calibrated(two)[i]
        assert blended[i].tolist() == sorted(candidates, key=lambda d: -mixed[d])[:10]


def test_both_ends_of_the_weight_are_one_view_alone(views):
    one, two = views
    assert (WEIGHTS[0], WEIGHTS[-1]) == (0.0, 1.0)
    found = fused(one, two, k=10)
    assert (found[0] == one.found[:, :10]).all()
    assert (found[-1] == two.found[:, :10]).all()


def test_merging_takes_each_document_from_the_view_that_holds_it(views):
    one, two = views
    second = np.random.default_rng(2).random(N) < 0.4
    found = merged(one, two, second, k=10)
    mixed = np.where(second, calibrated(two), calibrated(one))
    scores = np.take_along_axis(mixed, found, axis=1)
    np.testing.assert_allclose(scores, -np.sort(-mixed, axis=1)[:, :10])
    # Scores as they are, where the second space's units would win every place.
    raw = np.where(second, all_scores(two), all_scores(one))
    assert not (found == np.argsort(-raw, axis=1)[:, :10]).all()
    for share, whole in ((False, one), (True, two)):
        assert (merged(one, two, np.full(N, share), k=10) == whole.found[:, :10]).all()


def test_merging_never_finds_the_query_itself():
    documents = np.random.default_rng(1).normal(size=(12, 4))
    view = View(documents, documents, "cosine", depth=11, exclude=np.arange(12))
    for share in (0.1, 0.5):
        second = np.arange(12) < 12 * share
        found = merged(view, view, second, k=11)
        assert not (found == np.arange(12)[:, None]).any()
        assert (np.sort(found, axis=1)[:, 1:] > np.sort(found, axis=1)[:, :-1]).all()


def test_candidates_deeper_than_the_search(views):
    with pytest.raises(InputError, match="deeper"):
        reranked(*views, candidates=40, k=10)
