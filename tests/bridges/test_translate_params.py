"""Weights carried through a vocabulary: exact on linear relations, least squares else."""

import numpy as np
import pytest
import torch

from isthmus.bridges import translate_params
from isthmus.core.errors import InputError, PairingError


@pytest.fixture
def vocabularies():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(80, 5))
    return a, a @ rng.normal(size=(5, 7)), rng.normal(size=(3, 5))


def test_responses_are_kept_where_spaces_are_linearly_related(vocabularies):
    a, b, w = vocabularies
    moved = translate_params(w, a, b)
    assert moved.shape == (3, 7)
    np.testing.assert_allclose(b @ moved.T, a @ w.T, atol=1e-9)
    np.testing.assert_allclose(translate_params(w[0], a, b), moved[0])


def test_it_is_the_papers_product_with_a_pseudo_inverse(vocabularies):
    a, b, w = vocabularies
    b = b + np.random.default_rng(1).normal(size=b.shape)
    expected = w @ a.T @ np.linalg.pinv(b.T)
    np.testing.assert_allclose(translate_params(w, a, b), expected, atol=1e-10)
    tensors = (torch.asarray(side) for side in (w, a, b))
    np.testing.assert_allclose(translate_params(*tensors).numpy(), expected, atol=1e-10)
    narrow = translate_params(*(side.astype(np.float32) for side in (w, a, b)))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=1e-4)


def test_shared_words_alone_count_in_whatever_order(vocabularies):
    a, b, w = vocabularies
    names = [f"word{i}" for i in range(80)]
    order = np.random.default_rng(2).permutation(80)
    other = [names[i] if i < 60 else f"strange{i}" for i in order]
    found = translate_params(w, a, b[order], words=(names, other))
    np.testing.assert_allclose(found, translate_params(w, a[:60], b[:60]), atol=1e-10)


def test_fewer_words_than_dims_give_the_shortest_weights(vocabularies):
    a, b, w = vocabularies
    few = translate_params(w, a[:4], b[:4])
    np.testing.assert_allclose(b[:4] @ few.T, a[:4] @ w.T, atol=1e-9)
    np.testing.assert_allclose(few, few @ np.linalg.pinv(b[:4]) @ b[:4], atol=1e-9)


def test_columns_given_twice_share_their_weight(vocabularies):
    a, _, w = vocabularies
    twice = np.c_[a, a[:, :1]].astype(np.float32)
    moved = translate_params(w, a, twice)
    np.testing.assert_allclose(moved[:, 0], w[:, 0] / 2, atol=1e-4)
    np.testing.assert_allclose(moved[:, 0], moved[:, 5], atol=1e-4)


def test_a_wrong_vocabulary_is_seen_in_the_responses(vocabularies):
    a, b, w = vocabularies
    wrong = translate_params(w, a, b[::-1])
    assert np.corrcoef((b @ wrong.T).ravel(), (a @ w.T).ravel())[0, 1] < 0.5


def test_refusals(vocabularies):
    a, b, w = vocabularies
    names = [f"word{i}" for i in range(80)]
    with pytest.raises(PairingError, match="without a word in common"):
        translate_params(w, a, b, words=(names, [n.upper() for n in names]))
    with pytest.raises(PairingError, match="Say which words"):
        translate_params(w, a, b[:70])
    with pytest.raises(InputError, match="79 of them different"):
        translate_params(w, a, b, words=(names, [*names[:79], names[0]]))
    with pytest.raises(InputError, match="one word a vector"):
        translate_params(w, a, b, words=(names, names[:70]))
    with pytest.raises(InputError, match="equal widths"):
        translate_params(w[:, :4], a, b)
    with pytest.raises(InputError, match="NaN"):
        translate_params(w, a, np.full((80, 2), np.nan))
