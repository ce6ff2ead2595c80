"""Many spaces: true distances only, a plane that keeps them, a tree."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import procrustes_angular
from isthmus.measures.many import _plane, compare_many


def family(n=60, d=5):
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, n, d))
    return {
        "a1": one, "a2": one + 0.1 * rng.normal(size=(n, d)),
        "b1": two, "b2": two[:, ::-1] + 0.1 * rng.normal(size=(n, d)), "b3": two * 3 + 1,
    }  # fmt: skip


def test_distances_are_the_measure_and_the_tree_finds_the_families():
    spaces = family()
    drawn = compare_many(spaces)
    assert drawn.distances[0, 2] == pytest.approx(
        procrustes_angular(spaces["a1"], spaces["b1"]).distance()
    )
    assert (drawn.distances == drawn.distances.T).all()
    leaves = [drawn.names[i][0] for i in drawn.order]
    assert leaves in (list("aabbb"), list("bbbaa"))
    assert "Nearest: b1 and b3" in str(drawn)
    assert drawn.stress < 0.1


def test_points_of_a_plane_are_given_back():
    points = np.random.default_rng(1).normal(size=(12, 2)) * [3, 1]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    found = _plane(apart)
    assert np.linalg.norm(found[:, None] - found[None], axis=-1) == pytest.approx(apart, abs=1e-3)
    assert np.var(found[:, 0]) > np.var(found[:, 1])


def test_high_dimensional_families_warn_that_a_plane_lies():
    rng = np.random.default_rng(2)
    drawn = compare_many([rng.normal(size=(40, 8)) for _ in range(12)])
    assert drawn.stress > 0.15
    assert "shows these distances badly" in str(drawn)
    assert max(map(len, str(drawn).splitlines())) <= 80


def test_names_may_be_numbers():
    drawn = compare_many({2023 + k: space for k, space in enumerate(family().values())})
    assert drawn.names[:2] == ("2023", "2024")
    assert "2023" in str(drawn)


def test_what_is_no_metric_cannot_be_mapped():
    with pytest.raises(InputError, match="no metric.*procrustes_angular"):
        compare_many(family(), measure="debiased_cka")


def test_bad_input():
    spaces = family()
    with pytest.raises(InputError, match="2 spaces"):
        compare_many(list(spaces.values())[:2])
    with pytest.raises(InputError, match="same items"):
        compare_many(spaces | {"b3": spaces["b3"][:-1]})
    spaces["b1"][0, 0] = np.inf
    with pytest.raises(InputError, match="b1 with NaN or infinity"):
        compare_many(spaces)
