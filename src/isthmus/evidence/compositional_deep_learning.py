"""Compositional deep learning: bridges trained under path equations compose as they should."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.bridges.schema import Schema
from isthmus.core.card import Paper
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.zoo import encoders

SLUG = "compositional-deep-learning"
PAPER = Paper("Compositional Deep Learning", "Gavranović", 2019)
CLAIM = (
    "Between three encoders of digits with 100 pairs an edge, no image on two edges, training the "
    "bridges under the equation A->B->C = A->C halves the disagreement of the two ways on unseen "
    "images and does not lower the share of images whose partner is retrieved first from A to C."
)
NAMES = ("pca", "autoencoder", "random_conv")
PAIRS, ROWS, TEST = 100, 600, 500
MAPS = {"f": ("A", "B"), "g": ("B", "C"), "h": ("A", "C")}
EQUATION = "f g = h"

#: From seed to the three spaces' vectors of the same images.
Spaces = Callable[[int], Sequence[np.ndarray]]


def three_spaces(seed: int) -> Sequence[np.ndarray]:
    """Codes of all digits under three of the zoo's encoders trained from ``seed``."""
    images, labels = digits()
    made = encoders(images, labels, seed=seed, names=NAMES)
    return [made[name](images) for name in NAMES]


def experiment(
    seeds: Sequence[int], *, spaces: Spaces = three_spaces, weight: float = 1.0
) -> dict[str, Figure]:
    """Disagreement and retrieval with and without the equation, one split and training a seed."""
    rows = []
    for seed in seeds:
        a, b, c = spaces(seed)
        order = np.random.default_rng(seed).permutation(len(a))
        parts = np.split(order[: 3 * PAIRS], 3)
        free, test = order[3 * PAIRS : 3 * PAIRS + ROWS], order[-TEST:]
        pairs = {"f": (a[parts[0]], b[parts[0]]), "g": (b[parts[1]], c[parts[1]]),
                 "h": (a[parts[2]], c[parts[2]])}  # fmt: skip
        apart = Schema(MAPS, [EQUATION], weight=0.0).fit(pairs)
        bound = Schema(MAPS, [EQUATION], weight=weight).fit(pairs, {"A": a[free]})
        before, after = (s.violations({"A": a[test]})[0].disagreement for s in (apart, bound))
        found = [
            float(np.mean(partner_ranks(s.transform(a[test], way), c[test]) == 1))
            for way in ("h", "f g")
            for s in (apart, bound)
        ]
        rows.append((before, after, after / before, *found, found[1] - found[0]))
    columns: list[list[float]] = np.transpose(rows).tolist()

    def figure(
        column: int, what: str, at_least: float | None = None, at_most: float | None = None
    ) -> Figure:
        return over_seeds(
            what, columns[column], n=TEST, seeds=seeds, at_least=at_least, at_most=at_most
        )

    return {
        "apart": figure(0, "disagreement of A->B->C with A->C, maps fitted apart"),
        "bound": figure(1, "disagreement under the equation"),
        "ratio": figure(2, "disagreement under the equation over that without", at_most=0.5),
        "direct": figure(3, "recall@1 of A->C fitted apart"),
        "direct_bound": figure(4, "recall@1 of A->C under the equation"),
        "way": figure(5, "recall@1 of A->B->C fitted apart"),
        "way_bound": figure(6, "recall@1 of A->B->C under the equation"),
        "gain": figure(7, "recall@1 of A->C under the equation less that without", at_least=0.0),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on eight seeds; about a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 8))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Under the equation the two ways disagree by {value['bound']:.3f} of C's spread, "
            f"fitted apart by {value['apart']:.3f}; recall@1 is {value['direct_bound']:.3f} "
            f"against {value['direct']:.3f} straight and {value['way_bound']:.3f} against "
            f"{value['way']:.3f} by way of B."
        ),
    )  # fmt: skip
