import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import information_imbalance, ranks


def oracle(x, y):
    n = len(x)
    dx = ((x[:, None] - x[None]) ** 2).sum(2)
    dy = ((y[:, None] - y[None]) ** 2).sum(2)
    total = 0.0
    for i in range(n):
        others = np.delete(np.arange(n), i)
        near = others[np.argmin(dx[i, others])]
        rest = others[others != near]
        total += 1 + (dy[i, rest] < dy[i, near]).sum() + 0.5 * (dy[i, rest] == dy[i, near]).sum()
    return 2 * total / n**2


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) + 2
    return x, x[:, :2] + 0.3 * rng.normal(size=(n, 2))


def test_equals_the_definition_both_ways():
    x, y = related()
    assert information_imbalance(x, y).value == pytest.approx(oracle(x, y), abs=1e-14)
    assert information_imbalance(y, x).value == pytest.approx(oracle(y, x), abs=1e-14)
    assert oracle(x, y) != pytest.approx(oracle(y, x), abs=0.01)


def test_ties_count_half():
    x = np.random.default_rng(0).normal(size=(40, 3))
    y = np.random.default_rng(1).integers(0, 2, size=(40, 3)).astype(float)
    assert information_imbalance(x, y).value == pytest.approx(oracle(x, y), abs=1e-14)
    # A target that is one point tells nothing, whatever the source.
    constant = information_imbalance(x, np.ones((40, 1)))
    assert constant.value == pytest.approx(1, abs=1e-12)


def test_identical_sides_read_two_over_n_and_chance_is_one():
    x, _ = related()
    assert information_imbalance(x, x).value == 2 / 60
    values = [
        float(information_imbalance(*np.random.default_rng(s).normal(size=(2, 50, 3))))
        for s in range(60)
    ]
    assert np.mean(values) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("d", [2, 30])
def test_null_spread_is_that_of_shuffled_rows(d):
    x, y = np.random.default_rng(0).normal(size=(2, 60, d))
    y += 0.8 * x
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(60)]) for _ in range(150)]
    score = information_imbalance(x, y)
    assert np.std(values) == pytest.approx((1 - score.value) / score.z, rel=0.2)


def test_null_spread_from_some_rows_is_close_to_that_from_all(monkeypatch):
    x, y = related(n=400)
    whole = information_imbalance(x, y).z
    monkeypatch.setattr(ranks, "RANKED", 100)
    assert information_imbalance(x, y).z == pytest.approx(whole, rel=0.1)


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=30)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = information_imbalance(x, y)
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=1e-10)


def test_blocks_do_not_matter(monkeypatch):
    x, y = related()
    whole = information_imbalance(x, y)
    monkeypatch.setattr(ranks, "_ENTRIES", 7 * 60)
    assert information_imbalance(x, y) == whole


def test_offset_scale_and_duplicates():
    x, y = related()
    reference = information_imbalance(x, y).value
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1000)):
        assert information_imbalance(x, y * factor + offset).value == reference
    x[:30] = x[0]
    assert "equally near" in information_imbalance(x, y).warnings[0]


def test_three_rows_are_refused():
    with pytest.raises(InputError, match="at least 4"):
        information_imbalance(np.eye(3), np.eye(3))
