import math

import numpy as np
import pytest

from isthmus.spaces.codebook import (
    Codebook,
    distinct,
    learn,
    mirrored,
    principal_axes,
    rotated,
    unit,
)


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def length(v):
    return math.sqrt(math.fsum(float(a) * float(a) for a in v))


def spherical_k_means(x, k, rng, rounds):
    """Dhillon & Modha, row by row; a centre that loses all its rows stays where it was."""
    mean = [math.fsum(column) / len(x) for column in x.T.tolist()]
    y = [row - np.array(mean) for row in x]
    z = [row / length(row) for row in y]
    centres = [z[i] for i in rng.choice(len(z), size=min(k, len(z)), replace=False)]

    def nearest(row):
        return max(range(len(centres)), key=lambda c: float(row @ centres[c]))

    for _ in range(rounds):
        labels = [nearest(row) for row in z]
        for c in set(labels):
            total = sum(row for row, label in zip(z, labels, strict=True) if label == c)
            centres[c] = total / length(total)
    labels = [nearest(row) for row in z]
    used = sorted(set(labels))
    reach = [
        np.mean([row @ centres[c] for row, label in zip(y, labels, strict=True) if label == c])
        for c in used
    ]
    return np.array(mean), np.array([centres[c] for c in used]), np.array(reach)


# -- directions of rows ------------------------------------------------------------------------


def test_unit_directions_by_the_formula():
    x, mean = rows(9, 4), rows(1, 4, 1)[0]
    z, known = unit(x, mean)
    assert known.all()
    np.testing.assert_allclose(z, [(r - mean) / length(r - mean) for r in x], atol=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_unit_directions_neither_overflow_nor_underflow(scale):
    x = rows(9, 4)
    np.testing.assert_allclose(unit(scale * x, np.zeros(4))[0], unit(x, np.zeros(4))[0], rtol=1e-12)


def test_rows_on_the_mean_and_zero_rows_have_no_direction():
    mean = np.array([3.0, 4.0])
    x = np.array([[3, 4], [0, 0], [3 + 1e-10, 4], [4, 4], [3, 4.1]])
    z, known = unit(x, mean)
    assert known.tolist() == [False, False, False, True, True]
    np.testing.assert_allclose(z, [[1, 0], [0, 1]], atol=1e-12)
    score = Codebook(mean, np.array([[1.0, 0.0]]), np.ones(1)).score(x)
    np.testing.assert_allclose(score, [np.nan, np.nan, np.nan, 1, 0], atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(0, 3), (0, 0), (4, 0)])
def test_no_rows_or_no_directions_are_no_scores(n, k):
    score = Codebook(np.zeros(2), rows(k, 2), np.ones(k)).score(rows(n, 2))
    assert score.shape == (n,)
    assert np.isnan(score).all()


def test_distinct_scores_are_finite_and_counted_once():
    score = np.array([0.5, np.nan, 0.5 + 1e-12, -0.25, np.inf, 0.500001])
    assert distinct(score).tolist() == [-0.25, 0.5, 0.500001]
    assert distinct(np.full(3, np.nan)).tolist() == []


# -- learning ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "k", "rounds"), [(40, 5, None), (40, 5, 0), (25, 25, 3), (9, 50, 9)])
def test_learned_as_the_paper_says(n, k, rounds):
    x = rows(n, 3) * 10 + 4
    given = {} if rounds is None else {"rounds": rounds}
    book = learn(x, k, np.random.default_rng(2), **given)
    mean, directions, reach = spherical_k_means(
        x, k, np.random.default_rng(2), given.get("rounds", 12)
    )
    np.testing.assert_allclose(book.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(book.directions, directions, atol=1e-6)
    np.testing.assert_allclose(book.reach, reach, rtol=1e-6)
    np.testing.assert_allclose(book.points(), mean + reach[:, None] * directions, rtol=1e-5)


def test_two_rows_are_their_own_codebook():
    x = np.array([[1.0, 2.0, 3.0], [5.0, 0.0, -1.0]])
    book = learn(x, 9, np.random.default_rng(0))
    assert sorted(book.points().round(5).tolist()) == sorted(x.tolist())
    np.testing.assert_allclose(book.reach, 3, rtol=1e-6)  # half of the distance, 6


def test_repeated_rows_need_no_second_direction():
    x = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 20, axis=0)
    book = learn(x, 12, np.random.default_rng(0))
    assert sorted(book.directions.tolist()) == [[-1, 0], [1, 0]]


@pytest.mark.parametrize("x", [np.zeros((5, 3)), np.ones((1, 3)), np.full((7, 3), 0.1)])
def test_equal_rows_have_no_codebook(x):
    book = learn(x, 4, np.random.default_rng(0))
    assert (book.directions.shape, book.reach.shape, book.points().shape) == ((0, 3), (0,), (0, 3))
    np.testing.assert_allclose(book.mean, x[0])


# -- copies of a space -------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 31])
def test_every_row_is_rotated_by_one_orthogonal_map(d):
    turn = rotated(np.eye(d), np.random.default_rng(3))
    np.testing.assert_allclose(turn @ turn.T, np.eye(d), atol=1e-12)
    assert d < 31 or np.abs(turn).max() < 0.8
    x = rows(8, d)
    np.testing.assert_allclose(rotated(x, np.random.default_rng(3)), x @ turn, atol=1e-12)
    assert rotated(x[:0], np.random.default_rng(3)).shape == (0, d)


@pytest.mark.parametrize("r", [0, 2, 5])
def test_mirrored_by_the_formula(r):
    x, mean = rows(8, 5), rows(1, 5, 1)[0]
    axes = np.linalg.qr(rows(5, 5, 2))[0][:, :r]
    rng = np.random.default_rng(4)
    rest = [y - sum((y @ a) * a for a in axes.T) for y in x - mean]
    rest = rotated(np.array(rest), rng)
    signs = rng.choice([-1.0, 1.0], size=r)
    expected = [
        mean + sum(s * (y @ a) * a for s, a in zip(signs, axes.T, strict=True))
        + t - sum((t @ a) * a for a in axes.T)
        for y, t in zip(x - mean, rest, strict=True)
    ]  # fmt: skip
    found = mirrored(x, mean, axes, np.random.default_rng(4))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1, 1e200])
def test_principal_axes_of_any_scale(scale):
    x = scale * (rows(300, 6) * [9, 5, 1, 0.1, 0.1, 0.1])
    axes = principal_axes(x, x.mean(axis=0), 2, np.random.default_rng(0))
    exact = np.linalg.eigh(np.cov((x / scale).T))[1][:, :3:-1]
    np.testing.assert_allclose(np.linalg.svd(axes.T @ exact)[1], 1, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "r", "kept"), [((0, 4), 2, 0), ((1, 4), 2, 1), ((9, 4), 7, 4), ((9, 4), 0, 0)]
)
def test_no_more_axes_than_rows_or_dimensions(shape, r, kept):
    axes = principal_axes(np.ones(shape), np.ones(4), r, np.random.default_rng(0))
    np.testing.assert_allclose(axes.T @ axes, np.eye(kept), atol=1e-12)
    assert axes.shape == (4, kept)
