"""Utilised rank: a trained layer's full rank is mostly not used by the data."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.score import Score
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import classifier, hidden
from isthmus.measures.utilized_rank import utilized_rank

SLUG = "utilized-rank"
PAPER = Paper(
    "Revealing the Utilized Rank of Subspaces of Learning in Neural Networks", "Garg et al.", 2024
)
CLAIM = (
    "A full-rank layer of 64 x 64 whose inputs lie in 16 dimensions is reported to use 25 % of its "
    "rank and gives the same outputs to 1e-6 at that rank; the hidden layer of a network on digits "
    "keeps accuracy within 0.2 points at no more than half of its parameters."
)
TRAIN, UNITS = 1200, 128
#: The claim's own budget of parameters, and a harder setting: error allowed in the outputs.
BUDGET, TOL = 0.5, 0.05

Method = Callable[..., Score]


def planted(seed: int, method: Method) -> tuple[float, float]:
    """Utilisation of a random layer on inputs in 16 of 64 dimensions, and the change of outputs."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(500, 16)) @ rng.normal(size=(16, 64))
    weights = rng.normal(size=(64, 64)) / 8
    score = method(weights, x)
    before = x @ weights
    after = x @ score.parts["left"] @ score.parts["right"]
    return score.value, float(np.abs(after - before).max() / np.abs(before).max())


def trained(seed: int, method: Method, *, epochs: int = 60) -> tuple[float, ...]:
    """Accuracy of a digits MLP, its weights' own rank, then points lost and parameters kept twice.

    First at the largest rank within ``BUDGET``, then at the smallest within ``TOL``.
    """
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[:TRAIN], order[TRAIN:]
    network = classifier(
        images[train], labels[train], layers=(UNITS, UNITS), epochs=epochs, seed=seed
    )
    weights, units = network.coefs_[1], hidden(network, images[train], layer=1)
    energy = method(weights, units, tol=0.0).parts["singular_values"] ** 2
    rank = int(BUDGET * weights.size / sum(weights.shape))
    within = float(np.sqrt(energy[rank:].sum() / energy.sum())) * (1 + 1e-9)

    def accuracy(weights: np.ndarray) -> float:
        return accuracy_with(network, weights, images[test], labels[test])

    before = accuracy(weights)
    found = [before, float(np.linalg.matrix_rank(weights) / UNITS)]
    for tol in (within, TOL):
        parts = method(weights, units, tol=tol).parts
        found += [100 * (before - accuracy(parts["left"] @ parts["right"])), parts["parameters"]]
    return tuple(found)


def accuracy_with(network: Any, weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Accuracy of a network with two hidden layers, other ``weights`` in the second."""
    units = np.maximum(hidden(network, x, layer=1) @ weights + network.intercepts_[1], 0.0)
    scores = units @ network.coefs_[2] + network.intercepts_[2]
    return float(np.mean(scores.argmax(axis=1) == y))


def experiment(
    seeds: Sequence[int], *, epochs: int = 60, method: Method = utilized_rank
) -> dict[str, Figure]:
    """Both halves of the claim, one layer and one network a seed."""
    shares, changes = zip(*(planted(seed, method) for seed in seeds), strict=True)
    before, own, lost, kept, lost_more, kept_less = zip(
        *(trained(seed, method, epochs=epochs) for seed in seeds), strict=True
    )
    s, held = tuple(seeds), len(digits()[1]) - TRAIN
    return {
        "planted": Figure(
            what="share of rank used by 16 of 64 dimensions, least and largest seed",
            value=float(np.mean(shares)), ci=(min(shares), max(shares)), n=500, seeds=s,
            at_least=0.25, at_most=0.25,
        ),
        "planted_change": Figure(
            what="largest relative change of its outputs, worst seed", value=max(changes), n=500,
            seeds=s, at_most=1e-6,
        ),
        "lost": over_seeds(
            "points of accuracy a digits MLP loses at half of the layer's parameters", lost,
            n=held, seeds=s, at_most=0.2,
        ),
        "parameters": over_seeds(
            "share of the hidden layer's parameters kept", kept, n=TRAIN, seeds=s, at_most=0.5
        ),
        "lost_more": over_seeds(
            f"points it loses at an error of {TOL:g} in the layer's outputs", lost_more, n=held,
            seeds=s,
        ),
        "kept_less": over_seeds(
            "share of the parameters kept there", kept_less, n=TRAIN, seeds=s
        ),
        "accuracy": over_seeds("accuracy before", before, n=held, seeds=s),
        "own_rank": over_seeds("rank of the weights alone, of the largest", own, n=UNITS, seeds=s),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on eight seeds; under a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 8))
    value = {name: figure.value for name, figure in figures.items()}
    worst = (figures["lost_more"].ci or (0.0, float("nan")))[1]
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Inputs in 16 of 64 dimensions use {value['planted']:.0%} of the rank and outputs "
            f"change by {value['planted_change']:.0e}. A digits MLP's hidden layer of rank "
            f"{value['own_rank']:.0%} loses {value['lost']:.2f} points of "
            f"{100 * value['accuracy']:.1f} at half of its parameters, without retraining. Cut to "
            f"{value['kept_less']:.0%} of them, an error of {TOL:.0%} in its outputs, it loses "
            f"{value['lost_more']:.2f}, with an interval up to {worst:.2f}."
        ),
    )  # fmt: skip
