"""Anisotropy without words: hidden states of a character transformer share a direction."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.transformers import LAYERS, held_out, hidden_states, trained
from isthmus.measures.layer_profile import layer_profile

SLUG = "inherent-anisotropy"
PAPER = Paper("Anisotropy Is Inherent to Self-Attention in Transformers", "Godey et al.", 2024)
CLAIM = (
    "A small transformer of characters, 96 of them, trained on text has a mean cosine between "
    "hidden states of at least 0.2, above that of a convolutional model of equal size; subtracting "
    "the mean brings it below 0.05."
)
TEXTS = 200

States = Callable[[str, int, bool], np.ndarray]


def states_of(kind: str, seed: int, finished: bool) -> np.ndarray:
    """Hidden states (layers, texts, tokens, d) of a model, trained or as it started."""
    model = trained(kind, seed).model(None if finished else 0)
    return hidden_states(model, held_out(TEXTS, seed=seed)[1])


def experiment(seeds: Sequence[int], *, states: States = states_of) -> dict[str, Figure]:
    """Cosines averaged over the blocks' outputs, and layer by layer; one pair of models a seed."""
    cases = {
        "transformer": ("decoder", True), "convolution": ("convolution", True),
        "untrained": ("decoder", False),
    }  # fmt: skip
    found = {}
    for name, (kind, finished) in cases.items():
        profiles = [layer_profile(states(kind, seed, finished), most=100).parts for seed in seeds]
        found[name] = np.array([[p["mean_cosine"], p["centred_cosine"]] for p in profiles])
    blocks = {name: table[:, :, 1:].mean(axis=2) for name, table in found.items()}
    s, n = tuple(seeds), TEXTS
    figures = {
        "transformer": over_seeds(
            "mean cosine in the transformer, mean over blocks",
            blocks["transformer"][:, 0].tolist(),
            n=n, seeds=s, at_least=0.2,
        ),
        "gap": over_seeds(
            "the same above the convolutional model's",
            (blocks["transformer"] - blocks["convolution"])[:, 0].tolist(), n=n, seeds=s,
            at_least=0.0,
        ),
        "centred": over_seeds(
            "the same with the mean subtracted", blocks["transformer"][:, 1].tolist(), n=n, seeds=s,
            at_most=0.05,
        ),
        "convolution": over_seeds(
            "mean cosine in the convolutional model, mean over blocks",
            blocks["convolution"][:, 0].tolist(), n=n, seeds=s,
        ),
        "untrained": over_seeds(
            "mean cosine in the transformer before training", blocks["untrained"][:, 0].tolist(),
            n=n, seeds=s,
        ),
    }  # fmt: skip
    for name in ("transformer", "convolution"):
        for i in range(found[name].shape[2]):
            figures[f"{name}_{i}"] = over_seeds(
                f"mean cosine in the {name}, layer {i}", found[name][:, 0, i].tolist(), n=n, seeds=s
            )
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on five transformers and five convolutional models."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))

    def row(name: str) -> str:
        return ", ".join(f"{figures[f'{name}_{i}'].value:.2f}" for i in range(LAYERS + 1))

    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Mean cosines from the embedding up are {row('transformer')} in the transformer and "
            f"{row('convolution')} in the convolutional model; before training the transformer's "
            f"is {figures['untrained'].value:.2f}. With the mean subtracted it is "
            f"{figures['centred'].value:.3f}."
        ),
    )  # fmt: skip
