import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import utilized_rank


def case(n=100, dx=12, dy=10, used=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, used)) @ rng.normal(size=(used, dx)) + 0.0
    return rng.normal(size=(dx, dy)), x


@pytest.mark.parametrize("used", [1, 4, 10])
def test_planted_rank_is_found_and_outputs_stay(used):
    w, x = case(used=used)
    score = utilized_rank(w, x)
    assert score.value == used / 10
    assert score.parts["rank"] == score.parts["input_rank"] == used
    assert score.parts["left"].shape == (12, used)
    small = score.parts["left"] @ score.parts["right"]
    assert x @ small == pytest.approx(x @ w, abs=1e-9)
    assert score.parts["parameters"] == pytest.approx(used * 22 / 120)


def test_rank_is_the_smallest_that_keeps_to_the_tolerance():
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(12, 12)), rng.normal(size=(300, 12)) * np.geomspace(1, 0.001, 12)
    values = np.linalg.svd(x @ w, compute_uv=False)
    for tol in (0.3, 0.03, 0.003, 0.0):
        score = utilized_rank(w, x, tol=tol)
        rest = [np.sqrt(np.sum(values[k:] ** 2) / np.sum(values**2)) for k in range(13)]
        assert score.parts["rank"] == next(k for k in range(13) if rest[k] <= tol)
        kept = score.parts["left"] @ score.parts["right"]
        error = np.linalg.norm(x @ w - x @ kept) / np.linalg.norm(x @ w)
        assert error == pytest.approx(score.parts["error"], abs=1e-12)
        assert error <= tol + 1e-12


def test_truncating_the_weights_alone_is_worse():
    """A wrong version, blind to the data, misses the outputs at the same rank."""
    w, x = case()
    u, s, v = np.linalg.svd(w)
    blind = (u[:, :4] * s[:4]) @ v[:4]
    assert np.linalg.norm(x @ w - x @ blind) > 0.1 * np.linalg.norm(x @ w)


def test_what_the_layer_ignores_does_not_count():
    w, x = case(used=8)
    w[:, 2:] = 0.0
    score = utilized_rank(w, x)
    assert (score.parts["rank"], score.parts["input_rank"]) == (2, 8)


def test_few_rows_are_said_and_torch_is_taken():
    w, x = case(used=10)
    assert "bring more" in utilized_rank(w, x[:3]).warnings[0]
    same = utilized_rank(torch.asarray(w), torch.asarray(x))
    assert same.value == utilized_rank(w, x).value


def test_bad_input():
    w, x = case()
    for weights, rows, options in (
        (w.T, x, {}), (w, x * 0, {}), (w, x, {"tol": 1.0}), (w, x, {"tol": -0.1}),
        (np.full_like(w, np.nan), x, {}),
    ):  # fmt: skip
        with pytest.raises(InputError, match="utilized_rank"):
            utilized_rank(weights, rows, **options)
