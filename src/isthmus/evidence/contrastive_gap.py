"""The contrastive gap: two encoders of the same images part, unless they are held together."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.bridges.contrastive import Contrastive
from isthmus.bridges.gap_report import gap_report
from isthmus.core.card import Paper
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from

SLUG = "contrastive-gap"
PAPER = Paper(
    "It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
    "Fahim et al.",
    2024,
)
CLAIM = (
    "Two encoders fed the same digits under the CLIP loss alone leave two clouds that a plane "
    "separates with an accuracy above 0.95; with terms for alignment and uniformity the distance "
    "of their centroids is at least five times smaller, and recall@1 is not lower."
)
TEMPERATURE, WEIGHT, STEPS, TRAIN = 0.01, 5.0, 200, 1200

#: Unit codes of the held-out rows of both sides.
Codes = tuple[np.ndarray, np.ndarray]


def held_out_codes(
    x: np.ndarray, y: np.ndarray, seed: int, *, train: int = TRAIN, **options: Any
) -> Codes:
    """Codes of the rows left after ``train`` drawn by ``seed`` under heads fitted on those."""
    order = np.random.default_rng(seed).permutation(len(x))
    fit, test = order[:train], order[train:]
    bridge: Any = Contrastive(dim=32, batch=128, rng=seed, **options).fit(x[fit], y[fit])
    return bridge.encode_source(x[test]), bridge.encode_target(y[test])


def recall(codes: Codes) -> float:
    """Share of rows whose partner is the nearest of all, mean of both directions."""
    u, v = codes
    return float((np.mean(partner_ranks(u, v) == 1) + np.mean(partner_ranks(v, u) == 1)) / 2)


def experiment(
    seeds: Sequence[int], *, steps: int = STEPS, weight: float = WEIGHT,
    images: Callable[[], tuple[np.ndarray, np.ndarray]] = digits,
) -> dict[str, Figure]:  # fmt: skip
    """Both clouds at CLIP's temperature with and without the terms, and at a mild temperature."""
    x = images()[0]
    rows = []
    for seed in seeds:
        options: dict[str, Any] = {"hidden": 128, "rate": 3e-3, "steps": steps}
        plain = held_out_codes(x, x, seed, temperature=TEMPERATURE, **options)
        closed = held_out_codes(
            x, x, seed, temperature=TEMPERATURE, align=weight, uniform=weight, **options
        )
        mild = held_out_codes(x, x, seed, temperature=0.07, **options)
        one, two, three = (gap_report(*codes) for codes in (plain, closed, mild))
        rows.append(
            (
                one.separability.value,
                one.distance.value / two.distance.value,
                recall(closed) - recall(plain),
                one.distance.value,
                two.distance.value,
                recall(plain),
                recall(closed),
                two.separability.value,
                (one.uniformity_a.value + one.uniformity_b.value) / 2,
                (two.uniformity_a.value + two.uniformity_b.value) / 2,
                three.separability.value,
            )
        )
    columns = np.transpose(rows).tolist()

    def figure(column: int, what: str, **bounds: float) -> Figure:
        return over_seeds(what, columns[column], n=len(x) - TRAIN, seeds=seeds, **bounds)

    return {
        "separability": figure(0, "separability, CLIP loss alone", at_least=0.95),
        "ratio": figure(1, "centroid distance without the terms over that with", at_least=5.0),
        "recall_gain": figure(2, "recall@1 gained by the terms", at_least=0.0),
        "distance": figure(3, "centroid distance, CLIP loss alone"),
        "distance_closed": figure(4, "centroid distance with the terms"),
        "recall": figure(5, "recall@1, CLIP loss alone"),
        "recall_closed": figure(6, "recall@1 with the terms"),
        "separability_closed": figure(7, "separability with the terms"),
        "uniformity": figure(8, "uniformity, CLIP loss alone"),
        "uniformity_closed": figure(9, "uniformity with the terms"),
        "separability_mild": figure(10, "separability, CLIP loss alone at temperature 0.07"),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on ten seeds; about a minute and a half.

    The temperature is 0.01, where CLIP's own ends up. Terms of weight 1 were tried first, which
    the loss at that temperature drowns (a distance of 0.25 instead of 0.29 on one seed). Five
    seeds left an interval of separability that crossed its bound for one base seed of two; the
    bounds are as they were.
    """
    started = perf_counter()
    figures = experiment(seeds_from(seed, 10))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"At temperature {TEMPERATURE} a plane tells the two clouds of the same images apart "
            f"with accuracy {value['separability']:.3f}; alignment and uniformity at weight "
            f"{WEIGHT:g} bring that to {value['separability_closed']:.2f}, the centroid distance "
            f"from {value['distance']:.2f} to {value['distance_closed']:.3f} and recall@1 from "
            f"{value['recall']:.3f} to {value['recall_closed']:.3f}. At temperature 0.07 there is "
            f"hardly a gap to begin with (separability {value['separability_mild']:.2f})."
        ),
    )  # fmt: skip
