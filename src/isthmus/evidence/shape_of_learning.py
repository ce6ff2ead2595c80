"""The shape of learning: anisotropy over layers, intrinsic dimension over training."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.transformers import held_out, hidden_states, trained
from isthmus.measures.layer_profile import layer_profile

SLUG = "shape-of-learning"
PAPER = Paper(
    "The Shape of Learning: Anisotropy and Intrinsic Dimensions in Transformer-Based Models",
    "Razzhigaev et al.", 2024,
)  # fmt: skip
CLAIM = (
    "In small character transformers the anisotropy of a decoder (share of variance on the first "
    "axis) peaks in a middle layer and an encoder's stays flatter; intrinsic dimension first rises "
    "and then falls during training."
)
TEXTS, ROWS = 100, 1000

Stacks = Callable[[str, int], dict[int, np.ndarray]]


def checkpoints(kind: str, seed: int) -> dict[int, np.ndarray]:
    """Hidden states (layers, texts, tokens, d) on held-out texts, by training step."""
    model = trained(kind, seed)
    batch = held_out(TEXTS, seed=seed)[1]
    return {step: hidden_states(model.model(step), batch) for step in sorted(model.checkpoints)}


def profiles(
    seeds: Sequence[int], stacks: Stacks
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Steps, final top shares of decoder and encoder (seeds, layers), dimensions (seeds, steps).

    The dimension is the decoder's, mean over blocks.
    """
    decoder, encoder, dimension = [], [], []
    for seed in seeds:
        over = stacks("decoder", seed)
        parts = layer_profile(over, most=ROWS).parts
        last = list(stacks("encoder", seed).values())[-1]
        decoder.append(parts["top_share"][-1])
        encoder.append(layer_profile(last, most=100).parts["top_share"])
        dimension.append(parts["dimension"][:, 1:].mean(axis=1))
    return tuple(over), np.array(decoder), np.array(encoder), np.array(dimension)


def experiment(seeds: Sequence[int], *, stacks: Stacks = checkpoints) -> dict[str, Figure]:
    """All figures over ``seeds``. The ends are what enters block 1 and what leaves the last block.

    A rise and a fall are each the gap to the highest dimension at any step strictly between first
    and last, the same step for all seeds.
    """
    steps, decoder, encoder, dimension = profiles(seeds, stacks)
    middle = decoder[:, 1:-1].max(axis=1)
    ends = np.maximum(decoder[:, 0], decoder[:, -1])
    # The step is chosen on the other seeds, so that a lucky maximum of noise counts for nothing.
    rise, fall = np.empty(len(dimension)), np.empty(len(dimension))
    for i in range(len(dimension)):
        others = np.delete(dimension, i, axis=0).mean(axis=0)
        top = 1 + int(np.argmax(others[1:-1]))
        rise[i] = dimension[i, top] - dimension[i, 0]
        fall[i] = dimension[i, top] - dimension[i, -1]
    flat = np.ptp(decoder, axis=1) - np.ptp(encoder, axis=1)
    n, s = TEXTS, tuple(seeds)

    def figure(what: str, values: np.ndarray, least: float | None = None) -> Figure:
        return over_seeds(what, values.tolist(), n=n, seeds=s, at_least=least)

    figures = {
        "peak": figure("decoder's top share, highest inner layer above ends", middle - ends, 0),
        "flatter": figure("range over layers, decoder's above encoder's", flat, 0),
        "rise": figure("dimension at its height above the first step", rise, 0),
        "fall": figure("dimension at its height above the last step", fall, 0),
    }
    for i in range(decoder.shape[1]):
        figures[f"decoder_{i}"] = figure(f"decoder's top share, layer {i}", decoder[:, i])
        figures[f"encoder_{i}"] = figure(f"encoder's top share, layer {i}", encoder[:, i])
    for j, step in enumerate(steps):
        figures[f"dimension_{step}"] = figure(
            f"decoder's dimension at step {step}, mean over blocks", dimension[:, j]
        )
    return figures


def said(figures: Mapping[str, Figure]) -> str:
    """What the figures show, whatever becomes of the claim."""

    def values(name: str) -> list[float]:
        return [figure.value for key, figure in figures.items() if key.startswith(name)]

    def row(name: str) -> str:
        return ", ".join(f"{value:.2f}" for value in values(name))

    steps = ", ".join(key[10:] for key in figures if key.startswith("dimension_"))
    rises = [float(np.ptp(values(name)[1:])) for name in ("decoder_", "encoder_")]
    return (
        f"Top shares from the embedding up are {row('decoder_')} in the decoder and "
        f"{row('encoder_')} in the encoder. Over the blocks alone these means span "
        f"{rises[0]:.2f} in the decoder and {rises[1]:.2f} in the encoder. The decoder's mean "
        f"dimension after {steps} steps is {row('dimension_')}."
    )


def run(*, seed: int = 0) -> Evidence:
    """The claim on five decoders and five encoders."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures, what_holds=said(figures)
    )
