import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from isthmus.core.errors import InputError
from isthmus.measures import factors as measured
from isthmus.measures.factors import Information, against_shuffles, levels, table


def test_bins_hold_equal_counts_and_ties_stay_together():
    assert np.bincount(levels(np.random.default_rng(0).normal(size=100), 20)).tolist() == [5] * 20
    assert levels(np.array(["b", "a", "b"]), 2).tolist() == [1, 0, 1]
    assert len(np.unique(levels(np.repeat(np.arange(50.0), 2), 20))) == 20
    mixed = levels(np.concatenate([np.zeros(90), np.arange(1.0, 11)]), 5)
    assert len(np.unique(mixed[:90])) == 1


def case(n=150):
    rng = np.random.default_rng(0)
    factors = rng.integers(4, size=(n, 2))
    return np.column_stack([factors[:, 0] + rng.normal(size=n), rng.normal(size=n)]), factors


def test_information_is_that_of_scikit_learn_in_any_order(monkeypatch):
    x, factors = case()
    shared = Information(x, factors, 10)
    order = np.random.default_rng(1).permutation(150)
    for rows, found in ((np.arange(150), shared.matrix()), (order, shared.matrix(order))):
        expected = [[mutual_info_score(levels(c, 10), v[rows]) for v in factors.T] for c in x.T]
        assert found == pytest.approx(np.array(expected), abs=1e-12)
    monkeypatch.setattr(measured, "_ENTRIES", 2 * 150 * 6)  # two orders at a time
    orders = [order, order[::-1], np.arange(150)]
    for one, found in zip(orders, shared.matrices(iter(orders)), strict=True):
        np.testing.assert_allclose(found, shared.matrix(one), atol=1e-12)
    entropy = [mutual_info_score(v, v) for v in factors.T]
    assert shared.entropy == pytest.approx(np.array(entropy))
    assert shared.surprise(1).mean() == pytest.approx(entropy[1])
    assert shared.pointwise(0, 1).mean() == pytest.approx(shared.matrix()[0, 1])


def test_shuffles_do_not_depend_on_the_order_of_rows():
    x, factors = case()
    order = np.random.default_rng(2).permutation(150)

    def standing(x, factors):
        return against_shuffles(
            0.3,
            lambda orders: [np.abs(np.corrcoef(x[:, 0], factors[i, 0])[0, 1]) for i in orders],
            np.column_stack([factors, x]), 0,
        )  # fmt: skip

    assert standing(x, factors) == pytest.approx(standing(x[order], factors[order]))


def test_table_takes_what_factors_come_as():
    _, factors = case()
    names = table(factors.astype(str), 150, operation="it")
    assert names.dtype.kind == "U"
    np.testing.assert_array_equal(table(torch.asarray(factors), 150, operation="it"), factors)
    for bad in (factors[:, 0], factors[1:], factors * [1, 0], factors * 1j, factors / np.nan):
        with pytest.raises(InputError, match="it: got factors"):
            table(bad, 150, operation="it")
