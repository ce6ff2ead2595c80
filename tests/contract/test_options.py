"""Counts that are no counts are refused by the measures that take them."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import (
    cdnv,
    cknna,
    cycle_knn,
    hubness,
    jaccard_knn,
    linear_probe,
    mutual_knn,
    pls_r2,
    ridge_r2,
)

X, Y = np.random.default_rng(0).normal(size=(2, 40, 3))


@pytest.mark.parametrize("k", [10.0, None, "3", True])
@pytest.mark.parametrize("measure", [mutual_knn, jaccard_knn, cknna, cycle_knn, hubness])
def test_neighbours_are_a_whole_number(measure, k):
    sides = (X,) if measure is hubness else (X, Y)
    with pytest.raises(InputError, match=f"{measure.__name__}.*a whole number"):
        measure(*sides, k=k)
    assert measure(*sides, k=np.int64(3)).value == measure(*sides, k=3).value


@pytest.mark.parametrize("folds", [2.5, True, None])
@pytest.mark.parametrize("measure", [linear_probe, pls_r2, ridge_r2])
def test_folds_are_a_whole_number(measure, folds):
    with pytest.raises(InputError, match="folds=.*a whole number"):
        measure(X, np.arange(40) % 2 if measure is linear_probe else Y, folds=folds)


def test_shots_that_are_no_number_are_refused():
    with pytest.raises(InputError, match="shots=nan"):
        cdnv(X, np.arange(40) % 2, shots=float("nan"))
