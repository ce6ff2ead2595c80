"""Weights carried through a shared vocabulary: a classifier of words moves between word spaces."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.bridges.read_params import read_params
from isthmus.bridges.translate_params import translate_params
from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.words import (
    Tokens,
    mutual_information,
    python_text,
    vocabulary,
    word2vec_like,
)

SLUG = "transformers-in-embedding-space"
PAPER = Paper("Analyzing Transformers in Embedding Space", "Dar et al.", 2023)
CLAIM = (
    "A classifier of words trained in one of two word2vec-like spaces, of texts without a file in "
    "common, and moved to the other through the words both know, keeps at least 90 % of the "
    "accuracy of a classifier trained there, on words neither has seen; moved as it is, without "
    "translation, it is at chance."
)
DIM = 200
LEAST = 20
#: What makes a word numeric: it occurs mostly in files that mention this one.
MARK = "array"

Translate = Callable[..., np.ndarray]


def numeric(text: Tokens, words: Sequence[str]) -> np.ndarray:
    """Whether each word occurs in files that say ``array`` more often than the median word, (n,).

    The share of a word's occurrences that lie in such files, against its median over words.
    """
    place = {word: i for i, word in enumerate(words)}
    inside, total = np.zeros(len(words)), np.zeros(len(words))
    for tokens in text.texts:
        rows = [place[token] for token in tokens if token in place]
        counts = np.bincount(rows, minlength=len(words)) if rows else 0
        total += counts
        if MARK in tokens:
            inside += counts
    share = inside / np.maximum(total, 1)
    above: np.ndarray = share > np.median(share)
    return above


def two_spaces(text: Tokens, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Word vectors (n, 200) of two halves of the text, and the words both know.

    What is factorised does not fix the axes. The SVD picks some, nearly the same in both halves;
    training by samples picks others each time, so either space is turned at random.
    """
    halves = text.halves(seed=seed)
    words = vocabulary(halves, least=LEAST)
    spaces = []
    for half, own in zip(halves, seeds_from(seed, 2), strict=True):
        vectors = word2vec_like(mutual_information(half, words), dim=DIM, seed=own)
        turn = np.linalg.qr(np.random.default_rng(own).standard_normal((DIM, DIM)))[0]
        spaces.append(vectors @ turn)
    return spaces[0], spaces[1], words


def experiment(
    seeds: Sequence[int], *, text: Tokens | None = None,
    spaces: Callable[[Tokens, int], tuple[Any, Any, Any]] = two_spaces,
    translate: Translate = translate_params,
) -> tuple[dict[str, Figure], list[str]]:  # fmt: skip
    """Everything measured, per seed two halves of the text; and the last head's top words."""
    from sklearn.linear_model import LogisticRegression

    text = python_text() if text is None else text
    rows: list[tuple[float, ...]] = []
    n, read = 0, [""]
    for seed in seeds:
        a, b, words = spaces(text, seed)
        labels = numeric(text, words)
        order = np.random.default_rng(seed).permutation(len(words))
        train, test = order[: len(words) * 3 // 4], order[len(words) * 3 // 4 :]
        heads = [LogisticRegression(max_iter=1000).fit(s[train], labels[train]) for s in (a, b)]
        native = heads[1].score(b[test], labels[test])
        weights, offset = heads[0].coef_, heads[0].intercept_

        def right(
            w: np.ndarray, *, b: np.ndarray = b, offset: np.ndarray = offset,
            labels: np.ndarray = labels, test: np.ndarray = test,
        ) -> float:  # fmt: skip
            return float(np.mean(((b[test] @ w.T + offset)[:, 0] > 0) == labels[test]))

        moved = right(translate(weights, a[train], b[train]))
        rows.append(
            (heads[0].score(a[test], labels[test]), native, moved, moved / native, right(weights))
        )
        n = len(test)
        best = read_params(translate(weights, a[train], b[train]), b, words, top=8)
        read = [word for word, _ in best[0]]
    home, native_, moved_, kept, raw = (list(column) for column in zip(*rows, strict=True))
    s = tuple(seeds)
    return {
        "home": over_seeds("accuracy in its own space", home, n=n, seeds=s),
        "native": over_seeds("accuracy of a head trained in the other", native_, n=n, seeds=s),
        "moved": over_seeds("accuracy of the translated head there", moved_, n=n, seeds=s),
        "kept": over_seeds("its share of the native accuracy", kept, n=n, seeds=s, at_least=0.9),
        "raw": over_seeds(
            "accuracy of the head moved as it is", raw, n=n, seeds=s, at_least=0.4, at_most=0.6
        ),
    }, read


def run(*, seed: int = 0) -> Evidence:
    """The claim on six pairs of halves; about a minute."""
    started = perf_counter()
    figures, read = experiment(seeds_from(seed, 6))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Told whether a word keeps to files that mention arrays, a head is right on "
            f"{value['home']:.1%} of new words in its own space, after translation on "
            f"{value['moved']:.1%} in the other, where one trained there reaches "
            f"{value['native']:.1%}; untranslated {value['raw']:.1%}. Read off the other space's "
            f"vocabulary, the translated weights say: {', '.join(read)}."
        ),
    )  # fmt: skip
