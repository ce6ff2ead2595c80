"""What comes in is checked and keeps its kind."""

import warnings

import array_api_strict
import numpy as np
import pytest
import torch

from isthmus.core.arrays import (
    all_equal,
    like,
    matrix,
    namespace,
    paired,
    row_blocks,
    to_numpy,
)
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.ones((2, 2), np.float16), np.float32),
        (np.ones((2, 2), np.float32), np.float32),
        (np.ones((2, 2), ">f4"), np.float32),
        (np.ones((2, 2), ">f8"), np.float64),
        (np.ones((2, 2), np.int8), np.float64),
        ([[1, 2], [3, 4]], np.float64),
    ],
)
def test_dtypes(given, dtype):
    result = matrix("x", given, operation="test")
    assert result.dtype == dtype
    assert result.dtype.isnative


def test_floats_are_not_copied():
    x = np.ones((3, 2), np.float32)
    assert matrix("x", x, operation="test") is x or matrix("x", x, operation="test").base is x


@pytest.mark.parametrize("kind", [torch, array_api_strict])
def test_other_kinds_stay_themselves(kind):
    x = kind.asarray([[1.0, 2.0]])
    result = matrix("x", x, operation="test")
    assert type(result) is type(x)
    assert isinstance(to_numpy(result), np.ndarray)
    assert type(like(np.ones(2), x)) is type(x)


def test_torch_half_and_integers():
    assert matrix("x", torch.ones(2, 2, dtype=torch.float16), operation="t").dtype == torch.float32
    for whole in (torch.int32, torch.bool):
        assert matrix("x", torch.ones(2, 2, dtype=whole), operation="t").dtype == torch.float64


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.ones(3), r"shape \(3,\).* matrix\. Give one row"),
        (Moments.of(np.eye(3)), "x of type Moments; expected rows of numbers. Pass the rows"),
        (None, "x of type NoneType"),
        (np.ones((0, 3)), "non-empty"),
        (np.ones((3, 0)), "non-empty"),
        (np.array([["a"]]), "dtype .*Convert"),
        (np.ones((2, 2), complex), "dtype"),
        (torch.ones(2, 2, dtype=torch.complex64), "dtype torch.complex64"),
        (array_api_strict.ones((2, 2), dtype=array_api_strict.complex128), "complex128"),
        (torch.eye(2).to_sparse(), r"to_dense\(\)"),
        ([[1.0, 2.0], [3.0]], "equally long"),
        (np.ma.masked_array(np.eye(2), mask=np.eye(2)), "Fill or drop"),
        (np.array([[1.0], [np.nan], [np.inf]]), r"2 of 3 rows \(first rows: 1, 2\)"),
    ],
)
def test_refusals(given, text):
    with pytest.raises(InputError, match=text):
        matrix("x", given, operation="test")


def test_compressed_sparse_rows_are_refused_too():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls them beta
        given = torch.eye(2).to_sparse_csr()
    with pytest.raises(InputError, match="to_dense"):
        matrix("x", given, operation="test")


def test_a_numpy_matrix_becomes_an_array():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        given = np.matrix([[1.0, 2.0]])
    assert type(matrix("x", given, operation="test")) is np.ndarray


@pytest.mark.parametrize("narrow", [torch.float32, torch.bfloat16, torch.bool])
def test_sides_of_two_precisions_meet_in_the_wider(narrow):
    x, y = torch.ones(3, 2, dtype=narrow), torch.ones(3, 2, dtype=torch.float64)
    for one, two in (paired(x, y, operation="t"), paired(y, x, operation="t")):
        assert one.dtype == two.dtype == torch.float64
    one, two = paired(np.ones((3, 2), np.float32), np.ones((3, 2)), operation="t")
    assert (one.dtype, two.dtype) == (np.float32, np.float64)  # NumPy's products widen by block


def test_large_finite_values_whose_sum_overflows_are_fine():
    x = np.full((4, 2), 3e38, np.float32)
    assert matrix("x", x, operation="test").shape == (4, 2)


def test_paired():
    class Two:
        x, y = np.ones((3, 2)), np.ones((3, 1))

    assert paired(Two(), None, operation="test")[1].shape == (3, 1)
    with pytest.raises(InputError, match="equally many rows"):
        paired(np.ones((3, 2)), np.ones((4, 2)), operation="test")
    few = r"test: got 3 rows: x \(3, 2\), y \(3, 1\); expected at least 4 rows\. Bring more"
    with pytest.raises(InputError, match=few):
        paired(Two(), None, operation="test", min_rows=4)
    with pytest.raises(InputError, match="two paired matrices"):
        paired(np.ones((3, 2)), None, operation="test")
    with pytest.raises(InputError, match="one kind"):
        namespace(np.ones(2), torch.ones(2))


def test_equal_rows_are_told_with_their_shape_and_a_cure():
    error = all_equal("x", (5, 2), operation="test")
    assert str(error).startswith(
        "test: got x whose 5 rows are all equal, of shape (5, 2); expected"
    )
    assert "collapsed" in error.cure


def test_row_blocks_cover_everything_once():
    assert [list(range(s.start, s.stop)) for s in row_blocks(5, 2)] == [[0, 1], [2, 3], [4]]
