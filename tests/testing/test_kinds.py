"""Every kind and layout holds equal numbers, and is what it is called."""

import sys

import numpy as np
import pytest

from isthmus.core.arrays import to_numpy
from isthmus.testing.kinds import LAYOUTS, array_kinds

X = np.random.default_rng(0).normal(size=(7, 3))

IS = {
    "Fortran": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "strided": lambda x: not x.flags.f_contiguous and not x.flags.c_contiguous,
    "big-endian": lambda x: x.dtype.str == ">f8",
    "list": lambda x: type(x) is list and type(x[0]) is list and type(x[0][0]) is float,
}


def test_every_layout_is_tested():
    assert set(IS) == set(LAYOUTS)


@pytest.mark.parametrize("name", IS)
def test_a_layout_holds_equal_numbers_and_is_what_it_is_called(name):
    before, changed = X.copy(), LAYOUTS[name](X)
    np.testing.assert_array_equal(np.asarray(changed), X)
    np.testing.assert_array_equal(X, before)
    assert IS[name](changed)


@pytest.mark.parametrize("name", sorted(set(IS) - {"list"}))
def test_the_usual_layout_is_none_of_them(name):
    assert X.flags.c_contiguous
    assert not IS[name](X)


MODULES = {"array-api-strict": "array_api_strict", "torch": "torch"}


def test_the_array_kinds_are_those_that_the_contract_names():
    assert set(array_kinds()) == set(MODULES)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "module"), MODULES.items())
def test_an_array_kind_holds_equal_numbers_of_equal_width(name, module, dtype):
    rows = X.astype(dtype)
    converted = array_kinds()[name](rows)
    assert type(converted).__module__.split(".")[0] == module
    assert converted.shape == X.shape
    back = to_numpy(converted)
    assert back.dtype == rows.dtype
    np.testing.assert_array_equal(back, rows)


@pytest.mark.parametrize("module", MODULES.values())
def test_a_kind_that_is_not_installed_is_told(module, monkeypatch):
    """A check of fewer kinds than the contract names would pass unseen."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=module):
        array_kinds()
