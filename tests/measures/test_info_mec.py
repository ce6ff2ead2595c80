import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from isthmus.core.errors import InputError
from isthmus.measures import info_mec


def case(n=400, seed=0):
    rng = np.random.default_rng(seed)
    factors = np.column_stack([rng.integers(4, size=n), rng.integers(3, size=n)])
    x = np.column_stack([factors + 0.3 * rng.normal(size=(n, 2)), rng.normal(size=n)])
    x[:, 2] += 0.5 * factors[:, 0]
    return x, factors


def oracle(x, factors, bins=20):
    cut = [(np.argsort(np.argsort(c)) * bins) // len(c) for c in x.T]
    known = np.array([[mutual_info_score(c, v) / mutual_info_score(v, v) for v in factors.T]
                      for c in cut])  # fmt: skip
    d, g = known.shape
    m = (np.mean(known.max(axis=1) / known.sum(axis=1)) - 1 / g) / (1 - 1 / g)
    c = (np.mean(known.max(axis=0) / known.sum(axis=0)) - 1 / d) / (1 - 1 / d)
    return m, c


def test_equals_the_formula():
    x, factors = case()
    score = info_mec(x, factors)
    modularity, compactness = oracle(x, factors)
    assert score.value == score.parts["modularity"] == pytest.approx(modularity)
    assert score.parts["compactness"] == pytest.approx(compactness)


def test_extremes():
    _, factors = case(2000)
    exact = info_mec(factors, factors)
    assert exact.value > 0.99
    assert exact.parts["compactness"] > 0.99
    assert exact.parts["explicitness"] > 0.9
    twice = info_mec(np.column_stack([factors, factors]), factors)
    assert twice.value > 0.99  # each column still knows one factor
    assert twice.parts["compactness"] == pytest.approx(1 / 3, abs=0.01)  # (1/2 - 1/4) / (3/4)
    turned = info_mec(factors @ np.array([[1.0, 1], [1, -1]]), factors)
    assert turned.value < 0.3
    assert turned.parts["explicitness"] > 0.9  # a linear map hides nothing


def test_explicitness_is_of_rows_not_seen():
    rng = np.random.default_rng(1)
    noise, factors = rng.normal(size=(80, 30)), rng.integers(2, size=(80, 2))
    assert info_mec(noise, factors).parts["explicitness"] < 0.0


def test_rare_values_do_not_break_it():
    x, factors = case(60)
    factors[0, 1] = 9
    assert np.isfinite(info_mec(x, factors).parts["explicitness"])


def test_columns_that_hardly_vary_do_not_count():
    x, factors = case()
    still = np.column_stack([x, 0.01 * np.random.default_rng(2).normal(size=(400, 2))])
    score = info_mec(still, factors)
    assert score.value == info_mec(x, factors).value
    assert score.parts["active"].tolist() == [True] * 3 + [False] * 2
    assert "2 of 5 columns" in score.warnings[0]


def test_shuffled_factors_are_chance():
    x, factors = case(200)
    rng = np.random.default_rng(3)
    scores = [info_mec(x, factors[rng.permutation(200)]) for _ in range(8)]
    score = info_mec(x, factors)
    assert np.mean([s.value for s in scores]) == pytest.approx(score.chance, abs=0.03)
    assert score.p == pytest.approx(1 / 200)


def test_bad_input():
    x, factors = case()
    for rows, known, options in (
        (x[:, :1], factors, {}), (x, factors[:, :1], {}), (x, factors[1:], {}),
        (x, factors, {"bins": 1}), (x[:19], factors[:19], {}),
        (x * [1, 0.001, 0.001], factors, {}),
    ):  # fmt: skip
        with pytest.raises(InputError, match="info_mec"):
            info_mec(rows, known, **options)
