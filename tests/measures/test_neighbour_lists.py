"""Counts, gains and null of neighbour lists against sets, deletions and shuffles."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import (
    cknna,
    continuity,
    cycle_knn,
    jaccard_knn,
    mutual_knn,
    rank_biased_overlap,
    trustworthiness,
)
from isthmus.measures.neighbour_lists import (
    counts,
    gains,
    neighbour_lists,
    null_covariance,
    weighted_sums,
)


def related(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, x + 0.7 * rng.normal(size=(n, 3))


def lists(x, y, k=4):
    return neighbour_lists(x, y, k, "euclidean", operation="test")[0]


def test_counts_are_those_of_sets():
    both = lists(*related())
    for i in range(40):
        for d in range(1, 5):
            assert counts(both)[i, d - 1] == len(set(both.x[i, :d]) & set(both.y[i, :d]))


def test_gains_are_those_of_leaving_rows_out(monkeypatch):
    import sys

    x, y = related()
    weights = np.array([0.5, 0.3, 0.2, 0.7])
    row = lambda shared: shared @ weights  # noqa: E731
    both = lists(x, y)
    own, gain = row(counts(both)), gains(both, row)
    for m in range(40):
        left = row(counts(lists(np.delete(x, m, 0), np.delete(y, m, 0)))).sum()
        assert left == pytest.approx(own.sum() - own[m] + gain[m], abs=1e-9)
    monkeypatch.setattr(sys.modules["isthmus.measures.neighbour_lists"], "_ENTRIES", 200)
    np.testing.assert_allclose(gains(both, row), gain)


def test_null_is_that_of_shuffled_rows():
    x, y = related()
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(500):
        order = rng.permutation(40)
        drawn.append(counts(lists(x, y[order])).sum(axis=0))
    mean, covariance = null_covariance(lists(x, y))
    drawn = np.array(drawn)
    error = np.sqrt(np.diag(covariance) / len(drawn))
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * error).all()
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.35)


def test_weighted_sums_are_those_of_the_matrix():
    x, y = related()
    near = lists(x, y).x
    weights = np.random.default_rng(2).normal(size=near.shape)
    a = np.zeros((40, 40))
    np.put_along_axis(a, near, weights, axis=1)
    sums = weighted_sums(near, weights)
    rows, columns = a.sum(axis=1), a.sum(axis=0)
    expected = [a.sum(), (a**2).sum(), (a * a.T).sum(), rows @ rows, columns @ columns]
    found = [sums.total, sums.squares, sums.mutual, sums.rows, sums.columns]
    np.testing.assert_allclose(found, expected)
    assert sums.through == pytest.approx(rows @ columns)


def holed(seed=0, zeros=0.2):
    """Two spaces that have nothing to do with each other, but that each holds zero rows."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(120, 5)) * (rng.random((120, 1)) >= zeros) for _ in "ab"]


@pytest.mark.parametrize(
    "measure",
    [mutual_knn, jaccard_knn, rank_biased_overlap, cknna, cycle_knn, trustworthiness, continuity],
)
def test_ties_that_the_lower_row_settles_leave_no_test(measure):
    """Those of zero rows made unrelated spaces agree, with p down to 1e-25."""
    score = measure(*holed())
    assert score.z is score.p is None
    assert score.chance is not None
    assert "no test" in " ".join(score.warnings)
    assert measure(*holed(zeros=0)).p is not None


@pytest.mark.parametrize("measure", [mutual_knn, trustworthiness])
def test_one_row_tied_on_both_sides_leaves_no_test(measure):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 3))
    for side in (x, y):  # row 0 has four neighbours and then two at one distance
        side[0] = 0
        side[1:] *= (5 + 5 / np.linalg.norm(side[1:], axis=1))[:, None]
        side[1:5] = np.vstack([np.eye(3), -np.eye(3)[:1]])
        side[5], side[6] = [0, 2, 0], [0, 0, 2]
    options = {"metric": "euclidean"} if measure is mutual_knn else {}
    score = measure(x, y, k=5, **options)
    assert score.p is None
    assert "no test" in " ".join(score.warnings)
    y[6] *= 1.5
    assert measure(x, y, k=5, **options).p is not None


DRAWN = [mutual_knn, jaccard_knn, rank_biased_overlap]


@pytest.mark.parametrize("measure", DRAWN, ids=lambda one: one.__name__)
def test_drawn_rows_estimate_the_exact_value_within_their_interval(measure):
    x, y = related(400)
    exact = measure(x, y, metric="euclidean")
    scores = [measure(x, y, metric="euclidean", approximate=60, rng=seed) for seed in range(100)]
    values = np.array([float(one) for one in scores])
    assert values.mean() == pytest.approx(float(exact), abs=3 * values.std() / 10)
    covered = sum(one.ci[0] <= float(exact) <= one.ci[1] for one in scores)
    assert covered >= 88  # of 100 at 95 %: fewer has a chance of .003
    half = np.mean([(one.ci[1] - one.ci[0]) / 2 for one in scores])
    assert half == pytest.approx(2 * values.std(), rel=0.2)
    assert scores[0].chance == pytest.approx(exact.chance)
    assert scores[0].z is None
    assert "60 of 400 rows" in scores[0].warnings[0]
    assert measure(x, y, metric="euclidean", approximate=60, rng=7) == scores[7]


@pytest.mark.parametrize("measure", DRAWN, ids=lambda one: one.__name__)
def test_all_rows_drawn_are_the_exact_value(measure):
    x, y = related(40)
    x[5:9] = x[5]  # a copy may come before the row itself
    exact, drawn = measure(x, y, k=2), measure(x, y, k=2, approximate=40)
    assert float(drawn) == pytest.approx(float(exact), abs=1e-12)
    np.testing.assert_allclose(drawn.parts["per_row"], exact.parts["per_row"])
    assert drawn.ci == pytest.approx((float(exact), float(exact)))


def test_too_few_or_too_many_drawn_are_refused():
    x, y = related(40)
    for count in (29, 41):
        with pytest.raises(InputError, match=f"mutual_knn.*approximate={count} of 40 rows"):
            mutual_knn(x, y, approximate=count)
