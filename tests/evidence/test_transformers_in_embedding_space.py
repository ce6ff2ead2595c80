import numpy as np
import pytest

from isthmus.evidence import transformers_in_embedding_space as evidence
from isthmus.evidence.words import Tokens

SEEDS = (1, 2, 3)
NAMES = tuple(f"word{i:03d}" for i in range(400))


@pytest.fixture(scope="module")
def text():
    """Files that mention arrays and use the later words, and others that use the earlier ones."""
    rng = np.random.default_rng(0)
    texts = []
    for file in range(40):
        low = 0 if file % 2 else 200
        words = [NAMES[i] for i in low + rng.integers(0, 200, 300)]
        texts.append(tuple(words + (["array"] if file % 2 == 0 else [])))
    return Tokens(tuple(texts))


def related(text, seed, noise=0.3):
    """Two spaces of the words whose first axis is their kind, turned apart."""
    rng = np.random.default_rng(seed)
    kind = np.repeat([-1.0, 1.0], 200)
    hidden = np.c_[kind, rng.normal(size=(400, 11))]
    spaces = [
        (hidden + noise * rng.normal(size=hidden.shape))
        @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
        for _ in range(2)
    ]
    return spaces[0], spaces[1], NAMES


def test_numeric_words_keep_to_files_that_mention_arrays(text):
    assert evidence.numeric(text, NAMES).tolist() == [False] * 200 + [True] * 200


def test_a_translated_head_keeps_its_accuracy_and_reads_as_such_words(text):
    figures, read = evidence.experiment(SEEDS, text=text, spaces=related)
    assert figures["kept"].met
    assert figures["native"].value > 0.9
    assert all(int(word[4:]) >= 200 for word in read)
    assert figures["raw"].value < figures["moved"].value - 0.2


def test_a_wrong_vocabulary_fails(text):
    def shuffled(weights, a, b):
        return evidence.translate_params(weights, a, b[::-1])

    figures, _ = evidence.experiment(SEEDS, text=text, spaces=related, translate=shuffled)
    assert not figures["kept"].met


def test_unrelated_spaces_fail(text):
    def unrelated(text, seed):
        a, b, names = related(text, seed)
        return a, b[np.random.default_rng(seed).permutation(400)], names

    figures, _ = evidence.experiment(SEEDS, text=text, spaces=unrelated)
    assert figures["moved"].value < 0.65


def test_spaces_are_of_both_halves_and_turned_apart(text, monkeypatch):
    monkeypatch.setattr(evidence, "DIM", 5)
    monkeypatch.setattr(evidence, "LEAST", 5)
    a, b, words = evidence.two_spaces(text, 0)
    assert a.shape == b.shape == (len(words), 5)
    again = evidence.two_spaces(text, 0)[0]
    np.testing.assert_array_equal(a, again)
    cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert abs(cosines.mean()) < 0.9
