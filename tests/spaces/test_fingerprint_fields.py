import base64
import math
import struct
import sys

import numpy as np
import pytest

from isthmus.core.errors import FormatError
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.fingerprint_fields import (
    count,
    decoded,
    encoded,
    numbers,
    short_text,
    unit_rows,
)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


#: What Python cannot even show: too many digits, nested too deeply.
UNSHOWN = [10**5000, nested(100_000), {"a": nested(100_000)}]


# -- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("dtype", "letter"), [("<f4", "f"), ("<f8", "d")])
def test_encoded_is_little_endian_base64(dtype, letter, order):
    values = np.array([[1.5, -2.0], [0.1, 1e-30]]).astype(f"{order}f8").T  # not contiguous
    packed = struct.pack(f"<4{letter}", *values.ravel().tolist())
    assert encoded(values, dtype) == base64.b64encode(packed).decode()


@pytest.mark.parametrize("shape", [(0,), (1,), (2,), (3,), (0, 5), (2, 3)])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_decoded_is_what_was_encoded(shape, dtype):
    values = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = decoded({"a": encoded(values, dtype)}, "a", dtype, shape)
    assert (found.dtype, found.shape) == (np.float64, shape)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "text",
    [
        *("", "AAAA", "AAAAAAA", "AAAAAAAA", "AAAAAA==AAAA", "AAAA====", "AA==AAAA", "=AAAAAAA"),
        *("AAAAA===", "AAAAAA=\n", "AA A AA=", "AAAA-_==", "ÀAAAAA==", "\ud800AAAAA=="),
        *(None, 0, b"AAAAAA==", ["AAAAAA=="]),
    ],
)
def test_only_base64_of_just_so_many_numbers_is_decoded(text):
    assert decoded({"a": "AAAAAA=="}, "a", "<f4", (1,)).tolist() == [0]
    with pytest.raises(FormatError, match="read fingerprint: got a "):
        decoded({"a": text}, "a", "<f4", (1,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(FormatError, match="NaN or infinity"):
        decoded({"a": encoded(np.array([0, value]), "<f4")}, "a", "<f4", (2,))


@pytest.mark.parametrize(("norm", "good"), [(1.0005, True), (0.9995, True), (1.002, False)])
def test_unit_rows_have_norm_one(norm, good):
    rows = np.array([[0.6, 0.8], [0.0, norm]])
    data = {"a": encoded(rows, "<f4")}
    if good:
        np.testing.assert_allclose(unit_rows(data, "a", (2, 2)), rows, rtol=1e-6)
    else:
        with pytest.raises(FormatError, match="no unit vectors"):
            unit_rows(data, "a", (2, 2))
    assert unit_rows({"a": ""}, "a", (0, 2)).shape == (0, 2)


# -- numbers and texts -------------------------------------------------------------------------


def test_counts_reach_from_the_lowest_to_the_highest():
    assert [count({"a": value}, "a", 2, 4) for value in (2, 3, 4)] == [2, 3, 4]
    for value in (1, 5, 3.0, True, "3", None, [3], math.nan, np.int64(3), *UNSHOWN):
        with pytest.raises(FormatError, match="a whole number from 2 to 4"):
            count({"a": value}, "a", 2, 4)
    with pytest.raises(FormatError, match="got a True"):
        count({"a": True}, "a", 0, 1)


@pytest.mark.parametrize("high", [1.0, sys.float_info.max])
def test_numbers_reach_from_the_lowest_to_the_highest(high):
    found = numbers({"a": [-1, high, 0]}, "a", 3, -1.0, high)
    assert found == [-1.0, high, 0.0]
    assert all(type(value) is float for value in found)
    nearly = math.nextafter(-1.0, -2)
    for value in (nearly, math.inf, math.nan, int(high) + 1, 10**400, True, "0", None, *UNSHOWN):
        with pytest.raises(FormatError, match="finite numbers in"):
            numbers({"a": [0.0, value]}, "a", 2, -1.0, high)


@pytest.mark.parametrize("values", [[], [0.0], [0.0] * 3, (0.0, 0.0), "00", None, {0: 0, 1: 0}])
def test_lists_are_of_the_size_expected(values):
    with pytest.raises(FormatError, match="a list of 2 numbers"):
        numbers({"a": values}, "a", 2, -1.0, 1.0)
    assert numbers({"a": []}, "a", 0, 0.0, 1.0) == []


def test_texts_are_short_or_none():
    for good in (None, "", "é" * 1024):
        assert short_text({"a": good}, "a") == good
    for bad in ("x" * 1025, b"x", 3, ["x"], False):
        with pytest.raises(FormatError, match="at most 1024 characters or null"):
            short_text({"a": bad}, "a")


@pytest.mark.parametrize("name", ["version", "norms", "dim", "own", "encoder", "mean"])
@pytest.mark.parametrize("value", UNSHOWN, ids=["digits", "list", "dict"])
def test_what_cannot_be_shown_is_refused_all_the_same(name, value):
    data = Fingerprint.of(np.eye(3)).as_dict()
    for junk in (value, [value, 0.0]):
        with pytest.raises(FormatError, match="read fingerprint: got "):
            Fingerprint.from_dict(data | {name: junk})
