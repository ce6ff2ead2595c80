import numpy as np
import pytest

from isthmus.evidence import sentence_content_probe as probe
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(11, 2)


def corpus(n=48, seed=0):
    """Paragraphs of four sentences, each of a topic's words, with names of no other sentence."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghij"))
    words = ["w" + "".join(letters[[k // 100, k // 10 % 10, k % 10]]) for k in range(400)]
    texts = []
    for _ in range(n):
        topic = rng.choice(400, size=12, replace=False)
        texts.append(". ".join(" ".join(words[k] for k in rng.choice(topic, 5)) for _ in range(4)))
    return probe.passages(texts)


def means(texts, seed):
    """A random vector a word, averaged: the idea of the claim without its training."""
    table = {}
    rng = np.random.default_rng(0)
    for word in sorted({word for text in texts for word in text}):
        table[word] = rng.normal(size=40)
    return np.array([np.mean([table[word] for word in text], axis=0) for text in texts])


def blind(texts, seed):
    return np.random.default_rng(seed).normal(size=(len(texts), 10))


def test_documents_become_sentences_that_occur_once():
    found = probe.passages(["One two three. Four five six! Ab. Seven eight nine? One two three.",
                            "One two three. Ten eleven twelve.", "a b c"])  # fmt: skip
    assert found.texts == (
        (("one", "two", "three"), ("four", "five", "six"), ("seven", "eight", "nine")),
    )
    assert found.of.tolist() == [0, 0, 0]
    assert found.whole[0][:4] == ("one", "two", "three", "four")
    assert len(found.sentences) == 3


def test_means_meet_the_claim_and_codes_that_know_nothing_do_not():
    good = probe.experiment(SEEDS, corpus(), encoders={"average": means, "recurrent": blind})
    assert good["average"].value > 0.8
    assert good["lead"].value > 0.1
    bad = probe.experiment(SEEDS, corpus(), encoders={"average": blind, "recurrent": means})
    assert not bad["average"].met
    assert not bad["lead"].met


def test_average_puts_texts_of_the_same_words_together():
    texts = corpus().whole
    found = probe.average([*texts, *(text[::-1] for text in texts)], 0)
    assert found.shape == (2 * len(texts), probe.WIDTH)
    assert found[: len(texts)] == pytest.approx(found[len(texts) :], abs=1e-9)
    # Rare words count for more than common ones: a text's vector is not its plain mean.
    assert np.linalg.norm(found, axis=1).min() > 0


def test_the_recurrent_code_reads_order_and_its_seed(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(probe, "WIDTH", 8)
    texts = corpus(12).sentences
    one, two, other = (probe.recurrent(texts, seed, epochs=1) for seed in (1, 1, 2))
    assert one.shape == (len(texts), 8)
    assert (one == two).all()
    assert np.abs(one - other).max() > 1e-3
    turned = probe.recurrent([texts[0], texts[0][::-1]], 1, epochs=0)
    assert np.abs(turned[0] - turned[1]).max() > 1e-3
