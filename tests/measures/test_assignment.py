"""Best partners against every permutation, and their chance level against shuffled rows."""

from itertools import permutations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.measures.assignment import against_shuffles, assign, deviations


@pytest.mark.parametrize("shape", [(5, 5), (3, 6), (6, 3), (1, 4), (1, 1)])
def test_no_permutation_gains_more(shape):
    for seed in range(20):
        gain = np.random.default_rng(seed).normal(size=shape) * np.geomspace(1e-3, 1e3, shape[1])
        tall = gain if shape[0] <= shape[1] else gain.T
        best = max(
            sum(tall[i, j] for i, j in enumerate(order))
            for order in permutations(range(tall.shape[1]), tall.shape[0])
        )
        rows, columns = assign(gain)
        assert len(set(rows)) == len(set(columns)) == min(shape)
        assert gain[rows, columns].sum() == pytest.approx(best, rel=1e-12)


def test_the_gains_are_left_as_they_were():
    gain = np.arange(12.0).reshape(4, 3)
    assign(gain)
    assert (gain == np.arange(12.0).reshape(4, 3)).all()


def total(cross):
    return float(cross[assign(cross)].sum())


def test_chance_is_what_shuffled_rows_give():
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(8, 8))
    x = rng.normal(size=(60, 8)) @ mix
    y = (rng.standard_t(4, size=(60, 8)) + x) @ mix.T
    moments = Moments.of(x, y)
    shuffled = [total(Moments.of(x, y[rng.permutation(60)]).scatter_xy) for _ in range(1500)]
    mean, z, p = against_shuffles(moments, total, total(moments.scatter_xy), 0)
    assert mean == pytest.approx(np.mean(shuffled), rel=0.05)
    exact = (total(moments.scatter_xy) - np.mean(shuffled)) / np.std(shuffled)
    assert z == pytest.approx(exact, rel=0.25)
    assert p == 1 / 101
    assert against_shuffles(moments, total, -1e6, 0)[2] == 1.0


def test_a_statistic_that_never_moves_is_no_evidence():
    moments = Moments.of(*np.random.default_rng(0).normal(size=(2, 20, 3)))
    assert against_shuffles(moments, lambda cross: 1.0, 5.0, 0) == (1.0, 0.0, 1.0)


def test_deviations_and_the_constant_column():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 4)) + 7
    of_x, of_y = deviations(x, y, Moments.of(x, y), operation="mcc")
    assert of_x == pytest.approx(x.std(axis=0) * np.sqrt(30), rel=1e-12)
    assert of_y == pytest.approx(y.std(axis=0) * np.sqrt(30), rel=1e-12)
    y[:, 2] = 0.1
    with pytest.raises(InputError, match=r"mcc: .* 1 constant columns \(first: 2\)"):
        deviations(x, y, Moments.of(x, y), operation="mcc")
