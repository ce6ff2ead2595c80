import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.upgrade.interpolate import slerp


def naive(a, b, weight):
    one, two = a / np.linalg.norm(a), b / np.linalg.norm(b)
    angle = np.arccos(one @ two)
    parts = np.sin((1 - weight) * angle) * one + np.sin(weight * angle) * two
    return np.linalg.norm(a) * parts / np.sin(angle)


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 0.83, 1.0])
def test_equals_the_formula(weight):
    a, b = np.random.default_rng(0).normal(size=(2, 30, 7)) * 3
    expected = [naive(x, y, weight) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(slerp(a, b, weight), expected, rtol=1e-10)


def test_the_ends_are_the_ends_and_equal_steps_are_equal_angles():
    a, b = np.array([[3.0, 0.0]]), np.array([[0.0, 0.2]])
    np.testing.assert_allclose(slerp(a, b, 0.0), a)
    np.testing.assert_allclose(slerp(a, b, 1.0), [[0.0, 3.0]], atol=1e-12)
    third = slerp(a, b, 1 / 3)
    assert np.degrees(np.arctan2(third[0, 1], third[0, 0])) == pytest.approx(30)
    # A chord cut in three, which is no spherical interpolation, would miss it.
    chord = 2 / 3 * a / 3 + 1 / 3 * b / 0.2
    assert np.degrees(np.arctan2(chord[0, 1], chord[0, 0])) != pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    ("a", "b", "weight", "expected"),
    [
        ([2.0, 0.0], [1.0, 0.0], 0.4, [2.0, 0.0]),  # one direction
        ([2.0, 0.0], [-1.0, 0.0], 0.2, [2.0, 0.0]),  # opposite ones: the nearer end
        ([2.0, 0.0], [-1.0, 0.0], 0.8, [-2.0, 0.0]),
        ([0.0, 0.0], [0.0, 5.0], 0.3, [0.0, 1.0]),  # nothing on one side
        ([0.0, 4.0], [0.0, 0.0], 0.3, [0.0, 4.0]),
        ([0.0, 0.0], [0.0, 0.0], 0.3, [0.0, 0.0]),
    ],
)
def test_where_there_is_no_one_arc(a, b, weight, expected):
    np.testing.assert_allclose(slerp(np.array([a]), np.array([b]), weight), [expected], atol=1e-12)


def test_what_cannot_be_mixed():
    with pytest.raises(InputError, match="equal shapes"):
        slerp(np.eye(2), np.eye(3), 0.5)
    with pytest.raises(InputError, match="weight"):
        slerp(np.eye(2), np.eye(2), 1.5)
