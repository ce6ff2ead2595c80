import numpy as np
import pytest

from isthmus.bridges.self_training import Side, about_mean
from isthmus.bridges.unpaired_starts import guess

NONE = np.empty(0, np.int64)


@pytest.mark.parametrize("name", ["sorted_similarities", "assigned_clusters", "signed_axes"])
def test_a_start_sees_no_rotation_and_is_better_than_chance(name):
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(400, 6)) * np.linspace(1, 2, 6)
    y = x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    sides = Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])
    i, j = guess(name, *sides, NONE, NONE, rng)
    assert np.mean(i == j) > 0.02  # chance: 0.0025


def test_cosines_to_one_known_pair_make_a_start_better_and_to_a_wrong_pair_do_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8))  # round
    y = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.3 * rng.normal(size=x.shape)
    sides = Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])

    def right(i, j):
        i, j = guess("sorted_similarities", *sides, np.array(i, int), np.array(j, int), rng)
        return np.mean(i == j)

    alone = right([], [])
    assert right([7], [7]) > 1.2 * alone
    assert right([7, 8], [7, 8]) > 1.4 * alone
    assert right([7], [8]) < 1.1 * alone
