"""Weights read as words: the largest responses, in order, and what is refused."""

import numpy as np
import pytest
import torch

from isthmus.bridges import read_params
from isthmus.core.errors import InputError


def test_lists_the_largest_responses():
    rng = np.random.default_rng(0)
    vectors, weights = rng.normal(size=(30, 4)), rng.normal(size=(3, 4))
    words = [f"word{i}" for i in range(30)]
    for kind in (np.asarray, torch.asarray):
        found = read_params(kind(weights), kind(vectors), words, top=5)
        for w, one in zip(weights, found, strict=True):
            expected = sorted(((v @ w, name) for v, name in zip(vectors, words, strict=True)))[::-1]
            assert [name for name, _ in one] == [name for _, name in expected[:5]]
            np.testing.assert_allclose([r for _, r in one], [r for r, _ in expected[:5]])
        alone = read_params(kind(weights[0]), kind(vectors), words, top=5)
        assert [name for name, _ in alone[0]] == [name for name, _ in found[0]]


def test_a_words_own_vector_reads_as_that_word():
    vectors = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    assert read_params(vectors[3], vectors, list("abcdef"), top=1)[0][0][0] == "d"


def test_equal_responses_come_in_the_words_order():
    assert [w for w, _ in read_params(np.ones(2), np.ones((3, 2)), list("cab"), top=3)[0]] == [
        "c", "a", "b",
    ]  # fmt: skip


def test_refusals():
    vectors, words = np.eye(3), list("abc")
    for weights, say in ((np.ones(4), "equal widths"), (np.full(3, np.nan), "NaN")):
        with pytest.raises(InputError, match=say):
            read_params(weights, vectors, words, top=2)
    for top in (0, 4):
        with pytest.raises(InputError, match="1 <= top <= 3"):
            read_params(np.ones(3), vectors, words, top=top)
    with pytest.raises(InputError, match="one word a vector"):
        read_params(np.ones(3), vectors, words[:2], top=2)
