"""Mutual growth: a few known pairs grow into thousands by mutual nearest neighbours."""

from typing import ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.pair_growth import (
    COMPARISONS,
    Comparison,
    centred_directions,
    fitted_map,
    grown,
    taking_part,
)
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="mutual_growth",
    summary="A rotation from few pairs: mutual nearest neighbours become pairs, round after round.",
    paper=Paper(
        "Learning bilingual word embeddings with (almost) no bilingual data",
        "Artetxe, Labaka & Agirre",
        2017,
    ),
    pairs="some",
    invariant=("orthogonal", "translation"),
    equivariant=("orthogonal", "translation"),
    cost="n d m + d^3",
    memory="n d + d^2",
    min_rows=2,
)


@register(CARD)
class MutualGrowth(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The rotation (or ridge map) fitted on known pairs and on those that they make likely.

    Each round compares every source row with every target row by what the current pairs say of
    them, takes the rows that are each other's nearest by CSLS, 2 s_ij - r(i) - r(j), as the new
    pairs beside the known ones, and ends when the pairs stop changing. Known pairs stay as they
    are. All rows are centred and scaled to unit length for the comparison; the final map is fitted
    on the rows as they came.

    Parameters
    ----------
    by : what rows are compared by: ``codes``, the cosine of their similarities to the current
        pairs, which grows from the fewest pairs; ``orthogonal``, a rotation; ``ridge``, a ridge map
    final : the map fitted on the grown pairs, ``orthogonal`` or ``ridge``
    neighbours : k of CSLS
    rounds : at most so many rounds
    rng : seed or Generator of the rows that take part, where a side has more than 8,000

    Attributes
    ----------
    coef_ : (dx, dy) float64;  intercept_ : (dy,) float64
    pairs_ : (p, 2) int64, rows of X and y that were paired in the end, known pairs first
    rounds_ : rounds it took

    Raises
    ------
    InputError
        On rows that cannot be used, contradictory pairs, or none.

    References
    ----------
    Artetxe, Labaka & Agirre 2017, Learning bilingual word embeddings with (almost) no bilingual
    data; Lample et al. 2018, Word translation without parallel data, for CSLS; Moschella et al.
    2023 for the codes.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 5)) * [5, 4, 3, 2, 1]
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    >>> known = (np.arange(8), np.arange(8))
    >>> bool(MutualGrowth().fit(x, x @ turn, pairs=known).score(x, x @ turn) > 0.99)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE,
        "pairs_": ("p", "ends"),
        "rounds_": (),
    }

    pairs_: np.ndarray
    rounds_: int

    def __init__(
        self,
        *,
        by: Comparison = "codes",
        final: Literal["orthogonal", "ridge"] = "orthogonal",
        neighbours: int = 10,
        rounds: int = 20,
        rng: Seed = 0,
    ) -> None:
        self.by = by
        self.final = final
        self.neighbours = neighbours
        self.rounds = rounds
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Grow the known pairs of X (n, dx) and y (m, dy), and fit the map on all of them."""
        if self.by not in COMPARISONS or self.final not in ("orthogonal", "ridge"):
            raise InputError(
                "MutualGrowth", f"by={self.by!r}, final={self.final!r}",
                f"by one of {', '.join(COMPARISONS)}; final orthogonal or ridge",
            )  # fmt: skip
        x, target, i, j = all_rows(self, X, y, pairs, least=1)
        rng = generator(self.rng)
        (rows, i), (others, j) = taking_part(len(x), i, rng), taking_part(len(target), j, rng)
        x, target = x[rows], target[others]
        found, self.rounds_ = grown(
            centred_directions(x), centred_directions(target), i, j, by=self.by,
            neighbours=self.neighbours, rounds=self.rounds,
        )  # fmt: skip
        self.pairs_ = np.stack([rows[found.i], others[found.j]], axis=1).astype(np.int64)
        self.coef_, self.intercept_ = fitted_map(
            x[found.i], target[found.j], np.ones(len(found.i)), ridge=self.final == "ridge"
        )
        self.origin_ = np.zeros(len(self.coef_))
        return self
