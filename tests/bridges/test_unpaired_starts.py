import numpy as np
import pytest

from isthmus.bridges.self_training import Side, about_mean
from isthmus.bridges.unpaired_starts import STARTS


@pytest.mark.parametrize("name", ["sorted_similarities", "assigned_clusters", "signed_axes"])
def test_a_start_sees_no_rotation_and_is_better_than_chance(name):
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(400, 6)) * np.linspace(1, 2, 6)
    y = x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    sides = Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])
    i, j = STARTS[name](*sides, rng)
    assert np.mean(i == j) > 0.02  # chance: 0.0025
