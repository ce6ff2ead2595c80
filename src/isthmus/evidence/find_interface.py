"""FIND interface: one shared attention module replaces the linear heads between encoders."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.bridges.affine import Affine
from isthmus.bridges.find_interface import FindInterface
from isthmus.core.card import Paper
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.zoo import encoders

SLUG = "find-interface"
PAPER = Paper("Interfacing Foundation Models' Embeddings", "Zou et al.", 2024)
CLAIM = (
    "Over three frozen encoders of digits one shared interface retrieves an unseen image's code "
    "under another encoder first at least as often as a linear head per direction, with fewer "
    "parameters in all; a fourth encoder that trains its own adapter alone does so too, and no "
    "other code changes."
)
NAMES = ("autoencoder", "random_conv", "hog")
FOURTH = "random_mlp"
TRAIN, TEST = 1200, 500


def codes(seed: int) -> Mapping[str, np.ndarray]:
    """Vectors of all digits under the three encoders and the fourth, trained from ``seed``."""
    images, labels = digits()
    made = encoders(images, labels, seed=seed, names=(*NAMES, FOURTH))
    return {name: encode(images) for name, encode in made.items()}


def experiment(
    seeds: Sequence[int], *, spaces: Any = codes, options: Mapping[str, Any] | None = None
) -> dict[str, Figure]:
    """Retrieval and sizes of the interface and of linear heads; training and split by seed."""
    rows = []
    for seed in seeds:
        x = spaces(seed)
        order = np.random.default_rng(seed).permutation(len(x[FOURTH]))
        train, test = order[:TRAIN], order[-TEST:]
        heads = {
            (a, b): Affine().fit(x[a][train], x[b][train]) for a, b in permutations(x, 2)
        }  # fmt: skip
        find = FindInterface(rng=seed, **(options or {}))
        find.fit({name: (train, x[name][train]) for name in NAMES})
        before = [find.encode(x[name][test], name) for name in NAMES]
        first = [_top1(find.encode(x[a][test], a), find.encode(x[b][test], b))
                 for a, b in permutations(NAMES, 2)]  # fmt: skip
        sizes = [h.coef_.size + h.intercept_.size for p, h in heads.items() if FOURTH not in p]
        share = find.parameters() / sum(sizes)
        find.add(FOURTH, x[FOURTH][train], train, NAMES[-1], x[NAMES[-1]][train], train)
        after = [find.encode(x[name][test], name) for name in NAMES]
        moved = max(float(np.abs(a - b).max()) for a, b in zip(before, after, strict=True))
        new = [
            _top1(find.encode(x[a][test], a), find.encode(x[b][test], b))
            for name in NAMES
            for a, b in ((FOURTH, name), (name, FOURTH))
        ]
        linear = {p: _top1(h.transform(x[p[0]][test]), x[p[1]][test]) for p, h in heads.items()}
        among = [value for p, value in linear.items() if FOURTH not in p]
        with_it = [value for p, value in linear.items() if FOURTH in p]
        rows.append((
            np.mean(first), np.mean(among), np.mean(first) - np.mean(among), share, np.mean(new),
            np.mean(with_it), np.mean(new) - np.mean(with_it), moved,
        ))  # fmt: skip
    columns: list[list[float]] = np.transpose(np.asarray(rows)).tolist()

    def figure(
        column: int, what: str, at_least: float | None = None, at_most: float | None = None
    ) -> Figure:
        return over_seeds(
            what, columns[column], n=TEST, seeds=seeds, at_least=at_least, at_most=at_most
        )

    return {
        "interface": figure(0, "mean recall@1 over six directions, one interface"),
        "linear": figure(1, "mean recall@1 over six directions, six linear heads"),
        "gain": figure(2, "recall@1 of the interface less that of the heads", at_least=0.0),
        "share": figure(3, "its parameters over those of the heads", at_most=1.0),
        "fourth": figure(4, "mean recall@1 from and to the fourth encoder, own adapter alone"),
        "fourth_linear": figure(5, "the same by six further linear heads"),
        "fourth_gain": figure(6, "recall@1 of the fourth less that of its heads", at_least=0.0),
        "moved": figure(7, "largest change of another encoder's code as it joins", at_most=0.0),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on six seeds; about a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 6))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"One interface reaches recall@1 {value['interface']:.3f} where a linear head per "
            f"direction reaches {value['linear']:.3f}, with {value['share']:.0%} of the "
            f"parameters; the fourth encoder's adapter reaches {value['fourth']:.3f}, its linear "
            f"heads {value['fourth_linear']:.3f}."
        ),
    )  # fmt: skip


def _top1(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.mean(partner_ranks(one, two) == 1))
