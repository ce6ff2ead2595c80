"""Topological RSA: levelling small and large distances, and telling layers apart under noise."""

from collections.abc import Callable, Sequence
from itertools import combinations
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.score import Score
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import classifier, hidden
from isthmus.measures.rsa import rsa
from isthmus.measures.trsa import geo_topological_rdm, trsa

SLUG = "trsa"
PAPER = Paper("The Topology and Geometry of Neural Representations", "Lin & Kriegeskorte", 2023)
CLAIM = (
    "Among ten digit classifiers that differ in their seed, with noise added, topological RSA "
    "finds the matching layer at most one point less often than RSA, and distances between its "
    "thresholds vary less across seeds than raw ones."
)
LAYERS = (64, 48, 32)
#: Noise added to each unit, in its own standard deviations.
NOISE = (0.5, 1.0, 2.0)

Compare = Callable[[np.ndarray, np.ndarray], Score]


def noisy_layers(seed: int, *, networks: int, items: int, epochs: int) -> list[list[np.ndarray]]:
    """Activations (items, units) of held-out digits, by network and layer, without noise."""
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[:1000], order[1000 : 1000 + items]
    nets = [
        classifier(images[train], labels[train], layers=LAYERS, epochs=epochs, seed=s)
        for s in seeds_from(seed, networks)
    ]
    return [[hidden(net, images[test], layer=i + 1) for i in range(len(LAYERS))] for net in nets]


def identified(spaces: Sequence[Sequence[np.ndarray]], compare: Compare) -> float:
    """How often a layer is most similar to the same layer of another network, over all pairs."""
    hits = []
    for one, other in combinations(spaces, 2):
        table = np.array([[float(compare(a, b)) for b in other] for a in one])
        own = np.arange(len(table))
        hits += [table.argmax(axis=1) == own, table.argmax(axis=0) == own]
    return float(np.mean(hits))


def variability(matrices: Sequence[np.ndarray]) -> float:
    """Variance of an entry across networks over the variance of the mean matrix's entries."""
    above = np.triu_indices(len(matrices[0]), 1)
    entries = np.stack([m[above] for m in matrices])
    return float(entries.var(axis=0, ddof=1).mean() / entries.mean(axis=0).var(ddof=1))


def experiment(
    seeds: Sequence[int],
    *,
    networks: int = 10,
    items: int = 120,
    epochs: int = 15,
    compare: Compare = trsa,
) -> dict[str, Figure]:
    """All figures over ``seeds``, each with its own ten networks; ``compare`` may be replaced."""
    gains, plain, topological, ratios, quiet = [], [], [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        clean = noisy_layers(seed, networks=networks, items=items, epochs=epochs)
        shares, found = [], []
        quiet.append((identified(clean, rsa), identified(clean, compare)))
        for noise in NOISE:
            spaces = [
                [h + noise * h.std(axis=0) * rng.standard_normal(h.shape) for h in net]
                for net in clean
            ]
            found.append((identified(spaces, rsa), identified(spaces, compare)))
            for layer in range(len(LAYERS)):
                sides = [net[layer] for net in spaces]
                raw, clipped = (
                    variability([geo_topological_rdm(side, *limits) for side in sides])
                    for limits in ((0.0, 1.0), (0.2, 0.8))
                )
                shares.append(clipped / raw)
        means = np.mean(found, axis=0)
        plain.append(float(means[0]))
        topological.append(float(means[1]))
        gains.append(float(means[1] - means[0]))
        ratios.append(float(np.mean(shares)))
    n, s = networks, tuple(seeds)
    before = np.transpose(quiet).tolist()
    return {
        "rsa_quiet": over_seeds("layers identified by RSA without noise", before[0], n=n, seeds=s),
        "trsa_quiet": over_seeds("the same by topological RSA", before[1], n=n, seeds=s),
        "rsa": over_seeds("layers identified by RSA, chance 1/3", plain, n=n, seeds=s),
        "trsa": over_seeds("layers identified by topological RSA", topological, n=n, seeds=s),
        "gain": over_seeds("the second minus the first", gains, n=n, seeds=s, at_least=-0.01),
        "variability": over_seeds(
            "variance across networks, relative to that across pairs, clipped over raw",
            ratios,
            n=n,
            seeds=s,
            at_most=1.0,
        ),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds of ten networks; about a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    gain, ratio = figures["gain"], figures["variability"]
    return recorded(
        SLUG,
        PAPER,
        CLAIM,
        seed=seed,
        started=started,
        figures=figures,
        what_holds=(
            f"Averaged over noise of {', '.join(map(str, NOISE))} deviations, topological RSA with "
            f"quantiles 0.2 and 0.8 identifies {figures['trsa'].value:.1%} of layers and RSA "
            f"{figures['rsa'].value:.1%}, a difference of {100 * gain.value:+.1f} points; variance "
            f"across networks relative to that across pairs of items is {ratio.value:.2f} times "
            "that of raw distances."
        ),
    )
