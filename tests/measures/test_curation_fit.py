import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import curation_fit, rsa
from isthmus.measures.curation_fit import _explained, _tail


def corpus(n=200, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    topic = rng.integers(5, size=n)
    x = 3 * np.eye(5)[topic] + 0.4 * rng.normal(size=(n, 5))
    return x, topic + noise * rng.normal(size=n), topic


def naive(losses, found):
    groups = [losses[found == c] for c in np.unique(found)]
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(losses) - len(groups))
    return 1 - within / losses.var(ddof=1)


def test_equals_the_formula_and_the_correlation_over_pairs():
    x, losses, topic = corpus()
    score = curation_fit(x, losses, clusters=5)
    assert score.value == pytest.approx(naive(losses, score.parts["clusters"]), abs=1e-12)
    assert score.value == pytest.approx(naive(losses, topic), abs=0.05)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = rsa(unit, losses[:, None]).value
    assert score.parts["correlation"] == pytest.approx(expected, abs=1e-12)


def test_random_clusters_leave_what_the_denominator_says():
    rng = np.random.default_rng(1)
    losses = rng.exponential(size=60)
    found = np.sort(rng.integers(6, size=60))
    drawn = [_explained(losses, rng.permutation(found))[0] for _ in range(3000)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(3000)
    plain = []  # without the degrees of freedom clusters would seem to explain something
    for _ in range(500):
        mixed = rng.permutation(found)
        sums = [(losses[mixed == c] - losses[mixed == c].mean()) ** 2 for c in np.unique(mixed)]
        plain.append(1 - np.concatenate(sums).mean() / losses.var())
    assert np.mean(plain) > 0.05


def test_left_out_values_equal_a_loop():
    rng = np.random.default_rng(2)
    losses, found = rng.normal(size=20), np.array([0, 1, 2, 3] + [1, 2] * 8)
    _, left_out, _ = _explained(losses, found)
    for m in range(20):
        keep = np.arange(20) != m
        assert left_out[m] == pytest.approx(naive(losses[keep], found[keep]), abs=1e-12)


def test_vectors_that_know_nothing_score_nothing():
    rng = np.random.default_rng(3)
    drawn = [curation_fit(rng.normal(size=(80, 4)), rng.normal(size=80)) for _ in range(25)]
    assert abs(np.mean([score.value for score in drawn])) < 0.06
    assert np.mean([score.p < 0.05 for score in drawn]) < 0.2
    assert sum("not clearly related" in str(score.warnings) for score in drawn) > 15
    x, losses, _ = corpus()
    assert curation_fit(x, losses).p < 1e-10


def test_tail_is_that_of_the_f_test():
    from scipy.stats import f_oneway

    rng = np.random.default_rng(4)
    losses, found = rng.normal(size=40), np.arange(40) % 4
    value, _, g = _explained(losses, found)
    expected = f_oneway(*(losses[found == c] for c in range(4))).pvalue
    assert _tail(value, 40, g) == pytest.approx(expected, rel=1e-9)


def test_length_of_vectors_is_no_matter_and_torch_is_welcome():
    x, losses, _ = corpus(80)
    value = curation_fit(x, losses).value
    longer = x * np.random.default_rng(5).uniform(1, 9, (80, 1))
    assert curation_fit(longer, losses).value == pytest.approx(value, abs=1e-9)
    assert curation_fit(torch.asarray(x), torch.asarray(losses)).value == pytest.approx(value)


def test_bad_input():
    x, losses, _ = corpus(40)
    for bad in (losses[:-1], losses * np.nan, losses.astype(str)):
        with pytest.raises(InputError, match="curation_fit.*40 finite numbers"):
            curation_fit(x, bad)
    with pytest.raises(InputError, match="curation_fit.*losses differ"):
        curation_fit(x, 0 * losses)
    with pytest.raises(InputError, match="curation_fit.*2 to 20"):
        curation_fit(x, losses, clusters=21)
    x[3] = 0
    with pytest.raises(InputError, match="curation_fit.*zero rows"):
        curation_fit(x, losses)
