"""Representation biases: features computed equally well are not represented equally."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import classifier, hidden
from isthmus.measures.bias_audit import bias_audit

SLUG = "representation-biases"
PAPER = Paper(
    "Learned feature representations are biased by complexity, learning order, position, and more",
    "Lampinen et al.",
    2024,
)
CLAIM = (
    "In an MLP trained on a linear and an XOR feature of its inputs, both at least 99 % accurate, "
    "the linear feature explains at least twice the variance of the hidden layer that the XOR "
    "feature does, in at least 8 of 10 seeds."
)
ROWS, INPUTS, EPOCHS = 2000, 12, 30
LAYERS = (64, 32)
DEEP = (128, 128, 64, 64)

#: From inputs (n, p), features (n, 2), layers and a seed to the last hidden layer's activations.
Hidden = Callable[[np.ndarray, np.ndarray, tuple[int, ...], int], np.ndarray]


def inputs(rng: np.random.Generator, *, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of ±1 (n, p), and two features of them (n, 2): the first sign, and the XOR of two."""
    x = rng.choice([-1.0, 1.0], size=(rows, INPUTS))
    return x, np.column_stack([x[:, 0] > 0, x[:, 1] * x[:, 2] < 0]).astype(np.int64)


def trained(x: np.ndarray, features: np.ndarray, layers: tuple[int, ...], seed: int) -> np.ndarray:
    """The last hidden layer of an MLP that computes both features, one output each."""
    network = classifier(x, features, layers=layers, epochs=EPOCHS, seed=seed)
    return hidden(network, x, layer=len(layers))


def measured(
    seeds: Sequence[int], layers: tuple[int, ...], train: Hidden = trained
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of variance and accuracies of the two features: (seeds, 2) each."""
    audits = []
    for seed in seeds:
        x, features = inputs(np.random.default_rng(seed))
        audits.append(bias_audit(train(x, features, layers, seed), features, rng=seed))
    return tuple(np.array([a.parts[key] for a in audits]) for key in ("shares", "accuracy"))  # type: ignore[return-value]


def shared_easy_feature(seed: int, train: Hidden = trained) -> tuple[float, float]:
    """Debiased CKA of two networks that share the linear feature only, and what is left of it."""
    x, features = inputs(np.random.default_rng(seed))
    second = features.copy()
    second[:, 1] = x[:, 3] * x[:, 4] < 0
    one, two = train(x, features, LAYERS, seed), train(x, second, LAYERS, seed + 1)
    score = bias_audit(one, features, other=two, rng=seed)
    return float(score.parts["cka"]), float(score.parts["cka_without"][0])


def experiment(seeds: Sequence[int], *, train: Hidden = trained) -> dict[str, Figure]:
    """All figures; ``train`` may be replaced by what represents both features alike."""
    s = tuple(seeds)
    shares, accuracy = measured(seeds, LAYERS, train)
    ratio = shares[:, 0] / shares[:, 1]
    deep_shares, deep_accuracy = measured(seeds[:5], DEEP, train)
    deep = deep_shares[:, 0] / deep_shares[:, 1]
    whole, left = zip(*(shared_easy_feature(seed, train) for seed in seeds[:5]), strict=True)
    return {
        "accuracy": Figure(
            what="least accuracy of either feature read from the last hidden layer, worst seed",
            value=float(accuracy.min()), n=ROWS, seeds=s, at_least=0.99,
        ),
        "seeds": Figure(
            what=f"seeds of {len(s)} where the linear feature explains twice the variance",
            value=float(np.sum(ratio >= 2)), n=len(s), seeds=s, at_least=0.8 * len(s),
        ),
        "ratio": over_seeds(
            "variance explained by the linear feature over that by XOR", list(ratio), n=ROWS,
            seeds=s,
        ),
        "larger": Figure(
            what="seeds where it explains more at all", value=float(np.sum(ratio > 1)), n=len(s),
            seeds=s,
        ),
        "linear": over_seeds("share of the linear feature", list(shares[:, 0]), n=ROWS, seeds=s),
        "xor": over_seeds("share of the XOR feature", list(shares[:, 1]), n=ROWS, seeds=s),
        "deep ratio": over_seeds(
            f"the same ratio in the last of {len(DEEP)} hidden layers", list(deep), n=ROWS,
            seeds=s[:5],
        ),
        "deep accuracy": Figure(
            what="least accuracy there", value=float(deep_accuracy.min()), n=ROWS, seeds=s[:5]
        ),
        "cka": over_seeds(
            "debiased CKA of two networks that share the linear feature alone", whole, n=ROWS,
            seeds=s[:5],
        ),
        "cka without": over_seeds(
            "what is left of it without that feature", left, n=ROWS, seeds=s[:5]
        ),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on ten seeds; under a minute."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 10))
    f = {key: figure.value for key, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"With layers {LAYERS} and at least {f['accuracy']:.1%} accuracy the linear feature "
            f"explains {f['ratio']:.2f} times the variance of the last hidden layer that XOR does "
            f"({f['linear']:.0%} and {f['xor']:.0%}), more in {f['larger']:.0f} of 10 seeds and "
            f"twice as much in {f['seeds']:.0f}; with layers {DEEP} {f['deep ratio']:.2f} times. "
            f"Two networks that share the linear feature alone have a CKA of {f['cka']:.2f}, of "
            f"which {f['cka without']:.2f} is left without it."
        ),
    )  # fmt: skip
