import numpy as np
import pytest
import torch
from scipy.stats import spearmanr, ttest_rel

from isthmus.core.errors import InputError
from isthmus.measures import layer_geometry, two_nn


def hidden(seed=0, count=3, prompts=6, tokens=40, d=5):
    """Later layers fill more dimensions."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(prompts, tokens, d))
    return np.stack([base * (np.arange(d) <= i + 1) + 1e-3 * base[::-1] for i in range(count)])


def test_equals_the_formulas_prompt_by_prompt():
    layers = hidden()
    score = layer_geometry(layers, k=4)
    for i in range(3):
        for p in range(6):
            tokens = layers[i, p]
            assert score.parts["dimension"][i, p] == pytest.approx(float(two_nn(tokens)))
            unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
            mean = (np.sum(unit @ unit.T) - 40) / (40 * 39)
            assert score.parts["cosine"][i, p] == pytest.approx(mean, abs=1e-12)
    for i in range(2):
        apart = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in layers[i : i + 2, 0]]
        near = [np.argsort(one + 1e9 * np.eye(40), axis=1)[:, :4] for one in apart]
        kept = np.mean([len(set(a) & set(b)) / 4 for a, b in zip(*near, strict=True)])
        assert score.parts["overlap"][i, 0] == pytest.approx(kept)
    assert score.value == pytest.approx(score.parts["dimension"][1].mean())
    assert score.ci[0] < score.value < score.ci[1]
    assert (np.diff(score.parts["dimension"].mean(axis=1)) > 0).all()


def test_overlap_of_unrelated_layers_is_chance():
    layers = np.random.default_rng(1).normal(size=(2, 40, 30, 4))
    parts = layer_geometry(layers, k=5).parts
    assert parts["overlap_chance"] == 5 / 29
    assert parts["overlap"].mean() == pytest.approx(5 / 29, abs=0.01)
    assert (layer_geometry([layers[0], 3 * layers[0]]).parts["overlap"] == 1).all()


def test_control_and_losses():
    rng = np.random.default_rng(2)
    layers = hidden(prompts=12)
    wider = layers + 0.8 * rng.normal(size=layers.shape)
    score = layer_geometry(layers, shuffled=wider, losses=np.arange(12.0))
    parts = score.parts
    for i in range(3):
        t = ttest_rel(parts["shuffled_dimension"][i], parts["dimension"][i], alternative="greater")
        assert parts["excess_p"][i] == pytest.approx(t.pvalue)
        assert parts["excess_ci"][i] == pytest.approx(
            ttest_rel(parts["shuffled_dimension"][i], parts["dimension"][i]).confidence_interval()
        )
        r = spearmanr(np.arange(12), parts["dimension"][i]).statistic
        assert parts["loss_rank_correlation"][i] == pytest.approx(r)
        low, high = parts["loss_rank_correlation_ci"][i]
        assert low < r < high
    assert parts["excess_p"][1] < 0.01
    same = layer_geometry(layers, shuffled=layers)
    assert (same.parts["excess"] == 0).all()
    assert (same.parts["excess_p"] == 0.5).all()


def test_loss_that_follows_dimension_correlates():
    rng = np.random.default_rng(3)
    spread = np.arange(30) // 5 + rng.uniform(size=30)
    tokens = rng.normal(size=(30, 60, 6)) * (np.arange(6) <= spread[:, None, None])
    score = layer_geometry(tokens[None], losses=spread)
    assert score.parts["loss_rank_correlation"][0] > 0.8
    shuffled = layer_geometry(tokens[None], losses=rng.permutation(spread))
    assert abs(shuffled.parts["loss_rank_correlation"][0]) < 0.5


def test_equal_tokens_kinds_and_order():
    layers = hidden()
    value = layer_geometry(layers).value
    assert layer_geometry(torch.asarray(layers)).value == pytest.approx(value, abs=1e-12)
    assert layer_geometry(layers[:, ::-1, ::-1]).value == pytest.approx(value, abs=1e-12)
    double = np.concatenate([layers, layers], axis=2)
    assert layer_geometry(double).value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("bad", "options"),
    [
        (hidden(tokens=11), {}),
        (hidden()[0], {}),
        (np.zeros((2, 3, 20, 4)), {}),
        (np.full((2, 3, 20, 4), np.nan), {}),
        (hidden(), {"k": 39}),
        (hidden(), {"k": 0}),
        (hidden(), {"shuffled": hidden()[:2]}),
        (hidden(), {"losses": np.ones(6)}),
        (hidden(), {"losses": np.arange(5)}),
        (hidden(), {"losses": np.full(6, np.nan)}),
    ],
)
def test_bad_input(bad, options):
    with pytest.raises(InputError, match="layer_geometry"):
        layer_geometry(bad, **options)
