"""TextTopicNet: images learn from the topics of the texts beside them, and no label."""

import warnings
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from isthmus.bridges.topic_bridge import TopicBridge
from isthmus.core.card import Paper
from isthmus.core.neighbors import unit
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import classifier, hidden

SLUG = "texttopicnet"
PAPER = Paper(
    "Self-supervised learning of visual features through embedding images into text topic spaces",
    "Gomez et al.",
    2017,
)
CLAIM = (
    "Digits paired with generated texts on a theme per class, and no label: texts of an image's "
    "class are found from the image with a mean average precision of at least 0.7 (chance 0.1), "
    "and a linear probe on features trained to predict topics reaches at least 90 % of the "
    "accuracy of a supervised network."
)
WORDS, LENGTH, OWN, SHARED, TRAIN = 200, 40, 0.6, 0.2, 1000


def documents(
    labels: np.ndarray, rng: np.random.Generator, *, own: float = OWN, length: int = LENGTH
) -> list[str]:
    """One text of ``length`` words per label, mostly on the theme of its class.

    A theme is a distribution over 200 words. A fifth of a text comes from words that all themes
    share; of the rest the share ``own`` from the class's theme and what is left from all themes,
    mixed anew for each text.
    """
    themes = rng.dirichlet(np.full(WORDS, 0.05), 10)
    common = rng.dirichlet(np.full(WORDS, 0.05))
    texts = []
    for label in labels:
        mix = own * np.eye(10)[label] + (1 - own) * rng.dirichlet(np.full(10, 0.3))
        chances = (1 - SHARED) * mix @ themes + SHARED * common
        texts.append(" ".join(f"w{k}" for k in rng.choice(WORDS, length, p=chances)))
    return texts


def mean_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Mean average precision of scores (n, m) with what is relevant (n, m) boolean.

    >>> mean_precision(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]))
    0.8333333333333333
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(np.mean((precision * hits).sum(axis=1) / hits.sum(axis=1)))


def topic_features(
    images: np.ndarray, shares: np.ndarray, everything: np.ndarray, *, seed: int
) -> np.ndarray:
    """Hidden layer of a network trained to predict topic ``shares`` (n, t), of ``everything``."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(
        hidden_layer_sizes=(64, 32), batch_size=64, learning_rate_init=2e-3, max_iter=60,
        tol=0, n_iter_no_change=60, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs
        network.fit(images, shares)
    return hidden(network, everything, layer=2)


def experiment(
    seeds: Sequence[int], *, own: float = OWN, passes: int = 10, train: int = TRAIN,
    limit: int | None = None,
) -> dict[str, Figure]:  # fmt: skip
    """Retrieval across and probes of features trained on topics or on labels, of so many digits."""
    from sklearn.linear_model import LogisticRegression

    images, labels = (side[:limit] for side in digits())
    rows = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        texts = documents(labels, rng, own=own)
        order = rng.permutation(len(images))
        fit, test = order[:train], order[train:]
        bridge = TopicBridge(topics=10, passes=passes, rng=seed)
        bridge.fit(images[fit], [texts[i] for i in fit])
        seen = np.asarray(bridge.transform(images[test]))
        read = bridge.encode_texts([texts[i] for i in test])
        same = labels[test][:, None] == labels[test][None, :]
        shares = bridge.encode_texts([texts[i] for i in fit])
        features = topic_features(images[fit], shares, images, seed=seed)
        probe = LogisticRegression(max_iter=2000).fit(features[fit], labels[fit])
        supervised = classifier(images[fit], labels[fit], seed=seed)
        accuracy = float(probe.score(features[test], labels[test]))
        bound = float(supervised.score(images[test], labels[test]))
        rows.append(
            (
                mean_precision(unit(seen) @ unit(read).T, same),
                mean_precision(unit(read) @ unit(seen).T, same),
                accuracy / bound,
                accuracy,
                bound,
                float(same.mean()),
            )
        )
    columns = np.transpose(rows).tolist()

    def figure(column: int, what: str, **bounds: float) -> Figure:
        return over_seeds(what, columns[column], n=len(images) - train, seeds=seeds, **bounds)

    return {
        "map": figure(0, "mAP of texts of the same class, asked by image", at_least=0.7),
        "back": figure(1, "mAP of images of the same class, asked by text"),
        "kept": figure(2, "probe on topic-trained features, share of supervised", at_least=0.9),
        "probe": figure(3, "accuracy of the probe on topic-trained features"),
        "supervised": figure(4, "accuracy of the supervised network"),
        "chance": figure(5, "share of texts of the same class"),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds; about a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Asked by image, texts of its class come back with mAP {value['map']:.2f}, images "
            f"asked by text with {value['back']:.2f} (chance {value['chance']:.2f}). A linear "
            f"probe on features trained to predict topics is right on {value['probe']:.1%}, a "
            f"network of that size trained on labels on {value['supervised']:.1%}: "
            f"{value['kept']:.1%} of it, where a theme makes up {OWN:.0%} of what texts do not "
            "share."
        ),
    )  # fmt: skip
