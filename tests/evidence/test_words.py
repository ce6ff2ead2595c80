import math

import numpy as np
import pytest

from isthmus.core.neighbors import unit
from isthmus.evidence import words
from isthmus.evidence.words import (
    WINDOW,
    Tokens,
    fasttext_like,
    mutual_information,
    subwords,
    vocabulary,
    word2vec_like,
)


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(0)
    names = np.array(["apple", "pear", "plum", "iron", "zinc", "of"])
    fruit, metal = names[rng.integers(0, 3, (40, 9))], names[rng.integers(3, 6, (40, 9))]
    return Tokens(tuple(tuple(row.tolist()) for row in np.concatenate([fruit, metal])))


def counted(tokens, known):
    """Cooccurrence by the definition, one pair of places at a time."""
    counts = np.zeros((len(known), len(known)))
    for text in tokens.texts:
        for i, word in enumerate(text):
            for j, other in enumerate(text):
                if 0 < abs(i - j) <= WINDOW and word in known and other in known:
                    weight = (WINDOW + 1 - abs(i - j)) / WINDOW
                    counts[known.index(word), known.index(other)] += weight
    return counts


def test_mutual_information_is_its_definition(tokens):
    known = ("apple", "iron", "pear", "plum", "zinc")
    counts = counted(tokens, known)
    expected = np.zeros_like(counts)
    context = counts.sum(axis=0) ** 0.75
    for i in range(len(known)):
        for j in range(len(known)):
            if counts[i, j]:
                given = counts[i, j] / counts[i].sum()
                expected[i, j] = max(0.0, math.log(given / (context[j] / context.sum())))
    found = mutual_information(tokens, known).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found > 0).any()
    # Without the smoothing of contexts the numbers are others, so the check can fail.
    plain = counts / counts.sum(axis=1, keepdims=True) / (counts.sum(axis=0) / counts.sum())
    assert not np.allclose(found, np.maximum(np.log(np.maximum(plain, 1e-300)), 0), atol=1e-3)


def test_files_are_no_context_of_each_other():
    apart = Tokens((("red",) * 2, ("blue",) * 2))
    assert mutual_information(apart, ("blue", "red")).toarray()[0, 1] == 0


def test_spaces_group_words_that_share_contexts(tokens):
    known = vocabulary([tokens], least=5)
    assert known == ("apple", "iron", "pear", "plum", "zinc")
    vectors = unit(word2vec_like(mutual_information(tokens, known), dim=2, seed=0))
    cosines = vectors @ vectors.T
    fruit, metal = [0, 2, 3], [1, 4]
    assert cosines[np.ix_(fruit, fruit)].min() > 0.8 > 0.5 > cosines[np.ix_(fruit, metal)].max()


def test_fasttext_like_is_the_ridge_fit_on_ngrams(tokens):
    known = vocabulary([tokens], least=5)
    information = mutual_information(tokens, known)
    kernel = (subwords(known) @ subwords(known).T).toarray()
    smoothed = kernel @ np.linalg.inv(kernel + 2 * np.eye(len(known))) @ information.toarray()
    found = fasttext_like(information, known, dim=5, seed=0, ridge=2.0)
    left, strength, _ = np.linalg.svd(smoothed)
    np.testing.assert_allclose(found @ found.T, (left * strength) @ left.T, atol=1e-5)
    plain = word2vec_like(information, dim=5, seed=0)
    assert not np.allclose(found @ found.T, plain @ plain.T, atol=1e-2)


def test_subwords_of_one_word():
    grams = subwords(["cat"])
    # <cat> itself, <ca, cat, at>, <cat, cat>: six of equal weight.
    assert grams.nnz == 6
    np.testing.assert_allclose(grams.data, 6**-0.5)


def test_halves_share_no_file():
    text = Tokens(tuple((str(i),) for i in range(101)))
    left, right = text.halves(seed=3)
    assert set(left.texts) | set(right.texts) == set(text.texts)
    assert not set(left.texts) & set(right.texts)
    assert abs(len(left.texts) - len(right.texts)) == 1
    assert text.halves(seed=3)[0] == left
    assert text.halves(seed=4)[0] != left
    assert text.total == left.total + right.total


def test_vocabulary_needs_every_part():
    parts = [Tokens((("one", "two", "two", "ab"),)), Tokens((("two", "two", "one", "ab"),))]
    assert vocabulary(parts, least=1) == ("one", "two")
    assert vocabulary(parts, least=2) == ("two",)


def test_python_text_reads_docstrings_and_comments(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    for name in ("code.py", "tests/more.py"):
        (tmp_path / name).write_text(
            '"""The Docstring."""\n# a comment here\nhidden = 1  # trailing\n', encoding="utf-8"
        )
    (tmp_path / "topics.py").write_text("topics = {'if': 'The clause\\nfollows'}\n")
    monkeypatch.setattr(words, "PACKAGES", ())
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    assert words.python_text().texts == (
        ("the", "docstring", "comment", "here"),
        ("topics", "if", "the", "clause", "follows"),
    )
