"""ImageNet-CoG: probes of an encoder do worse on concepts further from those it was fitted on."""

import re
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.wordnet import Nouns, nouns
from isthmus.measures.cog_levels import cog_levels, probe_levels

SLUG = "imagenet-cog"
PAPER = Paper("Concept Generalization in Visual Representation Learning", "Sariyildiz et al.", 2021)
CLAIM = (
    "On WordNet's glosses encoders fitted on seen concepts have a linear-probe accuracy that falls "
    "over five levels of growing semantic distance (Spearman -0.9 or less), and the ranking of "
    "encoders differs between the nearest and the farthest level."
)
LEVELS = 5
SEEN, UNSEEN = 100, 300  # concepts, of about 550 there are
GLOSSES = 20  # a concept
SIZES = (30, 150)  # kinds that a concept may have
WIDTH = 64

#: Fitted on texts and labels of seen concepts: a function from texts to vectors.
Encoder = Callable[[Sequence[str], np.ndarray, int], Callable[[Sequence[str]], np.ndarray]]


def _features(texts: Sequence[str], *, analyzer: str, spread: tuple[int, int]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=analyzer, ngram_range=spread, min_df=2, sublinear_tf=True).fit(
        texts
    )


def _reduced(analyzer: str, spread: tuple[int, int]) -> Encoder:
    def fit(
        texts: Sequence[str], labels: np.ndarray, seed: int
    ) -> Callable[[Sequence[str]], np.ndarray]:
        from sklearn.decomposition import TruncatedSVD

        features = _features(texts, analyzer=analyzer, spread=spread)
        svd = TruncatedSVD(WIDTH, random_state=seed).fit(features.transform(texts))
        return lambda more: np.asarray(svd.transform(features.transform(more)))

    return fit


def supervised(
    texts: Sequence[str], labels: np.ndarray, seed: int
) -> Callable[[Sequence[str]], np.ndarray]:
    """Scores of a ridge classifier of the seen concepts: what a trained network's last layer is."""
    from sklearn.linear_model import RidgeClassifier

    features = _features(texts, analyzer="word", spread=(1, 1))
    model = RidgeClassifier(alpha=1.0).fit(features.transform(texts), labels)
    return lambda more: np.asarray(model.decision_function(features.transform(more)))


def random(
    texts: Sequence[str], labels: np.ndarray, seed: int
) -> Callable[[Sequence[str]], np.ndarray]:
    """Random projection of the words of seen glosses."""
    features = _features(texts, analyzer="word", spread=(1, 1))
    map_ = np.random.default_rng(seed).normal(size=(len(features.vocabulary_), WIDTH))
    return lambda more: np.asarray(features.transform(more) @ map_)


ENCODERS: Mapping[str, Encoder] = {
    "words": _reduced("word", (1, 1)),
    "letters": _reduced("char_wb", (3, 5)),
    "supervised": supervised,
    "random": random,
}


def concepts(words: Nouns, rng: np.random.Generator, *, count: int) -> dict[int, np.ndarray]:
    """Up to ``count`` synsets of ``SIZES`` kinds that share none, each with its kinds' rows."""
    children: dict[int, list[int]] = {}
    for child, above in enumerate(words.parents):
        for parent in above:
            children.setdefault(parent, []).append(child)
    found: dict[int, np.ndarray] = {}
    taken: set[int] = set()
    for row in rng.permutation(sorted(children)):
        below, seen = [int(row)], {int(row)}
        for one in below:  # grows as it is walked
            fresh = [child for child in children.get(one, []) if child not in seen]
            seen.update(fresh)
            below += fresh
            if len(below) > SIZES[1]:
                break
        if SIZES[0] < len(below) <= SIZES[1] and not seen & taken:
            taken |= seen
            found[int(row)] = np.array(below[1:])
            if len(found) == count:
                break
    return found


def gloss(words: Nouns, row: int) -> str:
    """What a synset means, without examples of its use."""
    return re.sub(r'"[^"]*"', "", words.glosses[row])


def experiment(
    seeds: Sequence[int], words: Nouns, *, encoders: Mapping[str, Encoder] = ENCODERS,
    seen: int = SEEN, unseen: int = UNSEEN,
) -> dict[str, Figure]:  # fmt: skip
    """Accuracy of every encoder at every level, on concepts drawn anew for every seed."""
    taxonomy: dict[Any, Any] = dict(enumerate(words.parents))
    counts: dict[Any, float] = {
        row: float(count) for row, count in enumerate(words.counts) if count
    }
    curves, informed = np.empty((2, len(seeds), len(encoders), LEVELS))
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        known = concepts(words, rng, count=seen + unseen)
        inside, outside = list(known)[:seen], list(known)[seen:]
        level = cog_levels(inside, outside, taxonomy, counts=counts, levels=LEVELS).parts["level"]
        drawn = {one: rng.permutation(known[one])[:GLOSSES] for one in (*inside, *outside)}
        texts = [gloss(words, row) for one in inside for row in drawn[one]]
        labels = np.repeat(np.arange(len(inside)), GLOSSES)
        asked = [gloss(words, row) for one in outside for row in drawn[one]]
        names = np.repeat(np.arange(len(outside)), GLOSSES)
        for j, encoder in enumerate(encoders.values()):
            vectors = encoder(texts, labels, int(seed) % 2**31)(asked)
            scores = probe_levels(vectors, names, np.repeat(level, GLOSSES), rng=0)
            curves[i, j] = [float(score) for score in scores]
            # Levels differ in difficulty too: the same encoder, had it seen what it is asked.
            vectors = encoder(asked, names, int(seed) % 2**31)(asked)
            scores = probe_levels(vectors, names, np.repeat(level, GLOSSES), rng=0)
            informed[i, j] = [float(score) for score in scores]
    return _figures(seeds, curves, informed, tuple(encoders), unseen)


def _figures(
    seeds: Sequence[int],
    curves: np.ndarray,
    informed: np.ndarray,
    names: tuple[str, ...],
    unseen: int,
) -> dict[str, Figure]:
    n = unseen * GLOSSES // LEVELS
    figures = {}

    def add(key: str, what: str, values: Any, **bounds: float) -> None:
        figures[key] = over_seeds(what, list(values), n=n, seeds=seeds, **bounds)

    mean = curves.mean(axis=1)
    falls = [_rise(curve) for curve in mean]
    add("spearman", "Spearman of level and mean accuracy of the encoders", falls, at_most=-0.9)
    crossed = [
        float(len(names) > 1 and np.any(np.argsort(curve[:, 0]) != np.argsort(curve[:, -1])))
        for curve in curves
    ]
    add("crossed", "encoder ranking differs, nearest against farthest", crossed, at_least=0.5)
    short = (informed - curves).mean(axis=1)
    slopes = [_rise(curve) for curve in short]
    add("short_spearman", "Spearman of level and what not having seen it costs", slopes)
    add("short_nearest", "accuracy lost by not having seen the nearest level", short[:, 0])
    add("short_farthest", "accuracy lost by not having seen the farthest level", short[:, -1])
    add("short_growth", "that loss, farthest less nearest", short[:, -1] - short[:, 0])
    add("drop", "accuracy at the nearest level less that at the farthest", mean[:, 0] - mean[:, -1])
    for level in range(LEVELS):
        add(f"level_{level + 1}", f"mean accuracy at level {level + 1}", mean[:, level])
    for j, name in enumerate(names):
        own = [_rise(curve[j]) for curve in curves]
        add(f"{name}_spearman", f"Spearman of level and accuracy of {name}", own)
        for side, place in (("nearest", 0), ("farthest", -1)):
            add(f"{name}_{side}", f"accuracy of {name} at the {side} level", curves[:, j, place])
    whole = _rise(mean.mean(axis=0))
    figures["spearman_of_mean"] = Figure(
        what="Spearman of level and accuracy averaged over seeds", value=whole, n=n,
        seeds=tuple(seeds),
    )  # fmt: skip
    return figures


def _rise(curve: np.ndarray) -> float:
    """Spearman correlation of the levels with a curve (levels,); 0 where it is flat."""
    from scipy.stats import spearmanr

    return float(spearmanr(np.arange(len(curve)), curve).statistic) if np.ptp(curve) else 0.0


def _said(figure: Figure) -> str:
    low, high = figure.ci or (figure.value, figure.value)
    return f"{figure.value:.3f} [{low:.3f}, {high:.3f}]"


def run(*, seed: int = 0) -> Evidence:
    """The claim on eight draws of concepts."""
    started = perf_counter()
    seeds = seeds_from(seed, 8)
    figures = experiment(seeds, nouns())
    levels = ", ".join(f"{figures[f'level_{k + 1}'].value:.3f}" for k in range(LEVELS))
    each = "; ".join(
        f"{name} {figures[f'{name}_nearest'].value:.3f} to {figures[f'{name}_farthest'].value:.3f}"
        for name in ENCODERS
    )
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"The nearest level is easier than the farthest by {_said(figures['drop'])}, but "
            f"between them accuracy does not fall step by step: {levels} over levels 1 to 5. "
            "Levels differ in difficulty of their own; what not having seen a level costs, against "
            "the same encoder fitted on that level's glosses, is larger at the farthest by "
            f"{_said(figures['short_growth'])}. From nearest to farthest: {each}. Chance is 1 in "
            f"{UNSEEN // LEVELS}. Glosses stand for images, concepts are synsets and what is below "
            "them."
        ),
    )  # fmt: skip
