"""ConSE: a classifier of some classes names others, through label vectors of another space."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.bridges.conse import conse
from isthmus.core.card import Paper
from isthmus.core.neighbors import unit
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import autoencoder, classifier, hidden

SLUG = "conse"
PAPER = Paper(
    "Zero-Shot Learning by Convex Combination of Semantic Embeddings", "Norouzi et al.", 2014
)
CLAIM = (
    "A classifier of seven digits, its probabilities weighting label vectors from an autoencoder "
    "that saw no label, names at least 55 % of images of the three other digits among those three "
    "(chance 33 %), without training; and all seven weights name more of them than the most "
    "probable class alone."
)
TRAIN = 1200
CLASSES = 10
UNSEEN = 3

Combine = Callable[..., np.ndarray]


def label_vectors(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A vector for every digit (10, d): its mean code, less the mean of all ten."""
    means = np.array([codes[labels == c].mean(axis=0) for c in range(CLASSES)])
    centred: np.ndarray = means - means.mean(axis=0)
    return centred


def named(vectors: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """For each row (n, d) the number of the candidate (k, d) nearest by cosine, (n,)."""
    nearest: np.ndarray = np.argmax(unit(vectors) @ unit(candidates).T, axis=1)
    return nearest


def experiment(seeds: Sequence[int], *, combine: Combine = conse) -> dict[str, Figure]:
    """Everything measured; split, encoder and unseen digits are drawn anew per seed."""
    from sklearn.linear_model import LogisticRegression

    images, labels = digits()
    rows: list[tuple[float, ...]] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(images))
        train, test = order[:TRAIN], order[TRAIN:]
        unseen = rng.choice(CLASSES, UNSEEN, replace=False)
        seen = np.setdiff1d(np.arange(CLASSES), unseen)
        network = autoencoder(images[train], seed=seed)
        vectors = label_vectors(hidden(network, images[train], layer=2), labels[train])
        taught = train[np.isin(labels[train], seen)]
        asked = test[np.isin(labels[test], unseen)]

        def right(
            probabilities: np.ndarray, top: int, *, vectors: np.ndarray = vectors,
            seen: np.ndarray = seen, unseen: np.ndarray = unseen, asked: np.ndarray = asked,
        ) -> float:  # fmt: skip
            found = combine(probabilities, vectors[seen], top=top)
            return float(np.mean(unseen[named(found, vectors[unseen])] == labels[asked]))

        soft = LogisticRegression(C=0.1, max_iter=1000).fit(images[taught], labels[taught])
        hard = classifier(images[taught], labels[taught], seed=seed)
        p, q = (head.predict_proba(images[asked]) for head in (soft, hard))
        one, whole = right(p, 1), right(p, len(seen))
        rows.append((whole, one, whole - one, right(p, 3), right(q, len(seen)), right(q, 1)))
    columns: list[list[float]] = np.transpose(rows).tolist()
    n, s = len(images) - TRAIN, tuple(seeds)
    return {
        "unseen": over_seeds(
            "accuracy on unseen digits, all seven weights", columns[0], n=n, seeds=s, at_least=0.55
        ),
        "argmax": over_seeds("accuracy, the most probable class alone", columns[1], n=n, seeds=s),
        "gain": over_seeds("gain of all weights over it", columns[2], n=n, seeds=s, at_least=0.0),
        "three": over_seeds("accuracy, three weights", columns[3], n=n, seeds=s),
        "network": over_seeds(
            "accuracy, all weights of an MLP, whose probabilities are near 0 and 1", columns[4],
            n=n, seeds=s,
        ),
        "network_argmax": over_seeds("the same, its most probable class", columns[5], n=n, seeds=s),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on twenty draws of unseen digits; about half a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 20))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"With a logistic classifier {value['unseen']:.0%} of unseen digits are named right, "
            f"with its most probable class alone {value['argmax']:.0%}. It takes probabilities "
            f"that hesitate: those of an MLP trained to the end reach {value['network']:.0%} and "
            f"{value['network_argmax']:.0%}. (The MLP was tried first; label vectors are taken "
            f"from the mean of all ten, without which logistic weights gave about as little.)"
        ),
    )  # fmt: skip
