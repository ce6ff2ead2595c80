import numpy as np
import pytest

from isthmus.evidence import similarity_for_data_curation as evidence

TRAIN = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"] * 3


def naive(train, text):
    pad = [["", "", *evidence.words(t)] for t in train]
    words = ["", "", *evidence.words(text)]
    size = len({w for t in train for w in evidence.words(t)}) + 1
    total = 0.0
    for i in range(2, len(words)):
        p = 0.05 / size
        for k, weight in ((0, 0.15), (1, 0.3), (2, 0.5)):
            gram, ctx = words[i - k : i + 1], words[i - k : i]
            places = [(t, j) for t in pad for j in range(2, len(t)) if t[j - k : j] == ctx]
            if places:
                p += weight * np.mean([t[j - k : j + 1] == gram for t, j in places])
        total -= np.log(p)
    return total / (len(words) - 2)


def test_losses_are_those_of_the_trigram_model():
    texts = ["the cat sat on the log", "zebra", "a dog and the zebra"]
    found = evidence.losses(TRAIN, texts)
    np.testing.assert_allclose(found, [naive(TRAIN, text) for text in texts], atol=1e-12)
    assert found[0] < found[2] < found[1]


def corpus(n=240):
    """Half plain and half odd texts of two topics, one easy for the model, one not."""
    rng = np.random.default_rng(0)
    easy, hard = (
        ["return", "the", "value", "of", "the", "given", "key"],
        [f"w{c}x" for c in "abcdefghijklmnopqrst"],
    )
    return [
        " ".join(easy if i % 2 else rng.choice(hard, 12))
        + f" {rng.choice(['one', 'two', 'three'])}"
        for i in range(n)
    ]


@pytest.mark.parametrize("name", [n for n in evidence.EMBEDDINGS if n != "topics"])
def test_embeddings_find_the_topics_that_losses_differ_by(name, monkeypatch):
    monkeypatch.setattr(evidence, "WIDTH", 4)
    monkeypatch.setitem(evidence.EMBEDDINGS, name, evidence.EMBEDDINGS[name])
    cuts, pairs = evidence.measured((1,), corpus(), embeddings={name: evidence.EMBEDDINGS[name]})
    assert cuts[0, 0] > 0.3
    assert pairs[0, 0] > 0.1


def test_topics_are_weights_of_texts():
    found = evidence.topics(corpus(60), 0)
    assert found.shape == (60, 20)
    assert (found >= 0).all()


def test_vectors_that_know_nothing_fail_the_claim():
    def nothing(texts, seed):
        return np.random.default_rng(seed).normal(size=(len(texts), 4))

    cuts, pairs = evidence.measured((1, 2), corpus(), embeddings={evidence.TOKENS: nothing})
    figures = evidence.figures_of(cuts, pairs, [evidence.TOKENS], (1, 2), n=120)
    assert not figures[f"{evidence.TOKENS} cut"].met


def test_token_vectors_are_held_against_the_best():
    cuts = np.array([[0.2, 0.3], [0.21, 0.3], [0.2, 0.31]])
    figures = evidence.figures_of(cuts, 0 * cuts, [evidence.TOKENS, "other"], (1, 2, 3), n=9)
    assert figures["other cut"].met
    assert not figures["tokens to best"].met
    assert figures["tokens to best"].value == pytest.approx(0.67, abs=0.02)
