"""Stored state: numbers and arrays come back, and nothing of another shape or method is let in."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from isthmus.bridges import Orthogonal, file
from isthmus.bridges.stored import Stored, plain, restore, state
from isthmus.core.errors import FormatError


class Kept(Stored, BaseEstimator):
    card = Orthogonal.card
    STATE = {"a_": ("n", "d"), "b_": ("d",), "c_": ()}

    def __init__(self, *, option=1):
        self.option = option

    def fit(self):
        return self

    def _try(self):
        self.a_ @ self.b_ / self.c_


@pytest.fixture
def kept():
    one = Kept(option=7)
    one.a_, one.b_, one.c_ = np.arange(6.0).reshape(3, 2).T.copy().T, np.ones(2, np.float32), 4
    return one


def test_state_is_parted_into_arrays_and_numbers_and_comes_back(kept, tmp_path):
    arrays, numbers = state(kept)
    assert (set(arrays), numbers) == ({"a_", "b_"}, {"c_": 4})
    again = Kept.load(kept.save(tmp_path / "kept"))
    assert (again.option, again.c_) == (7, 4)
    for name in arrays:
        np.testing.assert_array_equal(getattr(again, name), arrays[name])
        assert getattr(again, name).dtype == arrays[name].dtype
    with pytest.raises(NotFittedError):
        Kept().save(tmp_path / "none")


def test_a_generator_in_use_is_written_as_a_seed():
    assert plain({"rng": np.random.default_rng(3), "k": 2}) == {"rng": 0, "k": 2}


@pytest.mark.parametrize(
    ("arrays", "numbers", "says"),
    [
        ({"b_": np.ones(3)}, {}, r"b_ of shape \(3,\)"),
        ({"a_": np.ones(2)}, {}, r"a_ of shape \(2,\)"),
        ({"a_": np.ones((5, 2))}, {}, r"a_ of shape \(5, 2\)"),  # n is known to be 3
        ({"d_": np.ones(2)}, {}, "state"),
        ({}, {"c_": float("nan")}, "c_ is no finite number"),
        ({}, {"c_": "x"}, "c_ is no finite number"),
        ({}, {"c_": True}, "c_ is no finite number"),
    ],
)
def test_what_does_not_fit_is_refused(kept, arrays, numbers, says):
    whole, told = state(kept)
    with pytest.raises(ValueError, match=says):
        restore(Kept(), {**told, **numbers}, {**whole, **arrays}, {"n": 3})


def test_files_of_other_methods_and_impossible_ones_are_refused(kept, tmp_path):
    said, arrays = file.read(kept.save(tmp_path / "kept"))
    for change in ({"method": "affine"}, {"params": {"other": 1}}, {"fitted": {}}, {"fitted": 3}):
        file.write(tmp_path / "bad", {**said, **change}, arrays)
        with pytest.raises(FormatError, match=r"as Kept\.save writes it"):
            Kept.load(tmp_path / "bad")
