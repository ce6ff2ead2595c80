"""Text-graph bridge: shared words at first, learnt words after, search, scores, refusals."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from isthmus.bridges import TextGraphBridge
from isthmus.bridges.text_graph_bridge import _counted, _weighted, linearised
from isthmus.core.errors import FormatError, InputError

WORDS = ("cat feline purrs", "dog canine barks", "cow bovine moos", "pig porcine oinks")


@pytest.fixture(scope="module")
def pairs():
    """Triples say name and kind; texts never name either but tell the sound."""
    rng = np.random.default_rng(0)
    which = rng.integers(4, size=120)
    graphs, texts = [], []
    for w in which:
        name, kind, sound = WORDS[w].split()
        extra = f"thing{rng.integers(30)}"
        graphs.append([(name, "is a", kind), (name, "lives with", extra)])
        texts.append(f"an animal that {sound} beside {extra}")
    return graphs, texts, which


@pytest.fixture(scope="module")
def fitted(pairs):
    return TextGraphBridge(dim=24, features=2048, steps=60, batch=40, rate=2e-2).fit(*pairs[:2])


def test_untrained_cosine_is_that_of_tf_idf(pairs):
    graphs, texts, _ = pairs
    plain = TextGraphBridge(dim=1024, features=8192, steps=0).fit(graphs, texts)
    written = [linearised(g) for g in graphs]
    peer = TfidfVectorizer(token_pattern=r"[^\W_]+", binary=True).fit(written + texts)
    expected = (peer.transform(written) @ peer.transform(texts).T).toarray()
    found = plain.encode_graphs(graphs) @ plain.encode_texts(texts).T
    # But for two words in one place now and then, and the noise of 1,024 random directions.
    assert np.quantile(np.abs(found - expected), 0.95) < 0.1
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.8


def test_words_that_go_together_are_learnt(pairs, fitted):
    told = [[(n, "is a", k)] for n, k, _ in map(str.split, WORDS)]
    sounds = [f"it {word.split()[2]}" for word in WORDS]
    assert fitted.search(told, sounds, 1).ravel().tolist() == [0, 1, 2, 3]
    assert fitted.search(sounds, told, 1).ravel().tolist() == [0, 1, 2, 3]
    never = TextGraphBridge(dim=24, features=2048, steps=0).fit(*pairs[:2])
    assert never.search(told, sounds, 1).ravel().tolist() != [0, 1, 2, 3]


def test_scores_fall_when_a_triple_is_swapped(pairs, fitted):
    graphs, texts, which = pairs
    other = [graphs[int(np.flatnonzero(which != w)[0])][0] for w in which]
    falls = [
        fitted.score(g, t) > fitted.score([o, g[1]], t)
        for g, t, o in zip(graphs, texts, other, strict=True)
    ]
    assert np.mean(falls) > 0.9


def test_order_of_triples_and_underscores_do_not_matter(pairs, fitted):
    graph, text = pairs[0][0], pairs[1][0]
    assert fitted.score(graph[::-1], text) == pytest.approx(fitted.score(graph, text))
    joined = [(s, r.replace(" ", "_"), o) for s, r, o in graph]
    assert fitted.score(joined, text) == pytest.approx(fitted.score(graph, text))


def test_weights_are_tf_idf_at_length_one():
    counts = _counted(["red cat", "red dog", "red red"], 64)
    weighted = _weighted(counts, np.arange(1.0, 65.0))
    np.testing.assert_allclose(np.sqrt(weighted.multiply(weighted).sum(axis=1)), 1, atol=1e-6)
    assert counts.max() == 1  # a word counts once


def test_reproducible_and_unknown_words_are_zero(pairs, fitted):
    again = TextGraphBridge(dim=24, features=2048, steps=60, batch=40, rate=2e-2).fit(*pairs[:2])
    np.testing.assert_array_equal(again.text_head_, fitted.text_head_)
    assert not fitted.encode_texts(["!!!"]).any()
    assert fitted.score(pairs[0][0], "...") == 0


def test_what_is_saved_comes_back_to_the_last_bit(pairs, fitted, tmp_path):
    path = fitted.save(tmp_path / "texts")
    again = TextGraphBridge.load(path)
    np.testing.assert_array_equal(again.encode_graphs(pairs[0]), fitted.encode_graphs(pairs[0]))
    np.testing.assert_array_equal(again.encode_texts(pairs[1]), fitted.encode_texts(pairs[1]))
    good = path.read_bytes()
    path.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    with pytest.raises(FormatError, match="checksum"):
        TextGraphBridge.load(path)
    again.text_head_ = again.text_head_[:-1]
    with pytest.raises(FormatError, match=r"text_head_ of shape \(2047, 24\)"):
        TextGraphBridge.load(again.save(path))


@pytest.mark.parametrize(
    ("graphs", "texts", "says"),
    [
        ([[("a", "b", "c")]] * 2, ["x"], "2 sets of triples and 1 texts"),
        ([[("a", "b", "c")]], ["x"], "at least 2"),
        ([[], [("a", "b", "c")]], ["x", "y"], "at least one"),
        ([[("a", "b")]] * 2, ["x", "y"], "subject, relation, object"),
        ([["abc"]] * 2, ["x", "y"], "subject, relation, object"),
        ([[("a", "b", "c")]] * 2, "xy", "a sequence of strings"),
        ([[("a", "b", "c")]] * 2, ["x", 1], "a sequence of strings"),
    ],
)
def test_refusals(graphs, texts, says):
    with pytest.raises(InputError, match=says):
        TextGraphBridge(features=64, steps=0).fit(graphs, texts)
