import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.spaces import sampling
from isthmus.spaces.sampling import random_rows, spread_rows, take, with_rows

X = np.random.default_rng(0).standard_normal((9, 3))


# -- which rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 99, 100, 101, 1000])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 100, 10_000, 10**12])
def test_spread_rows_are_as_many_as_allowed_and_evenly_spread(n, limit):
    rows = spread_rows(n, limit)
    assert rows.dtype == np.int64
    assert len(rows) == min(n, limit)
    if len(rows) > 1:
        assert (rows[0], rows[-1]) == (0, n - 1)
        exact = [k * (n - 1) // (len(rows) - 1) for k in range(len(rows))]
        assert np.abs(rows - exact).max() <= 1
        assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(("n", "limit"), [(0, 5), (1, 1), (5, 5), (5, 6)])
def test_random_rows_within_the_limit_are_all_and_draw_nothing(n, limit):
    rng = np.random.default_rng(3)
    assert random_rows(n, limit, rng).tolist() == list(range(n))
    assert rng.random() == np.random.default_rng(3).random()


def test_random_rows_are_different_rising_and_equally_likely():
    rng = np.random.default_rng(0)
    drawn = [random_rows(10, 3, rng) for _ in range(3000)]
    assert all(len(rows) == 3 and (np.diff(rows) > 0).all() for rows in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert len(counts) == 10
    # Binomial of 3000 and 0.3: five standard deviations are 126.
    assert np.abs(counts - 900).max() < 126
    assert len(random_rows(6, 5, rng)) == 5
    assert random_rows(6, 0, rng).tolist() == []


# -- their vectors -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f8", "float32", "float16", "int8"])
@pytest.mark.parametrize("rows", [[4], [8, 0, 8], list(range(9)), list(range(8, -1, -1))])
def test_taken_rows_are_float64(dtype, rows):
    x = (X * 9).astype(dtype)
    taken = take(x, np.array(rows), operation="try")
    assert (taken.dtype, taken.dtype.isnative) == (np.float64, True)
    if len(rows) < len(x):
        np.testing.assert_array_equal(taken, [x[row].astype(float) for row in rows])


def test_only_the_rows_taken_must_be_finite():
    x = np.where(np.arange(9)[:, None] == 4, np.nan, X)
    assert take(x, np.array([3, 5]), operation="try").shape == (2, 3)
    with pytest.raises(InputError, match="try: got vectors with NaN or infinity in 1 of 2 rows"):
        take(x, np.array([3, 4]), operation="try")


@pytest.mark.parametrize(
    "x", [np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(3), np.zeros((2, 2, 2))]
)
def test_what_is_no_matrix_has_no_rows_to_take(x):
    vectors, n = with_rows(x, operation="try")
    assert n == (3 if x.shape == (3, 0) else 0)
    with pytest.raises(InputError, match="try: got vectors of shape"):
        take(vectors, np.arange(n), operation="try")


@pytest.mark.parametrize("x", [[[1.0, 2.0], [3.0]], [["a", "b"]], None, "text", {"a": 1}, object()])
def test_what_makes_no_array_is_refused(x):
    with pytest.raises(InputError, match="try: got vectors"):
        with_rows(x, operation="try")


def test_lists_and_tables_count_like_arrays():
    class Table:
        """As data frames are: a shape and a way to become an array, and no array itself."""

        shape = X.shape

        def __array__(self, dtype=None, copy=None):
            return X

    for x in (X, X.tolist(), [[np.nan] * 3, *X[1:].tolist()], Table()):
        vectors, n = with_rows(x, operation="try")
        assert n == 9
        np.testing.assert_array_equal(take(vectors, np.array([7, 2]), operation="try"), X[[7, 2]])


def test_an_array_of_its_own_kind_is_not_converted_whole():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(X)
    vectors, n = with_rows(x, operation="try")
    assert (vectors is x, n) == (True, 9)
    np.testing.assert_array_equal(take(x, np.array([7, 2]), operation="try"), X[[7, 2]])


def test_rows_are_taken_on_the_device_of_the_array(monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    far, here, devices = strict.Device("device1"), strict.Device("CPU_DEVICE"), []

    def matrix(_name, x, operation):
        devices.append(x.device)
        return np.asarray(x.to_device(here))

    monkeypatch.setattr(sampling, "matrix", matrix)
    taken = take(strict.asarray(X, device=far), np.array([7, 2]), operation="try")
    assert devices == [far]
    np.testing.assert_array_equal(taken, X[[7, 2]])
