import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from isthmus.core.errors import InputError
from isthmus.measures import unreachable
from isthmus.measures.unreachable import layernorm_project
from isthmus.testing.kinds import array_kinds


def inside(rows, i):
    """Whether row i is a convex combination of the others: a linear program of its own."""
    others = np.delete(rows, i, axis=0)
    answer = linprog(
        np.zeros(len(others)),
        A_eq=np.vstack([others.T, np.ones(len(others))]),
        b_eq=np.append(rows[i], 1.0),
    )
    return answer.status == 0


def check_queries(score, rows):
    """The queries prove what is said to be reachable."""
    won = np.flatnonzero(score.parts["reachable"])
    scores = score.parts["queries"][won] @ rows.T
    assert np.array_equal(np.argmax(scores, axis=1), won)
    assert not score.parts["queries"][~score.parts["reachable"]].any()


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_equals_convex_combinations_one_by_one(d):
    rows = np.random.default_rng(d).normal(size=(40, d))
    score = unreachable(rows)
    naive = np.array([inside(rows, i) for i in range(40)])
    assert np.array_equal(~score.parts["reachable"], naive)
    assert score.value == naive.mean()
    check_queries(score, rows)


def test_equals_the_convex_hull_of_many_rows():
    rows = np.random.default_rng(0).normal(size=(150, 3))
    corner = np.zeros(150, dtype=bool)
    corner[ConvexHull(rows).vertices] = True
    score = unreachable(rows)
    assert np.array_equal(score.parts["reachable"], corner)
    assert not np.array_equal(np.linalg.norm(rows, axis=1) > 2, corner)  # length alone is no test


def test_random_queries_never_rank_an_unreachable_row_first():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 4)) + 2
    score = unreachable(rows)
    first = np.unique(np.argmax(rng.normal(size=(20000, 4)) @ rows.T, axis=1))
    assert score.parts["reachable"][first].all()
    check_queries(score, rows)


def test_points_on_edges_and_faces_are_not_corners():
    grid = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    score = unreachable(grid)
    assert np.array_equal(score.parts["reachable"], np.abs(grid).sum(axis=1) == 3)
    assert score.value == 19 / 27


def test_every_row_on_a_sphere_is_reachable_and_layernorm_puts_it_there():
    rows = np.random.default_rng(2).normal(size=(120, 4))
    assert unreachable(rows).value > 0.5
    normed = layernorm_project(rows)
    assert np.abs(normed.mean(axis=1)).max() < 1e-12
    assert np.linalg.norm(normed, axis=1) == pytest.approx(2)
    score = unreachable(normed)
    assert score.value == 0
    check_queries(score, normed)
    # Projection without the scaling is not enough.
    assert unreachable(rows - rows.mean(axis=1, keepdims=True)).value > 0.5


def test_flat_and_far_rows_and_repeats():
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(50, 2))
    before = unreachable(plane).parts["reachable"]
    lifted = plane @ rng.normal(size=(2, 6)) * 1e-3 + 5.0
    assert np.array_equal(unreachable(lifted).parts["reachable"], before)
    line = np.arange(5.0)[:, None] * np.ones(3)
    assert unreachable(line).parts["reachable"].tolist() == [True, False, False, False, True]
    twice = unreachable(np.repeat(plane, 2, axis=0))
    assert np.array_equal(twice.parts["reachable"], np.repeat(before, 2))
    assert "50 rows repeat" in twice.warnings[0]


def test_bad_input():
    for bad in ([[1.0, 2.0]], [[1.0, 2.0]] * 3, [[np.nan, 1.0], [0.0, 1.0]]):
        with pytest.raises(InputError, match="unreachable"):
            unreachable(np.array(bad))
    with pytest.raises(InputError, match=r"layernorm_project.*row 1"):
        layernorm_project(np.array([[1.0, 2.0], [3.0, 3.0]]))
    for convert in array_kinds().values():
        rows = convert(np.array([[1.0, 3.0, 2.0]], dtype=np.float32))
        assert type(layernorm_project(rows)) is type(rows)


def test_rows_of_a_plane_are_no_more_reachable_for_being_rounded():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12))
    wide = unreachable(plane).value
    assert wide > 0.5
    assert unreachable(plane.astype("f4")).value == pytest.approx(wide, abs=0.02)


def test_corners_that_single_precision_cannot_tell_apart():
    angle = np.append(np.arange(60) * np.pi / 30, 0.01 + np.arange(40) * 1e-5)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    score = unreachable(np.append(circle, circle * (1 - 1e-9), axis=0))
    assert score.parts["reachable"].tolist() == [True] * 100 + [False] * 100
    check_queries(score, np.append(circle, circle * (1 - 1e-9), axis=0))
