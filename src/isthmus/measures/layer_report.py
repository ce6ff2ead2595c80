r"""Layer report: which layer of a model to embed, index or bridge, judged without labels."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.layers import entropy, stack, unit_rows

CARD = Card(
    name="layer_report",
    summary="Entropy, curvature and invariance of every layer, and the layer they recommend.",
    paper=Paper(
        "Layer by Layer: Uncovering Hidden Representations in Language Models", "Skean et al.", 2025
    ),
    cost="n^2 d + n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale"),
    jointly=True,
    spaces=0,
    paired=False,
    min_rows=4,
)

#: Sequences behind DiME, whose matrices are (sequences, sequences), and shuffles of it.
_MOST, _SHUFFLES = 256, 10
#: Temperature of InfoNCE, and what is added to within-sequence variance, as share of its mean.
_TEMPERATURE, _DELTA = 0.1, 1e-4


@register(CARD)
def layer_report(hidden_by_layer: Any, views: Sequence[Any], *, rng: Seed = 0) -> Score:
    r"""The number of the recommended layer, from 0, and what every layer scores.

    .. math:: \arg\min_l \; \mathrm{rank}_l(\mathrm{InfoNCE}) + \mathrm{rank}_l(-\mathrm{LiDAR})
              + \mathrm{rank}_l(-\mathrm{DiME})

    ``views`` hold the hidden states of altered copies of the same sequences (a typo, a dropped
    word). A sequence's vector z is the mean over its tokens. Parts, one value per layer:

    - ``prompt_entropy``: von Neumann entropy of a sequence's unit tokens / log min(tokens, d), mean
    - ``dataset_entropy``: the same of the unit vectors z of all sequences
    - ``curvature``: mean angle between successive steps h_{t+1} - h_t of a sequence, radians
    - ``infonce``: contrastive loss of the unit z of two views at temperature 0.1, nats, mean over
      pairs of views; low when a copy is nearer to its original than all else
    - ``lidar``: exp of the entropy of the eigenvalues of Σ_w^{-1/2} Σ_b Σ_w^{-1/2}, the axes along
      which sequences differ by more than their copies do
    - ``dime``: S(A ∘ ΠBΠᵀ) - S(A ∘ B) for the cosine matrices A, B of the sequences in the original
      and the first view, mean over shuffles Π: what the views share, nats

    The recommended layer has the best mean rank by ``infonce`` (low), ``lidar`` and ``dime``
    (high), first of equals; ``rank`` holds it. A warning tells when they name different layers.
    Without labels it is a guess: check it on a task where one exists.

    Parameters
    ----------
    hidden_by_layer : (layers, sequences, tokens, d), as one array or one array per layer
    views : one or more stacks alike, of altered copies; tokens may differ in number
    rng : seed of the shuffles, and of the choice of 256 sequences for ``dime`` where more are given

    Raises
    ------
    InputError
        On other shapes, non-finite values, no views, fewer than 4 sequences or 3 tokens, or a layer
        of equal vectors.

    References
    ----------
    Skean et al. 2025, "Layer by Layer"; Thilak et al. 2023 for LiDAR; Skean et al. 2023 for DiME;
    van den Oord et al. 2018 for InfoNCE.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> text = np.repeat(rng.normal(size=(2, 20, 1, 5)), 4, axis=2)
    >>> noisy = text + rng.normal(size=(2, 2, 20, 4, 5)) * np.array([3, 0.3])[:, None, None, None]
    >>> layer_report(noisy[0], [noisy[1]]).value
    1.0
    """
    operation = "layer_report"
    layers = stack(hidden_by_layer, operation=operation, axes=3)
    copies = [stack(v, operation=operation, axes=3, name=f"view {i}") for i, v in enumerate(views)]
    count, tokens = layers[0].shape[:2]
    if not copies or count < CARD.min_rows or tokens < 3:
        raise InputError(
            operation,
            f"{len(copies)} views, {count} sequences of {tokens} tokens: layers {layers[0].shape}",
            f"at least 1 view, {CARD.min_rows} sequences and 3 tokens",
            "Bring longer or more sequences, and a view of each.",
        )
    for one in copies:
        same = [(len(layer), layer.shape[-1]) for layer in one]
        if same != [(count, layer.shape[-1]) for layer in layers]:
            raise InputError(
                operation,
                f"a view of {len(one)} layers and {len(one[0])} sequences",
                f"{len(layers)} layers and {count} sequences like the original, of equal widths",
                "Run the altered sequences through the same layers.",
            )
    draw = generator(rng)
    picked = np.sort(draw.choice(count, min(count, _MOST), replace=False))
    orders = [draw.permutation(len(picked)) for _ in range(_SHUFFLES)]
    found = []
    for number, layer in enumerate(layers):
        pooled = np.stack([layer.mean(axis=1), *(one[number].mean(axis=1) for one in copies)])
        if not np.ptp(pooled[0], axis=0).any():
            raise InputError(
                operation,
                f"layer {number}, whose {count} sequences have one mean, of shape {layer.shape}",
                "vectors that vary",
                "Look at how these vectors were made: the encoder may have collapsed.",
            )
        middle = pooled.mean(axis=0)
        if np.ptp(middle, axis=0).max() <= 8 * np.finfo(float).eps * np.abs(pooled).max():
            raise InputError(
                operation,
                f"layer {number}, whose sequences all have one mean over their views",
                "views that are near to their originals",
                "Make views that alter a sequence and do not turn it round.",
            )
        unit = unit_rows(pooled)
        pairs = list(combinations(range(len(unit)), 2))
        found.append({
            "prompt_entropy": _prompt_entropy(layer),
            "dataset_entropy": _dataset_entropy(unit[0]),
            "curvature": _curvature(layer),
            "infonce": float(np.mean([_infonce(unit[i], unit[j]) for i, j in pairs])),
            "lidar": _lidar(pooled),
            "dime": _dime(unit[0, picked], unit[1, picked], orders),
        })  # fmt: skip
    parts = {key: np.array([one[key] for one in found]) for key in found[0]}
    from scipy.stats import rankdata

    goodness = (-parts["infonce"], parts["lidar"], parts["dime"])
    parts["rank"] = np.mean([rankdata(-one) for one in goodness], axis=0)
    best = [int(np.argmax(one)) for one in goodness]
    warnings: tuple[str, ...] = ()
    if len(set(best)) > 1:
        named = zip(("InfoNCE", "LiDAR", "DiME"), best, strict=True)
        warnings = ("best layers differ: " + ", ".join(f"{n} names {i}" for n, i in named),)
    return Score(
        value=float(np.argmin(parts["rank"])),
        method=operation,
        n=count,
        warnings=warnings,
        parts=parts,
    )


def _von_neumann(unit: np.ndarray) -> float:
    """Entropy of the eigenvalues of uᵀu / n for unit rows u, nats."""
    return float(entropy(np.linalg.svd(unit, compute_uv=False) ** 2))


def _prompt_entropy(layer: np.ndarray) -> float:
    unit = unit_rows(layer)
    few = min(layer.shape[1:])
    values = [_von_neumann(tokens) for tokens in unit if tokens.any()]
    if not values or few < 2:
        return 0.0
    return float(np.mean(values)) / math.log(few)


def _dataset_entropy(unit: np.ndarray) -> float:
    few = min(unit.shape)
    return _von_neumann(unit) / math.log(few) if few > 1 else 0.0


def _curvature(layer: np.ndarray) -> float:
    steps = unit_rows(np.diff(layer, axis=1))
    cosines = np.sum(steps[:, 1:] * steps[:, :-1], axis=-1)
    return float(np.arccos(np.clip(cosines, -1.0, 1.0)).mean())


def _infonce(one: np.ndarray, two: np.ndarray) -> float:
    """Mean of -log(e^(s_pos/τ) / Σ e^(s/τ)) over the rows of both, themselves not in the sum."""
    from scipy.special import logsumexp

    both = np.concatenate([one, two])
    n, total = len(one), 0.0
    for start in range(0, 2 * n, 512):
        rows = np.arange(start, min(start + 512, 2 * n))
        scores = both[rows] @ both.T / _TEMPERATURE
        scores[np.arange(len(rows)), rows] = -np.inf
        right = scores[np.arange(len(rows)), (rows + n) % (2 * n)]
        total += float(np.sum(logsumexp(scores, axis=1) - right))
    return total / (2 * n)


def _lidar(pooled: np.ndarray) -> float:
    """Of the sequence vectors (views, sequences, d)."""
    middle = pooled.mean(axis=0)
    within = (pooled - middle).reshape(-1, pooled.shape[-1])
    between = middle - middle.mean(axis=0)
    values, vectors = symmetric_eigen(within.T @ within / len(within))
    # A share of the trace and not an absolute number, so that the scale of a layer plays no part.
    floor = _DELTA * (float(values.mean()) or float(np.mean(between**2)))
    scaled = between @ (vectors / np.sqrt(values + floor))
    return float(np.exp(entropy(np.linalg.svd(scaled, compute_uv=False) ** 2)))


def _dime(one: np.ndarray, two: np.ndarray, orders: list[np.ndarray]) -> float:
    a, b = one @ one.T, two @ two.T

    def joint(other: np.ndarray) -> float:
        return float(entropy(np.linalg.eigvalsh(a * other)))

    return float(np.mean([joint(b[np.ix_(o, o)]) for o in orders])) - joint(b)
