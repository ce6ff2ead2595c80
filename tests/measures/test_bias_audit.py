import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import bias_audit, debiased_cka, linear_probe
from isthmus.measures.bias_audit import _share
from isthmus.measures.rows import squares


def case(strong=3.0, n=160, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.integers(2, size=(n, 2))
    directions = np.linalg.qr(rng.normal(size=(6, 6)))[0][:2] * [[strong], [1.0]]
    return (factors - 0.5) @ directions + 0.15 * rng.normal(size=(n, 6)), factors


def share(x, labels):
    mean = x.mean(axis=0)
    between = sum(
        (labels == c).sum() * np.sum((x[labels == c].mean(axis=0) - mean) ** 2)
        for c in np.unique(labels)
    )
    return between / np.sum((x - mean) ** 2)


def test_equals_the_formula_and_the_probes():
    x, factors = case()
    score = bias_audit(x, factors)
    shares = [share(x, column) for column in factors.T]
    np.testing.assert_allclose(score.parts["shares"], shares, atol=1e-12)
    assert score.value == pytest.approx(max(shares) / sum(shares), abs=1e-12)
    assert score.parts["accuracy"][1] == linear_probe(x, factors[:, 1]).value
    assert score.value == pytest.approx(0.9, abs=0.03)  # 9 to 1 in variance


def test_even_features_share_evenly():
    assert bias_audit(*case(strong=1.0)).value == pytest.approx(0.5, abs=0.05)


def test_left_out_shares_equal_a_loop():
    x, factors = case(n=15)
    labels = np.array([*(factors[:-1, 0]), 2])  # a class of one row
    _, left_out = _share(x - x.mean(axis=0), squares(x - x.mean(axis=0)), labels)
    for m in range(15):
        keep = np.arange(15) != m
        assert left_out[m] == pytest.approx(share(x[keep], labels[keep]), abs=1e-12)


def test_chance_shares_are_the_mean_over_shuffled_features():
    x, factors = case(n=40)
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 5
    drawn = [share(x, rng.permutation(labels)) for _ in range(500)]
    chance = bias_audit(x, np.column_stack([factors[:, 0], labels])).parts["chance_shares"][1]
    assert chance == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(500))


def test_warns_where_features_are_not_equally_computed():
    x, factors = case()
    blind = np.column_stack([factors[:, 0], np.random.default_rng(2).integers(2, size=160)])
    assert "not all features are computed equally well: 1" in bias_audit(x, blind).warnings[0]
    assert bias_audit(x, factors).warnings == ()


def test_similarity_that_reflects_the_strong_feature_only():
    x, factors = case(strong=4.0)
    easy = 4 * factors[:, :1] + 0.3 * np.random.default_rng(3).normal(size=(160, 3))
    score = bias_audit(x, factors, other=easy)
    assert score.parts["cka"] == pytest.approx(debiased_cka(x, easy).value)
    assert score.parts["cka"] > 0.8
    assert "merely reflects feature 0" in score.warnings[0]
    turned = x @ np.linalg.qr(np.random.default_rng(4).normal(size=(6, 6)))[0]
    same = bias_audit(x, factors, other=turned)
    assert same.parts["cka_without"] == pytest.approx([1, 1], abs=1e-9)
    assert same.warnings == ()


def test_bad_input():
    x, factors = case(n=40)
    with pytest.raises(InputError, match=r"bias_audit.*\(40, 1\) for 40 rows"):
        bias_audit(x, factors[:, :1])
    with pytest.raises(InputError, match="bias_audit.*one class"):
        bias_audit(x, 0 * factors)
    with pytest.raises(InputError, match="bias_audit.*all equal"):
        bias_audit(0 * x, factors)
    with pytest.raises(InputError, match=r"bias_audit.*other \(39, 6\)"):
        bias_audit(x, factors, other=x[:-1])
