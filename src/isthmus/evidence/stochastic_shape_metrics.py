"""Stochastic shape metrics: networks alike in their mean responses may differ in noise."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.score import Score
from isthmus.evidence.experiment import Evidence, Figure, recorded, seeds_from
from isthmus.measures.stochastic_shape_distance import stochastic_shape_distance

SLUG = "stochastic-shape-metrics"
PAPER = Paper(
    "Representational dissimilarity metric spaces for stochastic neural networks",
    "Duong et al.",
    2023,
)
CLAIM = (
    "Two representations with equal means and different noise covariances are less than 1e-6 apart "
    "by the deterministic distance and more than 0.1 by the stochastic one, which keeps the "
    "triangle inequality in at least 1,000 of 1,000 triples."
)

Distance = Callable[..., Score]


def samples(
    means: np.ndarray, rng: np.random.Generator, *, repeats: int = 40, spread: float = 1.0
) -> np.ndarray:
    """Responses (items, repeats, d) whose sample means are exactly ``means`` (items, d).

    Every item has a noise covariance of its own, of variances between 0.01 and 1 times ``spread``.
    """
    items, width = means.shape
    roots = np.linalg.qr(rng.standard_normal((items, width, width)))[0]
    roots = roots * 10 ** rng.uniform(-1, 0, (items, 1, width)) * spread**0.5
    noise = rng.standard_normal((items, repeats, width)) @ np.swapaxes(roots, 1, 2)
    return means[:, None] + noise - noise.mean(axis=1, keepdims=True)


def equal_means(seed: int, distance: Distance) -> tuple[float, float, float]:
    """Deterministic and stochastic distance at equal means up to a rotation; noise equal too."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((8, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    one, other = samples(means, rng), samples(means, rng) @ turn
    return (
        float(distance(one, other, alpha=2.0)),
        float(distance(one, other, alpha=1.0)),
        float(distance(one, one @ turn, alpha=1.0)),
    )


def broken_triangles(seed: int, count: int, distance: Distance) -> tuple[int, int]:
    """How many triples of ``count`` representations break the triangle inequality, and of how many.

    Half of them are small changes of the others, so that many triples nearly lie on a line.
    """
    rng = np.random.default_rng(seed)
    pool = [samples(rng.standard_normal((5, 3)), rng) for _ in range(count // 2)]
    while len(pool) < count:
        base = pool[len(pool) - count // 2]
        pool.append(base + 10 ** rng.uniform(-2, 0) * rng.standard_normal(base.shape))
    lengths = np.zeros((count, count))
    for i, j in combinations(range(count), 2):
        lengths[i, j] = lengths[j, i] = float(distance(pool[i], pool[j]))
    broken = 0
    for i, j, k in combinations(range(count), 3):
        a, b, c = sorted((lengths[i, j], lengths[j, k], lengths[i, k]))
        broken += c > (a + b) * (1 + 1e-9)
    return broken, comb(count, 3)


def experiment(
    seeds: Sequence[int], *, pool: int = 20, distance: Distance = stochastic_shape_distance
) -> dict[str, Figure]:
    """All figures over ``seeds``; ``distance`` may be replaced by a wrong one."""
    plain, stochastic, same = zip(*(equal_means(seed, distance) for seed in seeds), strict=True)
    counts = [broken_triangles(seed, pool, distance) for seed in seeds]
    triples = sum(count for _, count in counts)
    s = tuple(seeds)
    return {
        "deterministic": Figure(
            what="distance of the means alone, worst seed", value=max(plain), n=8, seeds=s,
            at_most=1e-6,
        ),
        "stochastic": Figure(
            what="distance of means and noise, least seed", value=min(stochastic), n=8, seeds=s,
            at_least=0.1,
        ),
        "same": Figure(
            what="the same where noise is equal too, worst seed", value=max(same), n=8, seeds=s
        ),
        "triples": Figure(
            what="triples tested", value=float(triples), n=pool, seeds=s, at_least=1000
        ),
        "broken": Figure(
            what="of which break the triangle inequality", value=float(sum(b for b, _ in counts)),
            n=triples, seeds=s, at_most=0,
        ),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds; under a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    return recorded(
        SLUG,
        PAPER,
        CLAIM,
        seed=seed,
        started=started,
        figures=figures,
        what_holds=(
            f"At equal means the deterministic distance is at most "
            f"{figures['deterministic'].value:.1g} and the stochastic one at least "
            f"{figures['stochastic'].value:.2f}; of {figures['triples'].value:.0f} triples "
            f"{figures['broken'].value:.0f} break the triangle inequality, which is sure of the "
            "least distance over rotations only, and the search finds an upper bound of it."
        ),
    )
