"""Moments against a naive float64 oracle, and the laws of merging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core import moments as module
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments


def oracle_scatter(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return (x - x.mean(axis=0)).T @ (y - y.mean(axis=0))


def oracle_hsic(x, y):
    """Unbiased HSIC from n x n Gram matrices without diagonals (Song et al. 2012, eq. 5)."""
    x, y = (side.astype(np.float64) - side.astype(np.float64).mean(axis=0) for side in (x, y))
    k, ell = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(ell, 0)
    n = len(x)
    trace = np.sum(k * ell)
    means = k.sum() * ell.sum() / ((n - 1) * (n - 2))
    cross = 2 * k.sum(axis=0) @ ell.sum(axis=0) / (n - 2)
    return (trace + means - cross) / (n * (n - 3))


def data(n=60, dx=5, dy=3, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dx)) + offset
    return x, np.tanh(x[:, :dy]) + 0.3 * rng.normal(size=(n, dy)) - offset


def test_scatters_and_means_equal_the_oracle():
    x, y = data()
    m = Moments.of(x, y)
    assert m.n == 60
    np.testing.assert_allclose(m.mean_x, x.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(m.mean_y, y.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(m.scatter_xx, oracle_scatter(x, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(m.scatter_xy, oracle_scatter(x, y), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(m.scatter_yy, oracle_scatter(y, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 3.0, 1000.0])
def test_hsic_equals_the_gram_matrix_form(offset):
    x, y = data(offset=offset)
    m = Moments.of(x, y)
    assert m.hsic_xy() == pytest.approx(oracle_hsic(x, y), rel=1e-9)
    assert m.hsic_xx() == pytest.approx(oracle_hsic(x, x), rel=1e-9)
    assert m.hsic_yy() == pytest.approx(oracle_hsic(y, y), rel=1e-9)


def test_hsic_of_a_diagonal_kept_gram_matrix_differs():
    """The oracle check can fail: the biased form is far from the unbiased one."""
    x, y = data()
    k, ell = (s - s.mean(axis=0) for s in (x, y))
    biased = np.sum((k @ k.T) * (ell @ ell.T)) / 59**2
    assert abs(biased - Moments.of(x, y).hsic_xy()) > 0.05


def test_many_blocks_equal_one(monkeypatch):
    x, y = data(n=500)
    whole = Moments.of(x, y)
    monkeypatch.setattr(module, "BLOCK", 64)
    blocks = Moments.of(x, y)
    np.testing.assert_allclose(blocks.scatter_xy, whole.scatter_xy, rtol=1e-12)
    assert blocks.hsic_xy() == pytest.approx(whole.hsic_xy(), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 58), st.integers(0, 10**6), st.sampled_from([0.0, 5.0, 500.0]))
def test_any_partition_gives_the_whole(cut, seed, offset):
    x, y = data(seed=seed, offset=offset)
    whole = Moments.of(x, y)
    merged = Moments.of(x[:cut], y[:cut]) + Moments.of(x[cut:], y[cut:])
    scale = np.abs(whole.scatter_xy).max()
    np.testing.assert_allclose(merged.scatter_xy, whole.scatter_xy, atol=1e-9 * scale)
    assert merged.hsic_xy() == pytest.approx(whole.hsic_xy(), rel=1e-7)
    assert merged.n == whole.n


def test_several_are_merged_at_once_and_none_changes():
    parts = [Moments.of(*data(seed=seed, offset=5.0 * seed)) for seed in range(4)]
    before = [(part.n, part.scatter_xy.copy()) for part in parts]
    whole = Moments().merge(*parts)
    one_by_one = parts[0] + parts[1] + parts[2] + parts[3]
    assert whole.n == one_by_one.n == sum(part.n for part in parts)
    np.testing.assert_allclose(whole.scatter_xx, one_by_one.scatter_xx, rtol=1e-12)
    for part, (n, scatter) in zip(parts, before, strict=True):
        assert part.n == n
        np.testing.assert_array_equal(part.scatter_xy, scatter)
    assert Moments().merge(Moments()).n == 0


def test_what_was_asked_for_is_kept_until_rows_come():
    x, y = data()
    m = Moments.of(x[:30], y[:30])
    first, sums = m.scatter_xy, m.norm_sums()
    assert m.scatter_xy is first
    assert m.norm_sums() is sums
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0
    m.update(x[30:], y[30:])
    whole = Moments.of(x, y)
    np.testing.assert_allclose(m.scatter_xy, whole.scatter_xy, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(m.norm_sums(), whole.norm_sums(), rtol=1e-9, atol=1e-9)


def test_merge_is_associative_on_real_data():
    from sklearn.datasets import load_digits

    images = load_digits().data
    parts = np.array_split(images, 3)
    a, b, c = (Moments.of(p[:, :40], p[:, 24:]) for p in parts)
    left, right = (a + b) + c, a + (b + c)
    for name in ("scatter_xx", "scatter_xy", "scatter_yy", "mean_x", "mean_y"):
        one, two = getattr(left, name), getattr(right, name)
        assert np.abs(one - two).max() <= 1e-12 * np.abs(one).max()
    for name in ("hsic_xx", "hsic_xy", "hsic_yy"):
        one, two = getattr(left, name)(), getattr(right, name)()
        assert abs(one - two) <= 1e-12 * abs(one)


def test_merging_changes_neither_operand():
    x, y = data()
    a, b = Moments.of(x[:30], y[:30]), Moments.of(x[30:], y[30:])
    before = a.scatter_xy.copy()
    _ = a + b
    np.testing.assert_array_equal(a.scatter_xy, before)
    assert (a + Moments()).n == (Moments() + a).n == 30


def test_a_billion_rows_do_not_overflow():
    x, y = data(n=1000)
    m = Moments.of(x, y)
    for _ in range(20):
        m = m + m
    assert m.n == 1000 * 2**20
    one = Moments.of(x, y)
    np.testing.assert_allclose(m.scatter_xy / m.n, one.scatter_xy / one.n, rtol=1e-10)
    # With that many rows HSIC is the plain population value: the mean of K * L off the diagonal.
    assert m.hsic_xy() == pytest.approx(np.sum((one.scatter_xy / one.n) ** 2), rel=1e-5)


def test_float32_with_a_far_mean_keeps_its_digits():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(20_000, 6)) + 100).astype(np.float32)
    m = Moments.of(x)
    truth = oracle_scatter(x, x)
    assert np.abs(m.scatter_xx - truth).max() <= 2e-6 * np.abs(truth).max()
    naive = (x.T @ x).astype(np.float64) - len(x) * np.outer(x.mean(axis=0), x.mean(axis=0))
    assert np.abs(naive - truth).max() > 1e-3 * np.abs(truth).max()


def test_float32_whose_squares_overflow_is_summed_in_float64():
    x, y = data()
    big = (x * 1e20).astype(np.float32)
    m = Moments.of(big, y.astype(np.float32))
    np.testing.assert_allclose(m.scatter_xx, oracle_scatter(big, big), rtol=1e-5)
    with pytest.raises(InputError, match="1e75"):
        Moments.of(x * 1e80)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("scale", [1e-16, 1e-18, 1e-22, 1e-25, 1e-36])
def test_float32_whose_squares_underflow_is_summed_in_float64(kind, scale):
    import torch

    x, y = data()
    faint, y = (x * scale).astype(np.float32), y.astype(np.float32)
    make = torch.asarray if kind == "torch" else np.asarray
    for sides in ((faint, y), (y, faint), (faint, faint)):
        m = Moments.of(*map(make, sides))
        for name, pair in {"xx": (0, 0), "xy": (0, 1), "yy": (1, 1)}.items():
            truth = oracle_scatter(*(sides[i] for i in pair))
            found = getattr(m, f"scatter_{name}")
            assert np.abs(found - truth).max() <= 1e-6 * np.abs(truth).max()
        assert m.variance_x == pytest.approx(np.trace(oracle_scatter(sides[0], sides[0])), rel=1e-6)
        hsic = oracle_hsic(sides[0], sides[0])
        assert m.hsic_xx() == pytest.approx(hsic, rel=1e-5, abs=0)


def test_zeros_are_not_summed_twice(monkeypatch):
    wide = []
    summed = module._accumulate
    monkeypatch.setattr(
        module, "_accumulate", lambda *a, **k: wide.append(k.get("wide")) or summed(*a, **k)
    )
    Moments.of(np.zeros((5, 2), np.float32))
    Moments.of(np.full((5, 2), 1e-20))
    assert wide == [None, None]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named_and_nothing_is_added(bad):
    x, y = data()
    m = Moments.of(x, y)
    broken = x.copy()
    broken[[7, 9]] = bad
    with pytest.raises(InputError, match=r"2 of 60 rows \(first rows: 7, 9\)"):
        m.update(broken, y)
    assert m.n == 60
    np.testing.assert_allclose(m.scatter_xx, oracle_scatter(x, x), rtol=1e-12, atol=1e-12)


def test_unequal_rows_and_dims_are_refused():
    x, y = data()
    with pytest.raises(InputError, match=r"equally many rows.*isthmus\.pair"):
        Moments.of(x, y[:-1])
    with pytest.raises(InputError, match="dims .*Start new moments"):
        Moments.of(x, y).update(x[:, :2], y)
    with pytest.raises(InputError, match="equal dims"):
        _ = Moments.of(x) + Moments.of(x, y)
    with pytest.raises(InputError, match=r"3 rows of dims \(\d, \d\); expected at least 4\. Up"):
        Moments.of(x[:3], y[:3]).hsic_xy()


def test_single_space_and_constant_columns():
    x = np.ones((10, 3))
    m = Moments.of(x)
    assert not m.scatter_xx.any()
    assert m.scatter_xy.shape == (3, 0)
    assert m.hsic_xx() == pytest.approx(0.0, abs=1e-12)


def test_torch_and_strict_arrays_give_the_same():
    import array_api_strict
    import torch

    x, y = data()
    expected = Moments.of(x, y)
    for convert in (torch.asarray, array_api_strict.asarray):
        other = Moments.of(convert(x), convert(y))
        np.testing.assert_allclose(other.scatter_xy, expected.scatter_xy, rtol=1e-12)
        assert other.hsic_xy() == pytest.approx(expected.hsic_xy(), rel=1e-12)


@pytest.mark.parametrize("narrow", ["float32", "bfloat16", "bool"])
def test_torch_sides_may_differ_in_precision(narrow):
    import torch

    x, y = (torch.asarray(side) for side in data())
    x = x > 0 if narrow == "bool" else x.to(getattr(torch, narrow))
    expected = Moments.of(x.double(), y)
    for found in (Moments.of(x, y).scatter_xy, Moments.of(y, x).scatter_xy.T):
        np.testing.assert_allclose(found, expected.scatter_xy, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("keeps", ["source", "cross"])
def test_some_of_the_scatters(keeps):
    x, y = data(offset=5.0)
    whole, some = Moments.of(x, y), Moments.of(x, y, keeps=keeps)
    np.testing.assert_array_equal(some.scatter_xy, whole.scatter_xy)
    assert some.variance_x == pytest.approx(np.trace(whole.scatter_xx))
    assert some.variance_y == pytest.approx(np.trace(whole.scatter_yy))
    parts = Moments.of(x[:9], y[:9], keeps=keeps) + Moments.of(x[9:], y[9:], keeps=keeps)
    np.testing.assert_allclose(parts.scatter_xy, whole.scatter_xy, rtol=1e-9)
    assert some.hsic_xy() == pytest.approx(whole.hsic_xy(), rel=1e-12)
    refused = [lambda: some.scatter_yy, some.hsic_yy, lambda: some + whole]
    if keeps == "source":
        np.testing.assert_allclose(parts.scatter_xx, whole.scatter_xx, rtol=1e-9)
    else:
        refused.append(lambda: some.scatter_xx)
    for call in refused:
        with pytest.raises(InputError, match="keep"):
            call()


def test_sums_with_norms_are_about_the_mean():
    x, y = data(offset=3.0)
    m = Moments.of(x[:20], y[:20]) + Moments.of(x[20:], y[20:])
    u, v = x - x.mean(axis=0), y - y.mean(axis=0)
    a, b = np.sum(u**2, axis=1), np.sum(v**2, axis=1)
    w = np.column_stack([u, v, a, b, np.ones(len(u))])
    np.testing.assert_allclose(m.norm_sums(), np.stack([a, b, np.ones(len(u))]) @ w, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sides_that_do_not_vary_are_told_from_those_that_hardly_do(dtype):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(dtype)
    Moments.of(x, 1000 + 1e-2 * x).check_varied(operation="it")
    for flat in (np.full((40, 2), 0.1, dtype), np.full((40, 2), 1000.1, dtype)):
        halves = Moments.of(x[:7], flat[:7]) + Moments.of(x[7:], flat[7:])
        halves.check_varied(operation="it", sides=1)
        with pytest.raises(InputError, match="^it: got y whose 40 rows are all equal"):
            halves.check_varied(operation="it")
    with pytest.raises(InputError, match="moments of a single space; expected .* on two sides"):
        Moments.of(x).check_varied(operation="it")
