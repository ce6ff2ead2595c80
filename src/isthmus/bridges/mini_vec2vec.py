"""mini-vec2vec: clusters matched by quadratic assignment, then rotations refined; no pairs."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.agreement import LEAST, agreement, demand
from isthmus.bridges.assignment import quadratic_assignment
from isthmus.bridges.clusters import k_means
from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.matching import neighbour_means
from isthmus.bridges.pair_growth import compared_by_anchors
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.bridges.self_training import unit_rows
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import procrustes
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="mini_vec2vec",
    summary="Rotation without pairs: assigned cluster centres, pseudo-pairs, Procrustes rounds.",
    paper=Paper(
        "mini-vec2vec: Scaling Universal Geometry Alignment with Linear Transformations",
        "Dar",
        2025,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n^2 d + n m d",
    memory="n d + n m",
    library="NumPy",
    pairs="none",
    quick=(("runs", 2), ("refinements", 3), ("clusters", 8)),
    min_rows=2,
)

#: Rows a side that each run clusters, target rows a pseudo-pair averages, source rows per round.
_SAMPLE, _NEAREST, _ROUND = 10_000, 50, 10_000
#: Random starts of one assignment, clusters of the last refinement, and the rows it clusters.
_STARTS, _FINE, _FINE_ROWS = 30, 500, 20_000
#: Rows a side of the rounds while W still turns, and the fewest that a pseudo-pair then averages.
_EARLY, _FEWEST = (2048, 10_000), 8
#: The step of those rounds, where the published one is half, so that half as many are enough.
_STEP = 1.5
#: Rounds on more rows than that, among all of the target's.
_LAST = 8
#: Mean change of a direction by one round, in radians, at which rounds have settled.
_SETTLED = 2e-3


@register(CARD)
class MiniVec2vec(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The orthogonal-like W between unit rows about the mean that the published steps find.

    Of ``runs`` runs, each clusters a sample of either side and numbers the target's centres so that
    Σ_kl g^x_kl g^y_p(k)p(l) is large, g the Gram matrices of the centred centres: the best of 30
    descents by 2-opt. All matched centres are anchors, and rows are described by their cosines to
    them. A row's pseudo-partner is the mean of the 50 target rows with the nearest description,
    and Procrustes gives W. Then up to ``refinements`` rounds average W with the Procrustes map
    from 10,000 rows to the mean of the 50 target rows nearest to x W, until W stays as it is. While
    W turns, rounds see the same 2,048 source and 10,000 target rows and take steps three
    times as long, half as often; where there are more rows, 8 averaged rounds follow. Last, 500
    source clusters carried across by W start those of the target, and W is averaged with the map
    between the two.

    Known pairs stand beside the pseudo-pairs of every step; where all rows are pairs the map is
    Procrustes on them alone. Sides of unequal width are padded with zeros. All this is done once
    more on random halves of both sides; ``confidence_`` is the share of rows for which both maps
    choose the same target row, and below ``least`` there is no bridge. The last rounds then take
    the second map to all rows too, and of the two that one is kept whose rows come nearer to the
    means of their 50 nearest.

    Parameters
    ----------
    runs : clusterings that give anchors
    clusters : per run
    refinements : rounds of the first refinement, at most
    least : confidence below which it refuses, unless there are more known pairs than dims
    rng : seed or Generator

    Attributes
    ----------
    coef_ : (dx, dy);  intercept_ : (dy,)
    confidence_ : in [0, 1], see above

    Raises
    ------
    InputError
        On rows that cannot be used.
    NoReliableBridge
        When the map is not told from one between unrelated spaces.

    References
    ----------
    Dar 2025, mini-vec2vec.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(20, 16))[rng.integers(20, size=900)] + rng.normal(size=(900, 16)) / 3
    >>> turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    >>> bridge = MiniVec2vec(runs=8, refinements=8).fit(x[:600], x[300:] @ turn, pairs=())
    >>> bridge.score(x, x @ turn) > 0.9
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "confidence_": ()}

    confidence_: float

    def __init__(
        self,
        *,
        runs: int = 30,
        clusters: int = 20,
        refinements: int = 100,
        least: float = LEAST,
        rng: Seed = 0,
    ) -> None:
        self.runs = runs
        self.clusters = clusters
        self.refinements = refinements
        self.least = least
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on X (n, dx) and y (m, dy); ``pairs=()`` where none is known."""
        x, target, i, j = all_rows(self, X, y, pairs)
        if min(self.runs, self.clusters) < 1 or self.refinements < 0:
            raise InputError(
                "MiniVec2vec", f"runs={self.runs}, clusters={self.clusters}", "at least 1 of each"
            )
        rng = generator(self.rng)
        means = x.mean(axis=0), target.mean(axis=0)
        a, b = (unit_rows(s - mean) for s, mean in zip((x, target), means, strict=True))
        known = a[i], b[j]
        if len(i) == len(x) == len(target):
            # Nothing is left to find, and float64 costs little.
            exact = (unit(side - mean) for side, mean in zip((x[i], target[j]), means, strict=True))
            w, self.confidence_ = procrustes(next(exact).T @ next(exact))[0], 1.0
        else:
            w = self._refined(a, b, known, rng)
            halves = _some(a, -(-len(a) // 2), rng), _some(b, -(-len(b) // 2), rng)
            witness = self._refined(*halves, known, rng)
            ends = [unit_rows(a @ one.astype(np.float32)) for one in (w, witness)]
            self.confidence_ = agreement(ends[0], ends[1], b)
            if len(i) <= max(w.shape):
                demand("MiniVec2vec.fit", self.confidence_, self.least)
            # Rounds end in the optimum nearest to their start, so two starts are better than one.
            rows = _some(a, _EARLY[0], rng)
            other = self._settled(a, b, witness, known, rng)
            w = max(w, other, key=lambda one: _nearness(rows, b, one))
        # Rows had length one inside; the scale between the spaces is that of their spread.
        self._turn_about_means(w, x, target)
        return self

    def _start(
        self,
        a: np.ndarray,
        b: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        k = max(1, min(self.clusters, len(a) // 2, len(b) // 2))
        centres = np.stack([
            np.stack([_padded(k_means(_some(side, _SAMPLE, rng), k, rng=rng), a, b)
                      for side in (a, b)]) for _ in range(self.runs)
        ])  # (runs, 2, k, d)  # fmt: skip
        centred = centres - centres.mean(axis=2, keepdims=True)
        gram = centred @ centred.swapaxes(2, 3)
        starts = rng.permuted(np.tile(np.arange(k), (self.runs, _STARTS, 1)), axis=2)
        found, scores = quadratic_assignment(gram[:, None, 0], gram[:, None, 1], starts)
        best = found[np.arange(self.runs), scores.argmax(axis=1)]
        anchors_a = np.concatenate([*centres[:, 0, :, : a.shape[1]], known[0]])
        anchors_b = np.concatenate(
            [*(c[p, : b.shape[1]] for c, p in zip(centres[:, 1], best, strict=True)), known[1]]
        )
        rows = _some(a, _ROUND, rng)
        codes = compared_by_anchors(rows, b, unit_rows(anchors_a), unit_rows(anchors_b))
        return _turn(rows, neighbour_means(*codes, b, _NEAREST), known)

    def _refined(
        self,
        a: np.ndarray,
        b: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        w = self._start(a, b, known, rng)
        few, among = (_some(s, most, rng) for s, most in zip((a, b), _EARLY, strict=True))
        last = self._last(a, b)
        near = max(_FEWEST, round(_NEAREST * len(among) / len(b)))
        # The same rows every time leave no noise to average away, so steps may be longer than half.
        for _ in range((self.refinements - last + 1) // 2):
            before, w = w, w + _STEP * (_turned(few, among, w, near, known) - w)
            if np.linalg.norm(w - before) < _SETTLED * np.sqrt(min(w.shape)):
                break
        return self._settled(a, b, w, known, rng)

    def _last(self, a: np.ndarray, b: np.ndarray) -> int:
        """Rounds on more rows than those that turn W, where there are more."""
        return min(_LAST, self.refinements) if len(a) > _EARLY[0] or len(b) > _EARLY[1] else 0

    def _settled(
        self,
        a: np.ndarray,
        b: np.ndarray,
        w: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """W after the last rounds, and after the clusters."""
        for _ in range(self._last(a, b)):
            w = (w + _turned(_some(a, _ROUND, rng), b, w, _NEAREST, known)) / 2
        ours, theirs = (_some(side, _FINE_ROWS, rng) for side in (a, b))
        k = max(1, min(_FINE, len(ours) // 4, len(theirs) // 4))
        centres = k_means(ours, k, rng=rng)
        partners = k_means(theirs, k, rng=rng, start=(centres @ w).astype(np.float32))
        return (w + _turn(centres, partners, known)) / 2


def _turned(
    rows: np.ndarray,
    among: np.ndarray,
    w: np.ndarray,
    near: int,
    known: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The turn from rows to the means of those of ``among`` that are nearest to rows W."""
    carried = unit_rows(rows @ w.astype(np.float32))
    return _turn(rows, neighbour_means(carried, among, among, near), known)


def _nearness(rows: np.ndarray, among: np.ndarray, w: np.ndarray) -> float:
    """Mean cosine of rows W and the means of those of ``among`` that are nearest to them."""
    carried = unit_rows(rows @ w.astype(np.float32))
    means = neighbour_means(carried, among, among, _NEAREST)
    return float(np.vecdot(carried, unit_rows(means)).mean())


def _turn(x: np.ndarray, y: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    # A known pair is one row among the pseudo-pairs and weighs as much as a tenth of them all.
    weight = max(1.0, 0.1 * len(x) / max(len(known[0]), 1))
    cross = x.T @ y + weight * (known[0].T @ known[1])
    return procrustes(cross.astype(np.float64))[0]


def _some(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    if len(x) <= count:
        return x
    return x[np.sort(rng.choice(len(x), count, replace=False))]


def _padded(centres: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    width = max(a.shape[1], b.shape[1])
    return np.pad(centres, ((0, 0), (0, width - centres.shape[1]))).astype(np.float64)
