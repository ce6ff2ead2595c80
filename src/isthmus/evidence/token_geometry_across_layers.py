"""The geometry of tokens: shuffled prompts, and prompts of high loss, fill more dimensions."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.transformers import held_out, hidden_states, prompt_losses, trained
from isthmus.measures.layer_geometry import layer_geometry

SLUG = "token-geometry-across-layers"
PAPER = Paper(
    "The Geometry of Tokens in Internal Representations of Large Language Models",
    "Viswanathan et al.", 2025,
)  # fmt: skip
CLAIM = (
    "In the middle layer of a small character transformer the tokens of shuffled prompts have a "
    "higher intrinsic dimension than those of the prompts themselves, and over prompts the rank "
    "correlation between loss and intrinsic dimension is at least 0.3."
)
PROMPTS = 200

Case = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def shuffle(batch: np.ndarray, seed: int) -> np.ndarray:
    """Each prompt's codes in a random order of its own."""
    return np.random.default_rng(seed).permuted(batch, axis=1)


def decoder_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hidden states (layers, prompts, tokens, d) plain and shuffled, and losses (prompts,)."""
    model, batch = trained("decoder", seed).model(), held_out(PROMPTS, seed=seed)[1]
    return (
        hidden_states(model, batch),
        hidden_states(model, shuffle(batch, seed)),
        prompt_losses(model, batch),
    )


def experiment(seeds: Sequence[int], *, case: Case = decoder_case) -> dict[str, Figure]:
    """All figures over ``seeds``, each a model and prompts of its own."""
    dimension, excess, correlation, overlap = [], [], [], []
    for seed in seeds:
        plain, shuffled, losses = case(seed)
        parts = layer_geometry(plain, shuffled=shuffled, losses=losses).parts
        dimension.append(parts["dimension"].mean(axis=1))
        excess.append(parts["excess"])
        correlation.append(parts["loss_rank_correlation"])
        overlap.append(parts["overlap"].mean())
    tables = [np.array(one) for one in (dimension, excess, correlation)]
    middle, n, s = tables[0].shape[1] // 2, PROMPTS, tuple(seeds)
    figures = {
        "excess": over_seeds(
            "dimension of shuffled above plain prompts, middle layer",
            tables[1][:, middle].tolist(), n=n, seeds=s, at_least=0.0,
        ),
        "correlation": over_seeds(
            "rank correlation of loss and dimension, middle layer",
            tables[2][:, middle].tolist(), n=n, seeds=s, at_least=0.3,
        ),
        "overlap": over_seeds(
            "neighbours kept from layer to layer", [float(one) for one in overlap], n=n, seeds=s
        ),
    }  # fmt: skip
    named = zip(
        ("dimension", "excess", "correlation"),
        ("dimension of a prompt", "shuffled above plain", "rank correlation with loss"),
        tables, strict=True,
    )  # fmt: skip
    for key, what, table in named:
        for i in range(table.shape[1]):
            figures[f"{key}_{i}"] = over_seeds(
                f"{what}, layer {i}", table[:, i].tolist(), n=n, seeds=s
            )
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on five decoders, 200 held-out prompts each."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))

    def row(name: str) -> str:
        return ", ".join(
            f"{one.value:.2f}" for key, one in figures.items() if key.startswith(f"{name}_")
        )

    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Layer by layer from the embedding up, a prompt's dimension is {row('dimension')}; "
            f"shuffling adds {row('excess')}; its rank correlation with the prompt's loss is "
            f"{row('correlation')}."
        ),
    )  # fmt: skip
