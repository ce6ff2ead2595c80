"""Label embedding: digits described by the segments of a display, three of them never shown.

The step of the fit was raised from 1 to 4 after a look, for training had not converged; 4 was
picked of four settings on one split, where all-class accuracy was .921 to .945.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from time import perf_counter

import numpy as np

from isthmus.bridges.label_embedding import LabelEmbedding
from isthmus.core.card import Paper
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from

SLUG = "ale-label-embedding"
PAPER = Paper("Label-Embedding for Image Classification", "Akata et al.", 2016)
CLAIM = (
    "With digits described by the seven segments of a display and three of ten classes without "
    "examples, label embedding recognises the three by at least 5 points more often than direct "
    "attribute prediction and more often than one in three; with none hidden it is right on at "
    "least 90 % of digits."
)
#: The lit segments of 0 to 9, a to g.
LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
SEGMENTS = np.array([[1.0 if s in lit else -1.0 for s in "abcdefg"] for lit in LIT])
HIDDEN, SPLITS, TRAIN = 3, 12, 1200

#: From items, labels (n,), attributes (10, 7), new items and candidate classes to their labels.
Recogniser = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def label_embedding(
    x: np.ndarray, y: np.ndarray, attributes: np.ndarray, new: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """The class among ``classes`` that ranks first by label embedding."""
    return classes[LabelEmbedding().fit(x, y, attributes).predict(new, attributes[classes])]


def direct_attributes(
    x: np.ndarray, y: np.ndarray, attributes: np.ndarray, new: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Direct attribute prediction: the class whose attributes are most probable, each on its own.

    A logistic regression per attribute; log p(a | x) - log p(a) summed over the attributes of a
    class, p(a) the attribute's share among the classes seen.
    """
    from sklearn.linear_model import LogisticRegression

    total = np.zeros((len(new), len(classes)))
    shares = (attributes[np.unique(y)] > 0).mean(axis=0)
    for j, share in enumerate(shares):
        if share in (0.0, 1.0):  # nothing to learn from
            continue
        model = LogisticRegression(solver="liblinear", C=10.0).fit(x, attributes[y, j] > 0)
        odds = np.clip(model.predict_proba(new)[:, 1], 1e-9, 1 - 1e-9)[:, None]
        lit = attributes[classes, j] > 0
        total += np.where(lit, np.log(odds / share), np.log((1 - odds) / (1 - share)))
    return classes[total.argmax(axis=1)]


def unseen(
    method: Recogniser, x: np.ndarray, y: np.ndarray, hidden: np.ndarray, attributes: np.ndarray
) -> float:
    """Accuracy of ``method`` on the hidden classes, choosing among them alone."""
    shown = ~np.isin(y, hidden)
    found = method(x[shown], y[shown], attributes, x[~shown], hidden)
    return float(np.mean(found == y[~shown]))


def experiment(
    seeds: Sequence[int], *, embedding: Recogniser = label_embedding,
    direct: Recogniser = direct_attributes, splits: int = SPLITS,
    attributes: np.ndarray = SEGMENTS,
) -> dict[str, Figure]:  # fmt: skip
    """Accuracy on hidden classes over splits, and on all classes when none is hidden."""
    x, y = digits()
    every = np.array(list(combinations(range(10), HIDDEN)))
    rows: list[tuple[float, ...]] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        chosen = every[rng.choice(len(every), splits, replace=False)]
        ours = [unseen(embedding, x, y, hidden, attributes) for hidden in chosen]
        theirs = [unseen(direct, x, y, hidden, attributes) for hidden in chosen]
        order = rng.permutation(len(x))
        train, test = order[:TRAIN], order[TRAIN:]
        everything = []
        for method in (embedding, direct):
            found = method(x[train], y[train], attributes, x[test], np.arange(10))
            everything.append(float(np.mean(found == y[test])))
        gain = 100 * float(np.mean(ours) - np.mean(theirs))
        wins = float(np.mean(np.array(ours) > np.array(theirs)))
        rows.append((float(np.mean(ours)), float(np.mean(theirs)), gain, wins, *everything))
    columns = np.transpose(rows).tolist()

    def figure(column: int, what: str, **bounds: float) -> Figure:
        return over_seeds(what, columns[column], n=splits, seeds=seeds, **bounds)

    return {
        "unseen": figure(0, "accuracy on hidden classes, label embedding", at_least=1 / 3),
        "direct": figure(1, "accuracy on hidden classes, direct attribute prediction"),
        "gain": figure(2, "points that label embedding is ahead", at_least=5.0),
        "wins": figure(3, "share of splits on which label embedding is ahead"),
        "all": figure(4, "accuracy on all classes, none hidden", at_least=0.9),
        "all_direct": figure(5, "the same, direct attribute prediction"),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on ten seeds of twelve splits; about half a minute.

    A first run took steps a quarter as long, which had not converged (89.9 % with none hidden, 4.0
    points ahead on hidden classes).
    """
    started = perf_counter()
    figures = experiment(seeds_from(seed, 10))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"On three hidden digits label embedding is right on {value['unseen']:.1%}, direct "
            f"attribute prediction on {value['direct']:.1%}: {value['gain']:.1f} points ahead, on "
            f"{value['wins']:.0%} of splits. With no class hidden it is right on "
            f"{value['all']:.1%}, direct attribute prediction on {value['all_direct']:.1%}."
        ),
    )  # fmt: skip
