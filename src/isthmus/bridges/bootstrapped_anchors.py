"""Bootstrapped anchors: a few known pairs grow into hundreds of parallel anchors, and a bridge."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.decoder import decoded
from isthmus.bridges.map import Map
from isthmus.bridges.pair_growth import centred_directions, compared, taking_part
from isthmus.bridges.rows import Pairing, all_rows, to_translate
from isthmus.core.arrays import Array, like, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath, procrustes
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="bootstrapped_anchors",
    summary="Relative bridge from about ten pairs: Sinkhorn matching finds hundreds of anchors.",
    paper=Paper(
        "Bootstrapping Parallel Anchors for Relative Representations", "Cannistraci et al.", 2023
    ),
    pairs="some",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d m + m^3",
    memory="n m + m^2",
    min_rows=2,
)

#: Rows a side that are matched in one round.
_MATCHED = 1500
_SWEEPS = 20
#: Rounds over which the entropy falls, rounds of rotation at the end, and what counts as still.
_COOLING, _POLISH, _STILL = 5, 3, 5e-4
#: The least ε: exp(-2 / ε) is still a number.
_SHARPEST = 0.005


@register(CARD)
class BootstrappedAnchors(Map, TransformerMixin, BaseEstimator):
    r"""A relative bridge whose anchors were grown from a few known pairs.

    The source's anchors A are its known rows and others drawn at random; the target's anchors B
    are its known rows and, for the others, points that are found: each round codes the rows of both
    sides by <x̃, A>, <ỹ, B>, matches them by entropic transport P of their codes' cosines, and moves
    b_i to the direction of Σ_j P_ij ỹ_j. In the last three rounds b_i is a_i W instead, W the
    rotation under which the codes of all matched rows disagree least, so that what one row's match
    gets wrong is averaged out. Known anchors stay. Rows x̃, ỹ are centred and of unit length. The
    decoder is the ridge inverse of the target's own encoding.

    Parameters
    ----------
    anchors : number of anchor pairs in the end, known ones included
    rounds : rounds of matching, at most; the last ones begin as soon as anchors hardly move
    epsilon : entropy of the transport in the last rounds, in units of cosine, at least 0.005; it
        starts three times as large
    rng : seed or Generator of the anchors and of the rows that are matched

    Attributes
    ----------
    source_anchors_, target_anchors_ : (m, dx) and (m, dy) float64, centred and of unit length:
        the parallel anchors, known ones first
    mean_, target_mean_ : (dx,) and (dy,) float64, taken off before coding
    decoder_ : (m, dy) float64;  offset_ : (dy,) float64
    norm_ : mean length of the centred target rows
    known_ : number of anchors that were given

    Raises
    ------
    InputError
        On rows that cannot be used, contradictory pairs or none, or parameters out of range.

    References
    ----------
    Cannistraci et al. 2023, Bootstrapping Parallel Anchors for Relative Representations; the
    anchors are found there by gradient descent, here in closed form from the matching.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 5)) * [5, 4, 3, 2, 1]
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    >>> known = (np.arange(10), np.arange(10))
    >>> bridge = BootstrappedAnchors(anchors=60).fit(x, x @ turn, pairs=known)
    >>> bridge.target_anchors_.shape, bool(bridge.score(x, x @ turn) > 0.9)
    ((60, 5), True)
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "source_anchors_": ("m", "dx"),
        "target_anchors_": ("m", "dy"),
        "mean_": ("dx",),
        "target_mean_": ("dy",),
        "decoder_": ("m", "dy"),
        "offset_": ("dy",),
        "norm_": (),
        "known_": (),
    }

    source_anchors_: np.ndarray
    target_anchors_: np.ndarray
    mean_: np.ndarray
    target_mean_: np.ndarray
    decoder_: np.ndarray
    offset_: np.ndarray
    norm_: float
    known_: int
    n_features_in_: int

    def __init__(
        self, *, anchors: int = 300, rounds: int = 15, epsilon: float = 0.03, rng: Seed = 0
    ) -> None:
        self.anchors = anchors
        self.rounds = rounds
        self.epsilon = epsilon
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Grow the known pairs of X (n, dx) and y (m, dy) into anchors, and fit the decoder."""
        if self.anchors < 1 or self.rounds < 0 or not self.epsilon >= _SHARPEST:
            raise InputError(
                "BootstrappedAnchors",
                f"anchors={self.anchors}, rounds={self.rounds}, epsilon={self.epsilon}",
                f"anchors >= 1, rounds >= 0 and epsilon >= {_SHARPEST}",
            )
        x, target, i, j = all_rows(self, X, y, pairs, least=1)
        rng = generator(self.rng)
        self.mean_, self.target_mean_ = x.mean(axis=0), target.mean(axis=0)
        self.norm_ = float(np.linalg.norm(target - self.target_mean_, axis=1).mean())
        source, found = centred_directions(x), centred_directions(target)
        self.known_ = len(i)
        if self.known_ > self.anchors:
            kept = np.sort(rng.choice(self.known_, size=self.anchors, replace=False))
            i, j, self.known_ = i[kept], j[kept], self.anchors
        free = np.setdiff1d(np.flatnonzero(source.any(axis=1)), i)
        if len(free) and self.known_ < min(len(target), self.anchors):
            count = min(self.anchors - self.known_, len(free))
            picked = np.sort(rng.choice(free, size=count, replace=False))
            self.source_anchors_ = source[np.concatenate([i, picked])]
            self.target_anchors_ = self._grown(source, found, i, j, picked, rng)
        else:
            self.source_anchors_, self.target_anchors_ = source[i], found[j]
        self._fit_decoder(found)
        return self

    def anchor_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The parallel anchors (m, dx) and (m, dy), known ones first."""
        check_is_fitted(self)
        return self.source_anchors_, self.target_anchors_

    def encode_source(self, X: Array) -> Array:
        """Codes of source vectors (n, dx): cosines with the source anchors, (n, m)."""
        check_is_fitted(self)
        return _codes(matrix("X", X, operation="encode"), self.mean_, self.source_anchors_)

    def encode_target(self, Y: Array) -> Array:
        """Codes of target vectors (n, dy): cosines with the target anchors, (n, m)."""
        check_is_fitted(self)
        return _codes(matrix("Y", Y, operation="encode"), self.target_mean_, self.target_anchors_)

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        found = decoded(self.encode_source(x), self.decoder_, self.offset_, self.norm_)
        return found + like(self.target_mean_, x)

    def _grown(
        self, x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray, picked: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:  # fmt: skip
        """Target anchors (m, dy): the known rows, then one found for each row picked."""
        anchors = np.concatenate([i, picked])
        rows, place = taking_part(len(x), anchors, rng, most=max(_MATCHED, len(anchors)))
        others, known = taking_part(len(y), j, rng, most=max(_MATCHED, len(j)))
        x, y = x[rows], y[others]
        left = np.setdiff1d(np.arange(len(x)), place[: len(i)])
        right = np.setdiff1d(np.arange(len(y)), known)
        mine = np.searchsorted(left, place[len(i) :])
        # Until others are found, the known pairs are all that rows are compared by.
        weights = np.concatenate([np.ones(len(i)), np.zeros(len(picked))])
        points = np.concatenate([y[known], np.zeros((len(picked), y.shape[1]))])
        polished, settled = 0, False
        for turn in range(self.rounds):
            both = np.concatenate([x, x[place]]), np.concatenate([y, points])
            numbers = len(x) + np.arange(len(place)), len(y) + np.arange(len(place))
            a, b = compared(*both, *numbers, "codes", weights)
            epsilon = self.epsilon * max(3.0 * (1 - turn / _COOLING), 1.0)
            plan = _transport(a[left] @ b[right].T, epsilon)
            polished += settled or turn + _POLISH >= self.rounds
            if polished:
                cross = x[place[: len(i)]].T @ y[known]
                w, _ = procrustes(cross + len(left) * (x[left].T @ plan @ y[right]))
                fresh = unit(x[place[len(i) :]] @ w)
            else:
                fresh = unit(plan[mine] @ y[right])
            moved = 1 - np.sum(fresh * points[len(i) :], axis=1)
            points[len(i) :] = fresh
            weights = np.ones(len(place))
            settled = settled or (turn >= _COOLING and moved.mean() < _STILL)
            if polished == _POLISH:
                break
        return points

    def _fit_decoder(self, target: np.ndarray) -> None:
        path = RidgePath(Moments.of(target @ self.target_anchors_.T, target))
        own, truth = self.source_anchors_ @ self.source_anchors_.T, self.target_anchors_
        errors = []
        for alpha in path.ALPHAS:
            guess = (own - path.mean_x) @ path.coef(alpha) + path.mean_y
            # Only directions count: decoded rows are rescaled anyway.
            errors.append(-float(np.mean(np.sum(unit(guess) * truth, axis=1))))
        coef = path.coef(float(path.ALPHAS[int(np.argmin(errors))]))
        self.decoder_, self.offset_ = coef, path.mean_y - path.mean_x @ coef

    @property
    def _n_features_out(self) -> int:
        return int(self.decoder_.shape[1])


def _codes(rows: Array, mean: np.ndarray, anchors: np.ndarray) -> Array:
    return directions(rows - like(mean, rows)) @ like(anchors, rows).T


def _transport(similarity: np.ndarray, epsilon: float) -> np.ndarray:
    """The plan (n, m) with equal weights that entropic transport gives these cosines.

    Cosines differ by 2 at most, so that no kernel entry underflows down to ``_SHARPEST``: sweeps
    are plain products, many times faster than in the log domain.
    """
    kernel = np.exp((similarity - 1) / epsilon)
    n, m = kernel.shape
    right = np.full(m, 1 / m)
    for _ in range(_SWEEPS):
        left = 1 / n / (kernel @ right)
        right = 1 / m / (left @ kernel)
    plan: np.ndarray = left[:, None] * kernel * right
    return plan
