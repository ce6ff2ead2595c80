import numpy as np
import pytest

from isthmus.evidence import bootstrapped_anchors as paper
from isthmus.evidence.corpora import MissingData


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


def test_texts_are_held_out_and_true_anchors_beat_a_grower_that_guesses():
    sizes = []

    def guesses(x, y, known, seed):
        sizes.append((len(x), len(y), len(known[0])))
        return x[:300] - x.mean(axis=0), y[:300] - y.mean(axis=0)

    try:
        figures = paper.texts([1, 2], grow=guesses)
    except MissingData as missing:
        pytest.skip(f"Debian's descriptions are not here: {missing}")
    assert sizes == [(2000, 2000, 10)] * 4
    for short in paper.LANGUAGES:
        known, grown, true = (figures[f"{short}-{name}"] for name in ("known", "grown", "true"))
        assert grown.value < 0.02 < known.value < true.value
        assert not true.claimed


def test_without_the_texts_the_claim_still_runs(monkeypatch):
    def missing(name):
        raise MissingData("data set", name, "the file")

    monkeypatch.setattr(paper, "debian", missing)
    figures = {
        name: paper.over_seeds(name, [0.9, 0.9], n=1, seeds=(0, 1), at_least=0.1)
        for name in ("known", "grown", "true")
    }
    monkeypatch.setattr(paper, "experiment", lambda seeds: figures)
    found = paper.run()
    assert found.holds
    assert "Debian" not in found.what_holds
