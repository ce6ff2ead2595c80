"""Topic bridge: planted topics, parity with scikit-learn after loading, and what it refuses."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from isthmus.bridges import TopicBridge, file
from isthmus.bridges.topic_bridge import _softmax_regression
from isthmus.core.errors import FormatError, InputError


@pytest.fixture(scope="module")
def corpus():
    """Vectors about one of three themes, texts from its words and some of all, the themes."""
    rng = np.random.default_rng(0)
    themes = rng.integers(3, size=150)
    words = np.array([[f"{t}word{k}" for k in range(8)] for t in "abc"])
    texts = [
        " ".join([*rng.choice(words[t], 12), *rng.choice(words.ravel(), 3), "the"]) for t in themes
    ]
    x = np.eye(3)[themes] @ rng.normal(size=(3, 5)) + 0.1 * rng.normal(size=(150, 5))
    return x, texts, themes


@pytest.fixture(scope="module")
def fitted(corpus):
    return TopicBridge(topics=3, passes=10).fit(*corpus[:2])


def test_both_sides_land_on_one_simplex(corpus, fitted):
    x, texts, themes = corpus
    for side in (fitted.transform(x), fitted.encode_texts(texts)):
        assert (side >= 0).all()
        np.testing.assert_allclose(side.sum(axis=1), 1, atol=1e-12)
    seen, read = fitted.transform(x).argmax(axis=1), fitted.encode_texts(texts).argmax(axis=1)
    assert np.mean(seen == read) > 0.95
    # Every topic is one theme.
    assert len({(a, b) for a, b in zip(themes[seen == read], read[seen == read], strict=True)}) == 3


def test_texts_of_other_vectors_teach_nothing(corpus):
    x, texts, _ = corpus
    wrong = TopicBridge(topics=3, passes=10).fit(x, texts[::-1])
    assert np.mean(wrong.transform(x).argmax(1) == wrong.encode_texts(texts).argmax(1)) < 0.6


def test_topics_are_those_of_scikit_learn(corpus, fitted):
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    texts = corpus[1]
    counts = CountVectorizer(min_df=2).fit_transform(texts)
    seed = int(np.random.default_rng(0).integers(2**31))
    model = LatentDirichletAllocation(3, max_iter=10, random_state=seed).fit(counts)
    np.testing.assert_allclose(fitted.encode_texts(texts), model.transform(counts), atol=1e-10)


def test_regression_on_hard_shares_is_logistic_regression():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 3)), rng.integers(3, size=80)
    w, b = _softmax_regression(x, np.eye(3)[y], 0.05)
    peer = LogisticRegression(C=1 / (0.05 * 80), tol=1e-10, max_iter=2000).fit(x, y)
    np.testing.assert_allclose(w - w.mean(axis=1, keepdims=True), peer.coef_.T, atol=2e-3)
    np.testing.assert_allclose(b - b.mean(), peer.intercept_ - peer.intercept_.mean(), atol=2e-3)


def test_files_keep_the_words(corpus, fitted, tmp_path):
    x, texts, _ = corpus
    again = TopicBridge.load(fitted.save(tmp_path / "topics.isthmus"))
    assert again.words() == fitted.words()
    assert "the" in again.words()
    np.testing.assert_array_equal(again.encode_texts(texts[:5]), fitted.encode_texts(texts[:5]))
    np.testing.assert_array_equal(again.transform(x), fitted.transform(x))
    said, arrays = file.read(tmp_path / "topics.isthmus")
    file.write(tmp_path / "bad", said, arrays | {"vocabulary_": arrays["vocabulary_"][:-10]})
    with pytest.raises(FormatError, match="Fit it anew"):
        TopicBridge.load(tmp_path / "bad")


def test_torch_stays_torch(corpus, fitted):
    x = corpus[0]
    narrow = fitted.transform(torch.asarray(x, dtype=torch.float32))
    assert narrow.dtype == torch.float32
    np.testing.assert_allclose(narrow.numpy(), fitted.transform(x), atol=1e-5)


def test_unknown_words_say_nothing(fitted):
    np.testing.assert_allclose(fitted.encode_texts(["nothing known here"]), 1 / 3, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "x", "texts", "says"),
    [
        ({}, np.eye(3), ["a b"] * 2, "3 vectors, 2 texts"),
        ({"topics": 1}, np.eye(3), ["aa bb"] * 3, "2 topics"),
        ({}, np.eye(3), ["one", "two", "three"], "no word in common"),
        ({}, np.eye(3), "abc", "a sequence of strings"),
        ({}, np.eye(3), [1, 2, 3], "a sequence of strings"),
        ({}, np.full((3, 3), np.nan), ["aa bb"] * 3, "NaN"),
    ],
)
def test_refusals(params, x, texts, says):
    with pytest.raises(InputError, match=says):
        TopicBridge(**params).fit(x, texts)
