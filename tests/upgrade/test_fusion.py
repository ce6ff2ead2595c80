import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.upgrade.fusion import fused, reranked
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


def standard(view):
    scores = all_scores(view)
    # 80 documents are fewer than the background sample, so all of them are the background.
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
def test_a_views_scores_are_those_of_its_metric(views, metric):
    view = View(views[0].queries, views[0].documents, metric, depth=DEPTH)
    rows = np.tile(np.arange(N), (Q, 1))
    np.testing.assert_allclose(view.scores(rows), all_scores(view), atol=1e-12)
    np.testing.assert_allclose(view.calibrated(rows), standard(view), atol=1e-9)
    assert (view.found == np.argsort(-all_scores(view), axis=1)[:, :DEPTH]).all()


def test_a_query_that_is_a_document_does_not_calibrate_by_itself():
    documents = np.random.default_rng(1).normal(size=(60, 4))
    view = View(documents[:5], documents, "cosine", depth=10, exclude=np.arange(5))
    assert not (view.found == np.arange(5)[:, None]).any()
    scores = np.delete(all_scores(view)[0], 0)
    rows = np.arange(60)[None].repeat(5, axis=0)
    expected = (all_scores(view)[0] - scores.mean()) / scores.std()
    np.testing.assert_allclose(view.calibrated(rows)[0], expected, atol=1e-9)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_fusion_equals_a_naive_sort_of_the_union(views, weight):
    one, two = views
    (found,) = fused(one, two, k=10, weights=(weight,))
    mixed = (1 - weight) * standard(one) + weight * standard(two)
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
        mixed = 0.6 * standard(one)[i] + 0.4 * standard(two)[i]
        assert blended[i].tolist() == sorted(candidates, key=lambda d: -mixed[d])[:10]


def test_candidates_deeper_than_the_search(views):
    with pytest.raises(InputError, match="deeper"):
        reranked(*views, candidates=40, k=10)
