"""Densified pairs: a teacher from few pairs annotates more, a student learns from them all."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.matching import Partners
from isthmus.bridges.pair_growth import (
    centred_directions,
    fitted_map,
    grown,
    taking_part,
)
from isthmus.bridges.rows import Pairing, all_rows, known_pairs
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="densified_pairs",
    summary="A teacher from few pairs annotates confident ones; a student refits, weighing them.",
    paper=Paper(
        "Match me if you can: Semi-Supervised Semantic Correspondence Learning with Unpaired "
        "Images",
        "Kim et al.",
        2023,
    ),
    pairs="some",
    invariant=("orthogonal", "translation"),
    equivariant=("orthogonal", "translation"),
    cost="n d m + d^3",
    memory="n d + d^2",
    min_rows=2,
)


def expand_pairs(
    A: Array,
    B: Array,
    seed_pairs: Pairing,
    *,
    confidence: float = 0.1,
    generations: int = 5,
    rng: Seed = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Pseudo-pairs of two spaces from a few known pairs, each with a confidence.

    The teacher compares rows by the cosine of their relative codes, similarities to the pairs so
    far weighted by confidence, and annotates rows that are each other's nearest by CSLS with
    P(j | i) P(i | j); those at least ``confidence`` sure teach the next generation.

    Parameters
    ----------
    A, B : (n, dx) and (m, dy) arrays
    seed_pairs : known pairs (i, j), at least one
    confidence : the least that a pseudo-pair needs, in [0, 1)
    generations : how many students become teachers, at most
    rng : seed or Generator of the rows that take part, where a side has more than 8,000

    Returns
    -------
    i, j : (p,) int64 row numbers, the known pairs first
    confidences : (p,) float64 in (0, 1], 1 for known pairs

    Raises
    ------
    InputError
        On rows or pairs that cannot be used, no pair, or a confidence outside [0, 1).

    References
    ----------
    Kim et al. 2023, Match me if you can.

    >>> x = np.random.default_rng(0).normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> i, j, sure = expand_pairs(x, x[:, ::-1], (np.arange(6), np.arange(6)))
    >>> bool(len(i) > 100), bool(np.mean(i == j) > 0.95)
    (True, True)
    """
    x = to_numpy(matrix("A", A, operation="expand pairs")).astype(np.float64)
    y = to_numpy(matrix("B", B, operation="expand pairs")).astype(np.float64)
    i, j = known_pairs(seed_pairs, len(x), len(y), operation="expand pairs")
    if not len(i):
        raise InputError("expand pairs", "no known pair", "at least one")
    found = _expanded(x, y, i, j, confidence, generations, generator(rng))
    return found.i, found.j, found.confidence


@register(CARD)
class DensifiedPairs(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The rotation fitted on known pairs and on confident machine-made ones, by confidence.

    W maximises tr(Wᵀ Σ_p c_p x̃_p ỹ_pᵀ) over the pairs of ``expand_pairs``, with c_p the confidence
    in a pair and rows centred at their weighted means.

    Parameters
    ----------
    confidence : the least that a pseudo-pair needs, in [0, 1)
    generations : how many students become teachers, at most
    rng : seed or Generator of the rows that take part, where a side has more than 8,000

    Attributes
    ----------
    coef_ : (dx, dy) float64;  intercept_ : (dy,) float64
    pairs_ : (p, 2) int64, rows of X and y that were paired in the end, known pairs first
    confidences_ : (p,) float64

    Raises
    ------
    InputError
        On rows that cannot be used, contradictory pairs, or none.

    References
    ----------
    Kim et al. 2023, Match me if you can: Semi-Supervised Semantic Correspondence Learning with
    Unpaired Images.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 5)) * [5, 4, 3, 2, 1]
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    >>> bridge = DensifiedPairs().fit(x, x @ turn, pairs=(np.arange(8), np.arange(8)))
    >>> bool(bridge.score(x, x @ turn) > 0.99)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE,
        "pairs_": ("p", "ends"),
        "confidences_": ("p",),
    }

    pairs_: np.ndarray
    confidences_: np.ndarray

    def __init__(self, *, confidence: float = 0.1, generations: int = 5, rng: Seed = 0) -> None:
        self.confidence = confidence
        self.generations = generations
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Expand the known pairs of X (n, dx) and y (m, dy), and fit the student on all of them."""
        x, target, i, j = all_rows(self, X, y, pairs, least=1)
        found = _expanded(x, target, i, j, self.confidence, self.generations, generator(self.rng))
        self.pairs_ = np.stack([found.i, found.j], axis=1)
        self.confidences_ = found.confidence
        self.coef_, self.intercept_ = fitted_map(x[found.i], target[found.j], found.confidence)
        self.origin_ = np.zeros(len(self.coef_))
        return self


def _expanded(
    x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray,
    confidence: float, generations: int, rng: np.random.Generator,
) -> Partners:  # fmt: skip
    if not 0 <= confidence < 1 or generations < 1:
        raise InputError(
            "expand pairs", f"confidence={confidence}, generations={generations}",
            "0 <= confidence < 1 and generations >= 1",
        )  # fmt: skip
    (rows, i), (others, j) = taking_part(len(x), i, rng), taking_part(len(y), j, rng)
    found, _ = grown(
        centred_directions(x[rows]), centred_directions(y[others]), i, j,
        rounds=generations, least=confidence, weighted=True,
    )  # fmt: skip
    return Partners(
        rows[found.i].astype(np.int64), others[found.j].astype(np.int64), found.confidence
    )
