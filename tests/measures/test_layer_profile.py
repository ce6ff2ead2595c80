import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import layer_profile, two_nn


def layers(seed=0, n=90, d=6, count=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n, d)) * np.arange(1, d + 1) + np.arange(count)[:, None, None]


def cosine(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    n = len(rows)
    return (np.sum(unit @ unit.T) - n) / (n * (n - 1))


def test_equals_the_formulas_layer_by_layer():
    stack = layers()
    score = layer_profile(stack)
    for i, rows in enumerate(stack):
        middle = rows - rows.mean(axis=0)
        squares = np.linalg.svd(middle, compute_uv=False) ** 2
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        parts = {key: values[i] for key, values in score.parts.items()}
        assert parts["mean_cosine"] == pytest.approx(cosine(rows), abs=1e-12)
        assert parts["centred_cosine"] == pytest.approx(cosine(middle), abs=1e-12)
        assert parts["drift"] == pytest.approx(np.linalg.norm(unit.mean(axis=0)), abs=1e-12)
        assert parts["top_share"] == pytest.approx(squares[0] / squares.sum(), abs=1e-12)
        assert parts["dimension"] == pytest.approx(float(two_nn(rows)), abs=1e-10)
        assert parts["mean_cosine_ci"][0] < parts["mean_cosine"] < parts["mean_cosine_ci"][1]
    assert score.value == pytest.approx(score.parts["mean_cosine"].mean())
    assert score.n == 90


def test_top_share_is_of_centred_rows():
    """The wrong form, without the mean taken away, calls a shifted layer one-sided."""
    stack = np.random.default_rng(1).normal(size=(1, 400, 8))
    near, far = layer_profile(stack), layer_profile(stack + 100)
    assert far.parts["top_share"] == pytest.approx(near.parts["top_share"], abs=1e-9)
    assert far.parts["top_share"][0] < 0.2
    raw = np.linalg.svd(stack[0] + 100, compute_uv=False) ** 2
    assert raw[0] / raw.sum() > 0.99


def test_flags_what_to_centre_and_what_one_axis_rules():
    rng = np.random.default_rng(2)
    even = rng.normal(size=(300, 5))
    score = layer_profile([even, even + 3, even * [20, 1, 1, 1, 1]])
    assert "layer 1 has mean cosine" in score.warnings[0]
    assert "layer 2 has 99% of its variance on one axis" in score.warnings[1]
    assert len(score.warnings) == 2


def test_checkpoints_sequences_and_kinds():
    first, second = layers(0), layers(1)
    both = layer_profile({10: first, 20: second})
    assert both.parts["dimension"].shape == (2, 3)
    assert both.parts["mean_cosine_ci"].shape == (2, 3, 2)
    assert both.value == layer_profile(second).value
    assert np.array_equal(both.parts["top_share"][0], layer_profile(first).parts["top_share"])
    tokens = layer_profile(first.reshape(3, 9, 10, 6))
    assert tokens.parts["dimension"] == pytest.approx(both.parts["dimension"][0])
    assert layer_profile(torch.asarray(first)).value == pytest.approx(tokens.value, abs=1e-12)
    lists = layer_profile([one.tolist() for one in first])
    assert lists.value == pytest.approx(tokens.value, abs=1e-12)
    single = layer_profile(first.astype(np.float32))
    assert single.value == pytest.approx(tokens.value, abs=1e-6)


def test_rows_behind_the_dimension_are_drawn_once():
    rows = np.random.default_rng(3).normal(size=(500, 4))
    score = layer_profile([rows, rows], most=100, rng=5)
    assert score.parts["dimension"][0] == score.parts["dimension"][1]
    assert score.parts["dimension"][0] != layer_profile([rows]).parts["dimension"][0]
    assert score.n == 500


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.ones((2, 30)), "layer"),
        ([np.eye(20), np.eye(21)], "alike but for d"),
        (np.random.default_rng(0).normal(size=(2, 11, 3)), "at least 12"),
        (np.full((1, 20, 3), np.nan), "NaN"),
        (np.ones((1, 20, 3)), "rows are all equal"),
        ({}, "0 checkpoints"),
        ([], "layer"),
        ({1: np.random.default_rng(0).normal(size=(1, 20, 3)),
          2: np.random.default_rng(0).normal(size=(1, 30, 3))}, "every checkpoint"),
    ],
)  # fmt: skip
def test_bad_input(bad, said):
    with pytest.raises(InputError, match=f"layer_profile.*{said}"):
        layer_profile(bad)
