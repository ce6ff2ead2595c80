"""View: scores and rarities against the formula, whatever the blocks, exclusions or preparation."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.upgrade import view as module
from isthmus.upgrade.view import View

Q, N, D = 7, 60, 5
METRICS = ["cosine", "inner", "euclidean"]


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(3)
    documents = rng.normal(size=(N, D)) + 0.5
    # Every query is a document: only an exclusion keeps it from finding itself.
    return documents[:Q].copy(), documents


def naive(queries, documents, metric):
    if metric == "euclidean":
        return np.array([[-np.linalg.norm(q - d) for d in documents] for q in queries])
    length = np.linalg.norm if metric == "cosine" else lambda _: 1.0
    return np.array([[q @ d / (length(q) * length(d)) for d in documents] for q in queries])


def rarity(score, among):
    """As the formula of ``retrieval.calibration`` has it."""
    ordered = np.sort(among)[::-1]
    m = min(max(round(0.05 * len(among)), 10), len(among) // 2)
    return (score - ordered[m]) / (ordered[:m] - ordered[m]).mean() + np.log(len(among) / m)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_each_querys_own_in_blocks_of_any_size(sides, metric, monkeypatch):
    rows = np.random.default_rng(0).integers(N, size=(Q, 4))
    expected = np.take_along_axis(naive(*sides, metric), rows, axis=1)
    for entries in (1, 3 * 4 * D, 1 << 23):  # one query a block, three, and all
        monkeypatch.setattr(module, "_ENTRIES", entries)
        found = View(*sides, metric, depth=3).scores(rows)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert View(*sides, metric, depth=3).scores(rows[:, :0]).shape == (Q, 0)


def test_scores_of_single_precision_lose_nothing_to_the_sum():
    # The sum in float32 would be 0: 1e8 swallows the 1.
    ask = np.ones((1, 3), np.float32)
    view = View(ask, np.array([[1e8, 1.0, -1e8]], np.float32), "inner", depth=1)
    assert view.scores(np.array([[0]])).tolist() == [[1.0]]


def test_a_zero_vector_has_cosine_zero():
    view = View(np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 0]]), "cosine", depth=2)
    found = view.scores(np.array([[0, 1], [0, 1]]))
    np.testing.assert_allclose(found, [[0, 0], [0.5**0.5, 0]], atol=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_an_excluded_document_is_neither_found_nor_counted_as_chance(sides, metric):
    own = np.arange(Q)
    view, free = (View(*sides, metric, depth=9, exclude=e) for e in (own, None))
    scores = naive(*sides, metric)
    assert (free.found == np.argsort(-scores, axis=1, kind="stable")[:, :9]).all()
    without = scores.copy()
    without[own, own] = -np.inf
    assert (view.found == np.argsort(-without, axis=1, kind="stable")[:, :9]).all()
    rows = np.tile(np.arange(N), (Q, 1))
    expected = [rarity(row, np.delete(row, at)) for at, row in enumerate(scores)]
    np.testing.assert_allclose(view.calibrated(rows), expected, atol=1e-9)
    # Counted as chance it would make every document look rarer, or less rare, than it is.
    assert not np.allclose(free.calibrated(rows), expected, atol=1e-3)


def test_a_query_that_excludes_nothing_loses_one_reference_like_the_others(sides):
    exclude = np.array([0, -1, 2, -1, 4, 5, 6])
    rows = np.tile(np.arange(N), (Q, 1))
    found = View(*sides, "inner", depth=3, exclude=exclude).calibrated(rows)
    scores = naive(*sides, "inner")
    for at in (1, 3):
        fits = [np.allclose(found[at], rarity(scores[at], np.delete(scores[at], j)), atol=1e-9)
                for j in range(N)]  # fmt: skip
        assert any(fits)


@pytest.mark.parametrize("metric", METRICS)
def test_within_are_the_closest_of_the_rows_given_and_nothing_is_excluded(sides, metric):
    view = View(*sides, metric, depth=3, exclude=np.arange(Q))
    rows = np.array([40, 3, 17, 5, 22, 0])
    found, seen = view.within(rows, 4)
    scores = naive(*sides, metric)[:, rows]
    assert (found == rows[np.argsort(-scores, axis=1, kind="stable")[:, :4]]).all()
    np.testing.assert_allclose(seen, view.calibrated(found), atol=1e-9)
    assert view.within(rows, 99)[0].shape == (Q, len(rows))


@pytest.mark.parametrize("metric", METRICS)
def test_some_of_the_queries_are_answered_as_among_all(sides, metric):
    view = View(*sides, metric, depth=6, exclude=np.arange(Q))
    some = np.array([5, 1])
    one = view.asked(some)
    assert (one.found == view.found[some]).all()
    # Prepared once: a cosine asked of an index is an inner product with unit documents.
    assert one.metric == ("inner" if metric == "cosine" else metric)
    expected = view.calibrated(view.found)[some]
    np.testing.assert_allclose(one.calibrated(view.found[some]), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        ({"metric": "dot"}, "metric 'dot'"), ({"depth": 0}, "k=0"),
        ({"documents": np.full((4, D), np.nan)}, "NaN or infinity in 4"),
        ({"documents": np.ones((4, D + 1))}, "equal dims"), ({"exclude": np.zeros(2, int)}, "2"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(sides, spoil, got):
    given = {"queries": sides[0], "documents": sides[1], "metric": "cosine", "depth": 3, **spoil}
    with pytest.raises(InputError, match=got):
        _ = View(**given).found
