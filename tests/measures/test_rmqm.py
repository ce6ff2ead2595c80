from itertools import pairwise

import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import rmqm

LEVELS = (0.1, 0.3, 0.4)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(40, 5))


def wave(x):
    return np.sin(3 * x) + x**2


def test_equals_the_formula_row_by_row(x):
    noise = np.random.default_rng(7).normal(size=x.shape)
    z = wave(x)
    spread = np.sqrt(np.mean(np.sum((z - z.mean(axis=0)) ** 2, axis=1)))
    values = []
    for row, e in zip(x, noise, strict=True):
        path = [wave(row + level * e) for level in (0, *LEVELS)]
        s = [
            np.linalg.norm(b - a) / gap / spread
            for a, b, gap in zip(path, path[1:], (0.1, 0.2, 0.1), strict=False)
        ]
        v = np.mean([2 * abs(b - a) / (a + b) for a, b in pairwise(s)])
        values.append(np.mean(s) / (1 + v))
    score = rmqm(wave, x, LEVELS, rng=7)
    assert score.value == pytest.approx(np.mean(values), abs=1e-12)
    assert score.parts["steps"].shape == (40, 3)


def test_linear_maps_move_evenly_and_their_scale_is_no_matter(x):
    w = np.random.default_rng(1).normal(size=(5, 3))
    score = rmqm(lambda x: x @ w, x, LEVELS)
    assert score.parts["uneven"].max() < 1e-9
    assert rmqm(lambda x: 9 * x @ w + 4, x, LEVELS).value == pytest.approx(score.value)
    assert rmqm(lambda x: np.floor(x @ w), x, LEVELS).parts["uneven"].mean() > 0.5


def test_constant_stretches_are_warned_about(x):
    score = rmqm(lambda x: np.sign(x[:, :1]), x, (1e-9, 2e-9))
    assert score.value == 0
    assert "do not move" in score.warnings[0]


def test_pgd_moves_farther_than_noise_within_its_cube(x):
    seen = []

    def encoder(x):
        seen.append(x.detach().clone())
        return torch.tanh(x @ torch.ones(5, 2, dtype=torch.float64)) + 0.1 * x[:, :2]

    inputs = torch.asarray(x)
    attacked = rmqm(encoder, inputs, LEVELS, attack="pgd")
    assert max(float((one - inputs).abs().max()) for one in seen) <= LEVELS[-1] + 1e-12
    calm = rmqm(encoder, inputs, LEVELS)
    assert attacked.parts["moved"].mean() > calm.parts["moved"].mean()


def test_torch_gives_the_same_and_seeds_decide(x):
    same = rmqm(lambda x: torch.sin(3 * x) + x**2, torch.asarray(x), LEVELS)
    assert same.value == pytest.approx(rmqm(wave, x, LEVELS).value, abs=1e-12)
    assert rmqm(wave, x, LEVELS, rng=1).value != same.value


@pytest.mark.parametrize(
    ("encoder", "levels", "options", "said"),
    [
        (wave, (0.1,), {}, "two or more rising"),
        (wave, (0.2, 0.1), {}, "two or more rising"),
        (wave, (0.0, 0.1), {}, "two or more rising"),
        (wave, LEVELS, {"attack": "fire"}, "noise, pgd"),
        (wave, LEVELS, {"attack": "pgd"}, "a torch tensor"),
        (lambda x: x[:3], LEVELS, {}, "one vector an input"),
        (lambda x: 0 * x + 1, LEVELS, {}, "rows are all equal"),
        (lambda x: x * np.nan, LEVELS, {}, "NaN"),
    ],
)
def test_bad_input(x, encoder, levels, options, said):
    with pytest.raises(InputError, match=f"rmqm.*{said}"):
        rmqm(encoder, x, levels, **options)
