"""Feature collapse: words that play one role get one vector, if their norms are held."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.errors import MissingExtra
from isthmus.core.score import Score
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.collapse_score import collapse_score

SLUG = "feature-collapse"
PAPER = Paper("Feature Collapse", "Laurent et al.", 2023)
CLAIM = (
    "In a two-layer network that names the pattern of roles behind sentences of words with Zipf's "
    "frequencies, LayerNorm brings the collapse score of words by role below 0.05 at a test "
    "accuracy above 95 %, and without it the score stays at least five times as large."
)
ROLES, WORDS, LENGTH, PATTERNS = 3, 120, 10, 60
WIDTH, COPIES, TESTS = 20, 40, 20
EPOCHS, RATE, DECAY, BATCH = 300, 2.0, 3e-3, 300


def sentences(
    patterns: np.ndarray, copies: int, rng: np.random.Generator, *, words: int = WORDS
) -> tuple[np.ndarray, np.ndarray]:
    """``copies`` sentences (n, length) of word numbers for every pattern of roles, and its number.

    Word j of each role has a frequency proportional to 1 / (j + 1); role r owns words
    r words / roles and on.
    """
    each = words // ROLES
    frequency = 1 / np.arange(1, each + 1)
    kinds = np.repeat(patterns, copies, axis=0)
    drawn = rng.choice(each, kinds.shape, p=frequency / frequency.sum())
    return kinds * each + drawn, np.repeat(np.arange(len(patterns)), copies)


def trained(
    seed: int, *, norm: bool, epochs: int = EPOCHS, words: int = WORDS
) -> tuple[np.ndarray, float]:
    """Word vectors (words, width), as the second layer gets them, and the test accuracy.

    The first layer gives every word a vector, the second is linear in all of a sentence's vectors;
    both decay. With ``norm`` each vector passes through LayerNorm in between.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(f"reproduce {SLUG}", "torch", "torch") from error
    rng = np.random.default_rng(seed)
    patterns = rng.integers(ROLES, size=(PATTERNS, LENGTH))
    x, y = (torch.tensor(a) for a in sentences(patterns, COPIES, rng, words=words))
    test, truth = (torch.tensor(a) for a in sentences(patterns, TESTS, rng, words=words))
    first = torch.tensor(rng.normal(size=(words, WIDTH)), dtype=torch.float32).requires_grad_()
    second = torch.tensor(
        rng.normal(0, (LENGTH * WIDTH) ** -0.5, (LENGTH * WIDTH, PATTERNS)), dtype=torch.float32
    ).requires_grad_()
    optimiser = torch.optim.SGD([first, second], lr=RATE, weight_decay=DECAY)

    def vectors(numbers: torch.Tensor) -> torch.Tensor:
        found = first[numbers]
        return torch.nn.functional.layer_norm(found, (WIDTH,)) if norm else found

    for _ in range(epochs):
        order = torch.tensor(rng.permutation(len(x)))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            scores = vectors(x[rows]).flatten(1) @ second
            loss: Any = torch.nn.functional.cross_entropy(scores, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        right = (vectors(test).flatten(1) @ second).argmax(dim=1) == truth
        return vectors(torch.arange(words)).double().numpy(), float(right.float().mean())


def experiment(
    seeds: Sequence[int], *, epochs: int = EPOCHS, words: int = WORDS,
    measure: Callable[..., Score] = collapse_score,
) -> dict[str, Figure]:  # fmt: skip
    """Collapse and accuracy with and without LayerNorm."""
    role = np.arange(words) // (words // ROLES)
    rare = np.arange(words) % (words // ROLES) >= words // ROLES // 2
    found = []
    for seed in seeds:
        (with_norm, right), (without, also) = (
            trained(seed, norm=norm, epochs=epochs, words=words) for norm in (True, False)
        )
        one, two = float(measure(with_norm, role)), float(measure(without, role))
        parts = [float(measure(without[rows], role[rows])) for rows in (rare, ~rare)]
        found.append((one, two, two / one, right, also, *parts))
    columns = list(zip(*found, strict=True))

    def figure(
        column: int, what: str, at_least: float | None = None, at_most: float | None = None
    ) -> Figure:
        return over_seeds(
            what, columns[column], n=words, seeds=seeds, at_least=at_least, at_most=at_most
        )

    return {
        "norm": figure(0, "collapse score of words with LayerNorm", at_most=0.05),
        "norm_accuracy": figure(3, "test accuracy with LayerNorm", at_least=0.95),
        "ratio": figure(2, "collapse score without LayerNorm over that with it", at_least=5.0),
        "plain": figure(1, "collapse score without LayerNorm"),
        "plain_accuracy": figure(4, "test accuracy without LayerNorm"),
        "plain_rare": figure(5, "collapse score of the rarer half of words without LayerNorm"),
        "plain_common": figure(6, "collapse score of the more common half without LayerNorm"),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds; about two minutes."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"With LayerNorm the score is {value['norm']:.3f} at {value['norm_accuracy']:.1%} of "
            f"test sentences right, without it {value['plain']:.2f} at "
            f"{value['plain_accuracy']:.1%}: {value['ratio']:.0f} times as large. Without it the "
            f"rarer half of words reads {value['plain_rare']:.2f} and the more common half "
            f"{value['plain_common']:.2f}."
        ),
    )  # fmt: skip
