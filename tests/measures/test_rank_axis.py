import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from isthmus.core.errors import InputError
from isthmus.measures import rank_axis


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6))
    return x, np.exp(x @ [1.0, -1, 0.5, 0, 0, 0] + 0.5 * rng.normal(size=150))


def test_known_axis_is_spearman_of_the_projections(case):
    x, y = case
    axis = np.array([1.0, -1, 0, 0, 0, 0])
    score = rank_axis(x, y, axis=axis)
    assert score.value == pytest.approx(spearmanr(x @ axis, y).statistic, abs=1e-12)
    assert rank_axis(x, -y, axis=axis).value == pytest.approx(-score.value, abs=1e-12)


def test_extremes_are_left_out_of_what_they_are_judged_on(case):
    x, y = case
    order = np.argsort(y)
    w = x[order[-5:]].mean(axis=0) - x[order[:5]].mean(axis=0)
    score = rank_axis(x, y, extremes=5)
    assert score.n == 140
    assert score.value == pytest.approx(spearmanr((x @ w)[order[5:-5]], y[order[5:-5]]).statistic)
    np.testing.assert_allclose(score.parts["axis"], w)
    assert score.value != pytest.approx(spearmanr(x @ w, y).statistic, abs=1e-3)


def test_ridge_finds_the_axis_and_is_held_out(case):
    x, y = case
    score = rank_axis(x, np.log(y))
    assert score.value > 0.85
    w = score.parts["axis"]
    assert w @ [1, -1, 0.5, 0, 0, 0] / np.linalg.norm(w) / 1.5 > 0.95
    wide = np.random.default_rng(1).normal(size=(60, 100))
    noise = rank_axis(wide, np.random.default_rng(2).normal(size=60))
    assert abs(noise.value) < 0.4  # on the rows it was fitted on it would be near 1
    assert noise.p > 0.01


def test_unrelated_values_score_nothing_on_average():
    rng = np.random.default_rng(3)
    drawn = [rank_axis(rng.normal(size=(40, 5)), rng.normal(size=40)) for _ in range(60)]
    values = np.array([score.value for score in drawn])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(60)
    known = [
        rank_axis(rng.normal(size=(40, 2)), rng.normal(size=40), axis=[1, 0]) for _ in range(200)
    ]
    assert np.mean([score.p < 0.05 for score in known]) < 0.11
    assert np.mean([score.ci[0] <= 0 <= score.ci[1] for score in known]) > 0.9


def test_perfect_order_keeps_its_interval_finite():
    x = np.linspace(0, 1, 20)[:, None]
    score = rank_axis(x, x[:, 0], axis=[2.0])
    assert score.value == 1
    assert score.ci[0] <= 1 <= score.ci[1]


def test_survives_a_rotation_but_not_a_shuffle(case):
    x, y = case
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(6, 6)))[0]
    axis = rank_axis(x, y).parts["axis"]
    here = rank_axis(x, y, axis=axis)
    assert rank_axis(x @ turn, y, axis=axis @ turn).value == pytest.approx(here.value, abs=1e-9)
    assert rank_axis(x @ turn, y, axis=axis).value < here.value - 0.2


def test_torch_gives_the_same(case):
    x, y = case
    for options in ({}, {"extremes": 4}, {"axis": x[0]}):
        same = rank_axis(torch.asarray(x), torch.asarray(y), **options)
        assert same.value == pytest.approx(rank_axis(x, y, **options).value, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda y: y[:-1], {}, "150 finite numbers"),
        (lambda y: y * np.nan, {}, "150 finite numbers"),
        (lambda y: y * 0, {}, "values differ"),
        (lambda y: y.astype(str), {}, "150 finite numbers"),
        (lambda y: y, {"extremes": 75}, "8 rows left"),
        (lambda y: y, {"axis": [1, 2]}, r"\(6,\)"),
        (lambda y: y, {"axis": np.zeros(6)}, "not zero"),
        (lambda y: y, {"axis": np.ones(6), "extremes": 3}, "one of the two"),
    ],
)
def test_bad_input(case, change, options, said):
    x, y = case
    with pytest.raises(InputError, match=f"rank_axis.*{said}"):
        rank_axis(x, change(y), **options)
    with pytest.raises(InputError, match="rank_axis"):
        rank_axis(np.ones((20, 3)), np.arange(20))
