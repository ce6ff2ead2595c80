import importlib

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.linear_model import Lasso

from isthmus.core.errors import InputError
from isthmus.measures import dci
from isthmus.measures.dci import _solve, _standard


def case(n=200, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 3))
    x = factors @ np.array([[2.0, 0, 0, 0.5], [0, 1, 0, 0.5], [0, 0, 3, 0]])
    return x + 0.3 * rng.normal(size=(n, 4)) + 5, factors


def weights(x, factors, alpha):
    a = (x - x.mean(axis=0)) / x.std(axis=0)
    b = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    return np.column_stack(
        [abs(Lasso(alpha=alpha, fit_intercept=False, tol=1e-10).fit(a, v).coef_) for v in b.T]
    )


def oracle(r):
    share = r.sum(axis=1) / r.sum()
    used = share > 0
    pure = 1 - entropy(r[used].T, base=r.shape[1])
    return float(share[used] @ pure)


@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_equals_the_formula_with_the_lasso_of_scikit_learn(alpha):
    x, factors = case()
    r = weights(x, factors, alpha)
    score = dci(x, factors, alpha=alpha)
    assert score.parts["weights"] == pytest.approx(r, abs=1e-7)
    assert score.value == score.parts["disentanglement"] == pytest.approx(oracle(r), abs=1e-6)
    assert score.parts["completeness"] == pytest.approx(oracle(r.T), abs=1e-6)


def test_informativeness_is_held_out_r2():
    x, factors = case(400)
    score = dci(x, factors)
    assert (score.parts["informativenesses"] > 0.8).all()
    noise = np.random.default_rng(1).normal(size=(60, 30))
    assert dci(noise, factors[:60]).parts["informativeness"] < 0.0  # fitted rows would read 0.5


def test_a_rotation_entangles_but_informs():
    factors = np.random.default_rng(2).normal(size=(300, 2))
    turned = dci(factors @ np.array([[1.0, 1], [1, -1]]), factors)
    assert turned.value < 0.05
    assert turned.parts["informativeness"] > 0.99
    assert dci(factors, factors).value > 0.95


def test_shuffled_factors_are_chance():
    x, factors = case(80)
    rng = np.random.default_rng(3)
    scores = [dci(x, factors[rng.permutation(80)]) for _ in range(6)]
    score = dci(x, factors)
    assert np.mean([s.value for s in scores]) == pytest.approx(score.chance, abs=0.15)
    assert score.chance > 0.1  # and not 0, which is why it is measured
    assert score.p == pytest.approx(1 / 200)


def test_boosted_trees_find_what_lines_cannot():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(250, 3))
    factors = np.column_stack([np.abs(x[:, 0]) > 0.7, x[:, 1] ** 2 > 0.5]).astype(int)
    names = np.where(factors > 0, "far", "near")
    score = dci(x, names, model="boosting")
    assert score.value > 0.6
    assert score.parts["informativeness"] > 0.85
    assert score.chance is None
    assert "no chance level" in score.warnings[0]
    assert dci(x, factors).parts["informativeness"] < 0.2


def test_no_weight_at_all_is_zero_and_said():
    x, factors = case(60)
    score = dci(np.random.default_rng(5).normal(size=x.shape), factors, alpha=0.9)
    assert score.value == 0.0
    assert "no column matters" in score.warnings[0]


def test_bad_input():
    x, factors = case(60)
    for rows, known, options in (
        (x[:, :1], factors, {}), (x, factors[:, :1], {}), (x, factors[1:], {}),
        (x, factors, {"alpha": 0.0}), (x, factors, {"model": "forest"}), (x[:19], factors[:19], {}),
        (x, factors.astype(str), {}), (x, factors * [1, 1, 0], {}),
    ):  # fmt: skip
        with pytest.raises(InputError, match="dci"):
            dci(rows, known, **options)


def off(gram, cross, w, alpha):
    """How far weights are from a minimum: pull alpha along every weight, no more elsewhere."""
    pull = cross - gram @ w
    at = np.abs(pull - alpha * np.sign(w))
    return np.where(w != 0, at, np.maximum(np.abs(pull) - alpha, 0)).max()


HARD = {
    "few rows": lambda x: x[:30],
    "many rows": lambda x: x,
    "low rank": lambda x: x[:, :9] @ x[:9],
    "ill conditioned": lambda x: x @ np.diag(np.geomspace(1, 1e-6, 80)) @ x[:80],
    "signs": lambda x: np.sign(x[:40]),
    "rare ones": lambda x: (x[:60] > 1.5) * 1.0,
    "one row each": lambda x: np.eye(120)[:, :80],
}


@pytest.mark.parametrize("alpha", [1e-4, 0.01, 0.3])
@pytest.mark.parametrize("kind", HARD)
def test_the_lasso_is_at_its_minimum(kind, alpha):
    rng = np.random.default_rng(3)
    x = HARD[kind](rng.normal(size=(120, 80)))
    a, b = (_standard(side) for side in (x, x[:, :3] + 0.1 * rng.normal(size=(len(x), 3))))
    gram, cross = a.T @ a / len(x), a.T @ b / len(x)
    w = _solve(gram, cross, alpha, len(x))
    assert off(gram, cross, w, alpha) < 1e-9
    assert off(gram, cross, w * 1.01 + 1e-3 * (w == 0), alpha) > 1e-6


def test_of_equal_columns_the_first_stands_for_all():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 80)) @ np.diag(np.geomspace(1, 0.05, 80)) @ rng.normal(size=(80, 80))
    x[:, 5], x[:, 7] = 1 - 2 * x[:, 6], 3.0
    a, b = (_standard(side) for side in (x, x[:, 3:6] + 0.1 * rng.normal(size=(30, 3))))
    gram, cross = a.T @ a / 30, a.T @ b / 30
    w = _solve(gram, cross, 0.01, 30)
    assert off(gram, cross, w, 0.01) < 1e-9
    assert w[5].any()
    assert not w[[6, 7]].any()
    score = dci(x, b)
    assert score.parts["weights"] == pytest.approx(np.abs(w), abs=1e-9)


def test_shuffles_that_are_as_pure_up_to_rounding_count(monkeypatch):
    module = importlib.import_module("isthmus.measures.dci")
    monkeypatch.setattr(module, "_null", lambda *_: iter([0.5] * 100 + [1 - 1e-15] * 99))
    x = np.random.default_rng(0).normal(size=(100, 4))
    score = dci(x, x[:, :2])
    assert score.value == pytest.approx(1.0)
    assert score.p == 0.5


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_units_of_factors_and_columns_do_not_matter(size):
    """Squares left the range of float64, and informativeness was NaN."""
    x, factors = case(60)
    one, far = dci(x, factors), dci(x * size, factors * [1, size, 1 / size])
    assert far.value == pytest.approx(one.value, abs=1e-9)
    for part in ("informativenesses", "weights"):
        assert far.parts[part] == pytest.approx(one.parts[part], abs=1e-9)


def test_a_factor_that_varies_less_than_rounding_is_refused():
    x, k = case(60)[0], np.arange(60)
    with pytest.raises(InputError, match="less than rounding: column 0"):
        dci(x, np.column_stack([2**53 + k % 2, k % 2]))
