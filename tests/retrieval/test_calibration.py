"""Rarity: against its formula, against known tails, and where there is no tail at all."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.retrieval.calibration import Rarity, all_scores
from isthmus.retrieval.search import search


def naive(scores, wanted):
    """The formula, row by row."""
    told = []
    for row, asked in zip(scores, wanted, strict=True):
        ordered = sorted(map(float, row), reverse=True)
        m = min(max(round(0.05 * len(row)), 10), len(row) // 2)
        u = ordered[m]
        e = sum(s - u for s in ordered[:m]) / m
        told.append([(s - u) / e + np.log(len(row) / m) for s in asked])
    return np.array(told)


@pytest.mark.parametrize("r", [2, 3, 15, 21, 400, 1000])
def test_equals_the_formula(r):
    rng = np.random.default_rng(0)
    scores, wanted = rng.normal(size=(6, r)), rng.normal(size=(6, 4)) + 3
    np.testing.assert_allclose(Rarity.of(scores).of_scores(wanted), naive(scores, wanted))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_is_minus_the_log_of_the_share_beyond_for_exponential_tails(scale):
    chance = scale * np.random.default_rng(0).exponential(size=(30, 20_000)) - 5 * scale
    for depth in (3.0, 6.0, 9.0):
        told = Rarity.of(chance).of_scores(np.full((30, 1), scale * (depth - 5)))
        assert abs(told.mean() - depth) < 0.15


def test_scale_and_shift_of_a_space_s_scores_do_not_matter():
    rng = np.random.default_rng(0)
    chance, asked = rng.normal(size=(5, 300)), rng.normal(size=(5, 7))
    np.testing.assert_allclose(
        Rarity.of(3 * chance - 8).of_scores(3 * asked - 8), Rarity.of(chance).of_scores(asked)
    )


def test_a_z_score_would_not_do():
    """Two spaces score the same documents; one's best lie further out. Only rarity agrees."""
    rng = np.random.default_rng(0)
    documents = rng.exponential(size=(1, 5000))
    one, two = documents, documents**2  # the same order, another tail
    at = np.argsort(documents[0])[-50:]
    rarities = [Rarity.of(s).of_scores(s[:, at])[0] for s in (one, two)]
    z = [((s - s.mean()) / s.std())[0, at] for s in (one, two)]
    assert abs(rarities[0] - rarities[1]).mean() < 0.3 * abs(z[0] - z[1]).mean()


def test_queries_to_which_all_documents_are_alike_give_no_nan():
    told = Rarity.of(np.full((2, 40), 0.25)).of_scores(np.full((2, 3), 0.25))
    assert np.isfinite(told).all()
    assert np.ptp(told) == 0


@pytest.mark.parametrize("scores", [np.ones((2, 1)), np.ones(5), np.array([[1.0, np.nan, 2.0]])])
def test_too_few_and_not_finite_are_refused(scores):
    with pytest.raises(InputError, match="calibration"):
        Rarity.of(scores)


@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
def test_all_scores_are_those_of_search(metric):
    rng = np.random.default_rng(0)
    queries, base = rng.normal(size=(4, 6)), rng.normal(size=(30, 6)).astype(np.float32)
    base[3] = 0
    hits = search(queries.astype(np.float32), base, 30, metric=metric)
    scores = all_scores(queries.astype(np.float32), base, metric)
    np.testing.assert_allclose(
        np.take_along_axis(scores, hits.rows, axis=1), hits.scores, atol=1e-5
    )
