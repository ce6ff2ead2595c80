"""Lambda-orthogonality: a dial between fitting the old space and keeping the new one's shape."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.bridges.affine import Affine
from isthmus.bridges.lambda_orthogonal import LambdaOrthogonal, deviation
from isthmus.bridges.orthogonal import Orthogonal
from isthmus.core.card import Paper
from isthmus.core.neighbors import neighbors, partner_ranks
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import classifier, hidden

SLUG = "lambda-orthogonality"
PAPER = Paper(
    "λ-Orthogonality Regularization for Compatible Representation Learning", "Ricci et al.", 2025
)
CLAIM = (
    "Between two digit encoders trained apart, recall@1 of the new one's translated vectors in the "
    "old gallery rises from the orthogonal to the lambda-orthogonal to the affine bridge (half a "
    "point of tolerance), the lambda-orthogonal one keeps at least as many of the new space's "
    "neighbours as the affine one, and the deviation of its Gram matrix grows with lambda."
)
#: Lambda as shares of the affine bridge's deviation; the middle one is compared.
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
TRAIN, NEAREST = 1000, 10

Spaces = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def two_encoders(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """New and old vectors (n, 64) of 1,000 training images, then of 797 others.

    First hidden layers of two classifiers, the old one trained on a third of the training images,
    each at mean length one.
    """
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[:TRAIN], order[TRAIN:]
    found = []
    for s, share in zip(seeds_from(seed, 2), (1, 3), strict=True):
        rows = train[: TRAIN // share]
        network = classifier(images[rows], labels[rows], seed=s)
        vectors = hidden(network, images, layer=1)
        found.append(vectors / np.linalg.norm(vectors, axis=1).mean())
    new, old = found
    return new[train], old[train], new[test], old[test]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Share of each row's 10 nearest rows that are the same in a (n, d) and b (n, e)."""
    one, two = (neighbors(side, side, NEAREST, exclude_self=True)[0] for side in (a, b))
    return float(np.mean([len(np.intersect1d(p, q)) for p, q in zip(one, two, strict=True)]) / 10)


def measured(seed: int, *, spaces: Spaces, bridge: Callable[..., Any]) -> dict[str, float]:
    """Recall@1 and overlap by bridge, and the deviations along ``SHARES``."""
    new, old, queries, gallery = spaces(seed)
    affine = Affine().fit(new, old)
    most = deviation(affine.coef_)
    ladder = [bridge(lam=share * most).fit(new, old) for share in SHARES]
    middle = ladder[len(SHARES) // 2]
    found: dict[str, float] = {}
    for name, one in (("orthogonal", Orthogonal().fit(new, old)), ("lambda", middle),
                      ("affine", affine)):  # fmt: skip
        moved = one.transform(queries)
        found[f"{name} recall"] = float(np.mean(partner_ranks(moved, gallery) < 1.5))
        found[f"{name} overlap"] = overlap(moved, queries)
    reached = [deviation(one.coef_) for one in ladder]
    found["growth"] = float(np.min(np.diff(reached)) / most)
    found["off"] = max(
        abs(d / (share * most) - 1) for d, share in zip(reached, SHARES, strict=True)
    )
    return found


def experiment(
    seeds: Sequence[int], *, spaces: Spaces = two_encoders,
    bridge: Callable[..., Any] = LambdaOrthogonal,
) -> dict[str, Figure]:  # fmt: skip
    """Everything measured, one pair of encoders a seed."""
    found = [measured(seed, spaces=spaces, bridge=bridge) for seed in seeds]
    n = len(digits()[0]) - TRAIN

    def figure(what: str, values: list[float], at_least: float | None = None) -> Figure:
        return over_seeds(what, values, n=n, seeds=seeds, at_least=at_least)

    figures = {
        "over_orthogonal": figure(
            "points of recall@1 that lambda gains over orthogonal",
            [100 * (f["lambda recall"] - f["orthogonal recall"]) for f in found], -0.5,
        ),
        "under_affine": figure(
            "points of recall@1 that affine gains over lambda",
            [100 * (f["affine recall"] - f["lambda recall"]) for f in found], -0.5,
        ),
        "kept": figure(
            "neighbour overlap with the new space, lambda minus affine",
            [f["lambda overlap"] - f["affine overlap"] for f in found], 0.0,
        ),
        "growth": figure(
            "least growth of the deviation from one lambda to the next, of the affine one's",
            [f["growth"] for f in found], 0.01,
        ),
        "off": figure("largest relative distance of a deviation from its lambda",
                      [f["off"] for f in found]),
    }  # fmt: skip
    for name in [key for key in found[0] if key.endswith(("recall", "overlap"))]:
        figures[name.replace(" ", "_")] = figure(name, [f[name] for f in found])
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on eight seeds; about half a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 8))
    value = {name: figure.value for name, figure in figures.items()}
    parts = [
        f"{name} {value[f'{name}_recall']:.1%} with overlap {value[f'{name}_overlap']:.2f}"
        for name in ("orthogonal", "lambda", "affine")
    ]
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Recall@1 in the old gallery: {', '.join(parts)}; the deviation lies within "
            f"{value['off']:.1%} of lambda."
        ),
    )  # fmt: skip
