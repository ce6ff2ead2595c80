import numpy as np
import pytest

from isthmus.anchors.rows import usable_directions
from isthmus.core.errors import InputError

X = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0], [1e-200, 0.0]])


def test_rows_come_at_length_one_without_the_zero_ones():
    directions, rows = usable_directions(X, 3, operation="anchors")
    assert rows.tolist() == [0, 2, 3]
    np.testing.assert_allclose(directions, [[0.6, 0.8], [0, -1], [1, 0]])


def test_a_choice_among_some_rows():
    among = np.array([True, True, False, True])
    assert usable_directions(X, 2, operation="anchors", among=among)[1].tolist() == [0, 3]
    with pytest.raises(InputError, match=r"count=3.*1 <= count <= 2 non-zero rows to choose from"):
        usable_directions(X, 3, operation="anchors", among=among)


@pytest.mark.parametrize("count", [0, 4])
def test_impossible_counts(count):
    with pytest.raises(InputError, match=rf"anchors: got count={count}.*<= 3 non-zero rows"):
        usable_directions(X, count, operation="anchors")
