"""Similarity for data curation: texts with similar vectors cost a language model alike."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.score import Score
from isthmus.evidence.corpora import docstrings
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.curation_fit import curation_fit

SLUG = "similarity-for-data-curation"
PAPER = Paper(
    "Analyzing Similarity Metrics for Data Selection for Language Model Pretraining",
    "Sam et al.",
    2025,
)
CLAIM = (
    "Clusters of each of five text embeddings cut the variance of an n-gram model's losses within "
    "clusters by at least 10 % against random clusters, and averaged token vectors reach at least "
    "95 % of the best embedding's cut."
)
WIDTH = 64
TOKENS = "averaged token vectors"
_WORD = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]")

#: From texts to vectors (n, d).
Embedding = Callable[[Sequence[str], int], np.ndarray]
Fit = Callable[..., Score]


def words(text: str) -> list[str]:
    """Lower-case words, numbers, and marks one by one."""
    return _WORD.findall(text.lower())


def losses(train: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Nats per token (n,) of ``texts`` under a trigram model of the words of ``train``.

    p = 0.5 p3 + 0.3 p2 + 0.15 p1 + 0.05 / V, relative frequencies of which those of contexts never
    seen count as 0.
    """
    counts = [Counter[tuple[str, ...]]() for _ in range(3)]
    below = [Counter[tuple[str, ...]]() for _ in range(3)]
    for text in train:
        tokens = ["", "", *words(text)]
        for i in range(2, len(tokens)):
            for k in range(3):
                counts[k][tuple(tokens[i - k : i + 1])] += 1
                below[k][tuple(tokens[i - k : i])] += 1
    size = len(counts[0]) + 1
    found = []
    for text in texts:
        tokens = ["", "", *words(text)]
        total = 0.0
        for i in range(2, len(tokens)):
            p = 0.05 / size
            for k, weight in enumerate((0.15, 0.3, 0.5)):
                seen = below[k][tuple(tokens[i - k : i])]
                if seen:
                    p += weight * counts[k][tuple(tokens[i - k : i + 1])] / seen
            total -= float(np.log(p))
        found.append(total / (len(tokens) - 2))
    return np.array(found)


def _reduced(table: object, seed: int) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(WIDTH, random_state=seed).fit_transform(table))


def lsa(texts: Sequence[str], seed: int) -> np.ndarray:
    """Singular vectors of tf-idf over words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return _reduced(TfidfVectorizer(analyzer=words, min_df=2).fit_transform(texts), seed)


def characters(texts: Sequence[str], seed: int) -> np.ndarray:
    """Singular vectors of tf-idf over runs of 2 to 4 characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=5, max_features=20000)
    return _reduced(table.fit_transform(texts), seed)


def tokens(texts: Sequence[str], seed: int) -> np.ndarray:
    """The mean of each text's word vectors: singular vectors of words' mutual information.

    Positive pointwise mutual information of words up to two places apart.
    """
    from scipy.sparse import coo_array
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(analyzer=words, min_df=2)
    table = counter.fit_transform(texts)
    number = counter.vocabulary_
    together: Counter[tuple[int, int]] = Counter()
    for text in texts:
        known = [number[w] for w in words(text) if w in number]
        together.update(pairwise(known))
        together.update(zip(known, known[2:], strict=False))
    ends = np.array(list(together)).T
    times = np.array(list(together.values()), dtype=np.float64)
    m = len(number)
    joint = coo_array((times, ends), shape=(m, m)).tocsr()
    joint = (joint + joint.T).tocoo()
    sums = np.asarray(joint.sum(axis=1)).ravel()
    one, two = joint.coords
    information = np.log(joint.data * sums.sum() / (sums[one] * sums[two]))
    kept = information > 0
    vectors = _reduced(
        coo_array((information[kept], (one[kept], two[kept])), shape=(m, m)).tocsr(), seed
    )
    length = np.asarray(table.sum(axis=1)).reshape(-1, 1)
    return np.asarray(table @ vectors) / np.maximum(length, 1)


def topics(texts: Sequence[str], seed: int) -> np.ndarray:
    """Weights of non-negative factors of tf-idf over words."""
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = TfidfVectorizer(analyzer=words, min_df=2).fit_transform(texts)
    with warnings.catch_warnings():
        # Fifty sweeps are the design here, not a failure to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(
            NMF(20, init="nndsvda", max_iter=50, random_state=seed).fit_transform(table)
        )


def projected(texts: Sequence[str], seed: int) -> np.ndarray:
    """A random projection of tf-idf over words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = TfidfVectorizer(analyzer=words, min_df=2).fit_transform(texts)
    weights = np.random.default_rng(seed).normal(size=(table.shape[1], WIDTH))
    return np.asarray(table @ weights)


EMBEDDINGS: dict[str, Embedding] = {
    TOKENS: tokens,
    "LSA of words": lsa,
    "LSA of characters": characters,
    "topics": topics,
    "random projection": projected,
}


def measured(
    seeds: Sequence[int],
    texts: Sequence[str],
    *,
    embeddings: dict[str, Embedding] | None = None,
    fit: Fit = curation_fit,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut in variance and correlation over pairs, (seeds, embeddings) each.

    One half of the texts teaches the model, the other is judged; embeddings see no loss.
    """
    chosen = EMBEDDINGS if embeddings is None else embeddings
    cuts, pairs = [], []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(texts))
        taught, asked = np.array_split(order, 2)
        judged = [texts[i] for i in asked]
        loss = losses([texts[i] for i in taught], judged)
        scores = []
        for embed in chosen.values():
            vectors = embed(judged, seed % 2**31)
            kept = vectors.any(axis=1)  # a text of words that no other has
            scores.append(fit(vectors[kept], loss[kept], rng=seed))
        cuts.append([score.value for score in scores])
        pairs.append([score.parts["correlation"] for score in scores])
    return np.array(cuts), np.array(pairs)


def figures_of(
    cuts: np.ndarray, pairs: np.ndarray, names: Sequence[str], seeds: Sequence[int], *, n: int
) -> dict[str, Figure]:
    """The cut of every embedding, and that of token vectors over the best."""
    figures = {}
    for i, name in enumerate(names):
        figures[f"{name} cut"] = over_seeds(
            f"cut of the losses' variance by clusters, {name}", list(cuts[:, i]), n=n, seeds=seeds,
            at_least=0.1,
        )  # fmt: skip
        figures[f"{name} pairs"] = over_seeds(
            f"correlation of distance and difference in loss over pairs, {name}",
            list(pairs[:, i]), n=n, seeds=seeds,
        )  # fmt: skip
    best = int(cuts.mean(axis=0).argmax())
    mine = cuts[:, list(names).index(TOKENS)]
    figures["tokens to best"] = over_seeds(
        f"cut of {TOKENS} over that of the best", list(mine / cuts[:, best]), n=n, seeds=seeds,
        at_least=0.95,
    )  # fmt: skip
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on five splits of Python's docstrings; up to two minutes."""
    started = perf_counter()
    seeds = seeds_from(seed, 5)
    texts = docstrings().documents
    cuts, pairs = measured(seeds, texts)
    names = list(EMBEDDINGS)
    figures = figures_of(cuts, pairs, names, seeds, n=len(texts) // 2)
    best = names[int(cuts.mean(axis=0).argmax())]
    table = [["embedding", "cut in variance", "correlation over pairs"]]
    table += [
        [name, f"{cuts[:, i].mean():.3f}", f"{pairs[:, i].mean():.3f}"]
        for i, name in sorted(enumerate(names), key=lambda item: -cuts[:, item[0]].mean())
    ]
    enough = [name for name in names if figures[f"{name} cut"].met]
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures, table=table,
        what_holds=(
            f"On {len(texts) // 2} docstrings under a trigram model of as many others: the cut is "
            f"at least 10 % with {', '.join(enough) or 'no embedding'}; the best is {best} with "
            f"{cuts.mean(axis=0).max():.0%}, and {TOKENS} reach "
            f"{figures['tokens to best'].value:.0%} of it."
        ),
    )  # fmt: skip
