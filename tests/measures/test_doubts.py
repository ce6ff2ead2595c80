"""Doubts about rows: told where they hold, named, and not told where they do not."""

import numpy as np
import pytest

from isthmus.measures.doubts import _overlap, doubts, listed, shuffled


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
    (said,) = shuffled(x, mixed)
    assert "overlap by 100%" in said
    assert "may be shuffled" in said
    assert shuffled(x, rotated(x)) == []
    # Unrelated, but no order of the same rows: one axis has nearly all the variance.
    assert shuffled(x, space(seed=2) * np.r_[30, np.ones(7)]) == []
    assert shuffled(x[:29], mixed[:29]) == []
    assert shuffled(x, np.ones((200, 3))) == []


def test_related_rows_are_rarely_suspected():
    said = [shuffled(x := space(60, seed=s), x + space(60, seed=s + 100)) for s in range(40)]
    assert sum(map(bool, said)) == 0


def test_overlap_of_spectra():
    turn = rotated(np.eye(2))
    assert _overlap(np.diag([3.0, 1.0]), turn.T @ np.diag([4.0, 12.0]) @ turn) == pytest.approx(1)
    assert _overlap(np.diag([1.0, 3.0]), np.diag([30.0, 10.0, 0.0])) == pytest.approx(1)
    assert _overlap(np.diag([1.0, 0.0]), np.diag([1.0, 1.0])) == pytest.approx(0.5)
