import numpy as np
import pytest

from isthmus.evidence import bootstrapped_anchors as paper


def test_the_spaces_are_rotated_and_as_noisy_as_said():
    x, y = paper.rotated(3, rows=4000, dim=20)
    rotation, _, vt = np.linalg.svd(x.T @ y)
    noise = x @ rotation @ vt - y
    assert np.linalg.norm(noise) / np.linalg.norm(x) == pytest.approx(0.3, rel=0.05)
    assert x.std(axis=0)[9] == pytest.approx(10**-0.5, rel=0.1)
    clean = paper.rotated(3, rows=100, dim=20, noise=0.0)
    gram = [side @ side.T for side in clean]
    np.testing.assert_allclose(gram[0], gram[1], atol=1e-9)


def test_true_anchors_find_partners_and_shuffled_ones_do_not():
    x, y = paper.rotated(4, rows=300, dim=20, noise=0.05)
    a, b = x[:100] - x.mean(axis=0), y[:100] - y.mean(axis=0)
    assert paper.code_mrr(x, y, (a, b)) > 0.95
    assert paper.code_mrr(x, y, (a, b[::-1])) < 0.1


def test_a_grower_that_guesses_does_not_meet_the_claim():
    def guesses(x, y, known, seed):
        drawn = np.random.default_rng(seed).choice(len(y), size=100)
        return x[:100] - x.mean(axis=0), y[drawn] - y.mean(axis=0)

    figures = paper.experiment([1, 2], grow=guesses, rows=400, dim=30)
    assert not figures["gain"].met
    assert not figures["share"].met


def test_the_grower_is_given_no_positions():
    seen = {}

    def spy(x, y, known, seed):
        seen["match"] = np.mean(known[0] == known[1])
        seen["pairs"] = np.abs((x[known[0]] ** 2).sum(axis=1) / (y[known[1]] ** 2).sum(axis=1) - 1)
        return x[known[0]], y[known[1]]

    paper.experiment([1, 2], grow=spy, rows=400, dim=30)
    assert seen["match"] < 0.3
    assert seen["pairs"].mean() < 0.5
