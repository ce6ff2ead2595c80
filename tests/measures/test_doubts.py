"""Doubts about rows: told where they hold, named, and not told where they do not."""

import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.measures.doubts import _overlap, _spectrum, doubts, listed, marked, shuffled, tell


def space(n=200, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5


def rotated(x, seed=9):
    d = x.shape[1]
    return x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def test_sound_rows_raise_no_doubt():
    assert doubts({"a": space(), "b": space(seed=1)}) == []


@pytest.mark.parametrize("distinct", [10, 60, 195, 199])
def test_the_share_of_copies_is_counted(distinct):
    rng = np.random.default_rng(distinct)
    x = rng.permutation(space()[np.r_[:distinct, rng.integers(0, distinct, 200 - distinct)]])
    share = 1 - len(np.unique(x, axis=0)) / 200
    said = doubts({"sound": space(), "bad": x, "worse": x[[0] * 200]})
    if share > 0.01:
        assert said[0].startswith(f"bad, worse: {share:.1%} to 99.5% of the rows are copies")
    else:
        assert said[0].startswith("worse: 99.5% of the rows are copies")
    assert len(said) == 1


def test_few_rows_and_many_dimensions():
    assert doubts({"a": space(29, 40)})[0].startswith("only 29 pairs")
    assert len(doubts({"a": space(29, 40)})) == 1
    said = doubts({"a": space(30, 40), "b": space(30, 30), "c": space(30, 29)})
    assert [text.partition(";")[0] for text in said] == ["a, b: 30 pairs in 30 to 40 dimensions"]


def test_long_lists_are_cut():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed([str(i) for i in range(9)], 2) == "0, 1 and 7 more"


def test_shuffled_rows_are_suspected_and_others_are_not():
    x = space()
    mixed = np.random.default_rng(1).permutation(rotated(x))
    (said,) = shuffled([x], [mixed])
    assert said.startswith("source and target: not related beyond chance (largest z of debiased")
    assert "overlap by 100%; rows may be shuffled, or the ids" in said
    assert shuffled([x], [rotated(x)]) == []
    # Unrelated, but no order of the same rows: one axis has nearly all the variance.
    assert shuffled([x], [space(seed=2) * np.r_[30, np.ones(7)]]) == []
    assert shuffled([x[:29]], [mixed[:29]]) == []
    assert shuffled([x], [np.ones((200, 3))]) == []


def test_of_models_one_related_pair_of_layers_is_enough():
    x, other = space(), space(seed=2)
    mixed = np.random.default_rng(1).permutation(x)
    assert len(shuffled([x, x @ x.T], [mixed, mixed @ mixed.T])) == 1
    assert shuffled([other, x], [mixed, x]) == []


@pytest.mark.parametrize(("p", "suspected"), [(0.0026, 1), (0.0024, 0)])
def test_the_level_is_of_all_pairs_of_layers_together(monkeypatch, p, suspected):
    score = Score(value=0.1, method="debiased_cka", n=200, p=p, z=2.8)
    monkeypatch.setattr("isthmus.measures.doubts.debiased_cka", lambda *a, **b: score)
    assert len(shuffled([space()] * 2, [space()] * 2)) == suspected


def test_related_rows_are_rarely_suspected():
    said = [shuffled([x := space(60, seed=s)], [x + space(60, seed=s + 100)]) for s in range(40)]
    assert sum(map(bool, said)) == 0


def test_doubts_are_told_and_printed_in_80_columns():
    heard = []
    tell(["a", "b"], heard.append)
    tell(["c"], None)
    assert heard == ["a", "b"]
    lines = marked(["word " * 40, "b"])
    assert [line[:2] for line in lines] == ["! ", "  ", "  ", "! "]
    assert max(map(len, lines)) <= 80


def test_overlap_of_spectra():
    x = space(d=3)
    assert _overlap(_spectrum(x), _spectrum(7 * rotated(x) + 1)) == pytest.approx(1)
    assert _spectrum(x) == pytest.approx(
        np.linalg.eigvalsh(np.cov(x.T))[::-1] / x.var(0, ddof=1).sum()
    )
    assert _overlap(np.array([1.0, 0.0]), np.array([0.5, 0.5, 0.0])) == pytest.approx(0.5)
