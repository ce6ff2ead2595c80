"""Gromov-Wasserstein bridge: couples rows by their distances to their own side, then fits a map."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.agreement import LEAST, agreement, demand
from isthmus.bridges.clusters import k_means
from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.bridges.self_training import unit_rows
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.linalg import procrustes
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="gromov_wasserstein",
    summary="Couples rows whose distances to their own side match; known pairs join as features.",
    paper=Paper(
        "Gromov-Wasserstein Alignment of Word Embedding Spaces",
        "Alvarez-Melis and Jaakkola",
        2018,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n m d + m^3",
    memory="n d + m^2",
    library="POT",
    pairs="none",
    quick=(("points", 60), ("steps", 4)),
    min_rows=2,
)


@register(CARD)
class GromovWasserstein(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The rotation that follows from the coupling under which distances within sides agree most.

    Either side is thinned to ``points`` cluster centres of unit rows about the mean. The coupling

    .. math:: \min_T (1 - w) \sum_{ijkl} (d^x_{ij} - d^y_{kl})^2\, T_{ik} T_{jl}
              + w \sum_{ik} |r^x_i - r^y_k|^2\, T_{ik}

    is found by POT with entropic regularisation. r are cosines to the known pairs: the fused term,
    with w = ``fused`` where pairs are known, else 0. A centre's barycentric projection is the
    coupling's mean of the target centres, and Procrustes from centres to projections, with the
    known pairs, gives the map for rows outside. The same is done once more on a random 80 % of
    both sides; ``confidence_`` is the share of rows for which both maps choose the same target
    row, and below ``least``, with no more known pairs than dims, there is no bridge. Where all
    rows are pairs the map is Procrustes on them.

    Through its centres the coupling of all rows has rank ``points``, so cost grows with n and not
    with its square. A nonnegative low-rank solver in its place (POT's, random start) does not
    find planted rotations, and is no option here: for 100 rows in 5 dims and their turned copy this
    bridge's map leads all rows to their partners with each of three seeds, Procrustes on low-rank
    couplings of rank 5, 10 and 50 at most 7 of them (a comparison test repeats it).

    Parameters
    ----------
    points : centres a side; all rows themselves where there are no more of them
    epsilon : entropic regularisation, of distances divided by their mean
    fused : w, from 0 to 1
    steps : of the solver, at most
    least : confidence below which it refuses
    rng : seed or Generator

    Attributes
    ----------
    coef_ : (dx, dy);  intercept_ : (dy,)
    confidence_ : in [0, 1], see above

    Raises
    ------
    InputError
        On rows or options that cannot be used.
    MissingExtra
        Without POT.
    NoReliableBridge
        When both maps disagree.

    References
    ----------
    Alvarez-Melis and Jaakkola 2018; Vayer et al. 2019, Optimal transport for structured data, for
    the fused term.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=(400, 6)) * np.linspace(1, 2, 6)
    >>> turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    >>> bridge = GromovWasserstein(points=200, least=0).fit(x, rng.permutation(x @ turn), pairs=())
    >>> bridge.score(x, x @ turn) > 0.8
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "confidence_": ()}

    confidence_: float

    def __init__(
        self,
        *,
        points: int = 300,
        epsilon: float = 0.02,
        fused: float = 0.5,
        steps: int = 50,
        least: float = LEAST,
        rng: Seed = 0,
    ) -> None:
        self.points = points
        self.epsilon = epsilon
        self.fused = fused
        self.steps = steps
        self.least = least
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on X (n, dx) and y (m, dy); ``pairs=()`` where none is known."""
        x, target, i, j = all_rows(self, X, y, pairs)
        if not (0 <= self.fused <= 1 and self.epsilon > 0 and self.points >= 2 <= self.steps):
            raise InputError(
                "GromovWasserstein.fit",
                f"points={self.points}, epsilon={self.epsilon}, fused={self.fused}",
                "at least 2 points and steps, epsilon above 0, fused from 0 to 1",
            )
        rng = generator(self.rng)
        means = x.mean(axis=0), target.mean(axis=0)
        known = tuple(unit(s - m) for s, m in zip((x[i], target[j]), means, strict=True))
        if len(i) == len(x) == len(target):
            w, self.confidence_ = procrustes(known[0].T @ known[1])[0], 1.0
        else:
            a, b = (unit_rows(s - m) for s, m in zip((x, target), means, strict=True))
            p, q = (s[rng.permutation(len(s))[: -(-4 * len(s) // 5)]] for s in (a, b))
            w, witness = self._turn(a, b, known, rng), self._turn(p, q, known, rng)
            ends = [unit_rows(a @ one.astype(np.float32)) for one in (w, witness)]
            self.confidence_ = agreement(ends[0], ends[1], b)
            if len(i) <= max(w.shape):
                demand("GromovWasserstein.fit", self.confidence_, self.least)
        self._turn_about_means(w, x, target)
        return self

    def _turn(
        self,
        a: np.ndarray,
        b: np.ndarray,
        known: tuple[np.ndarray, ...],
        rng: np.random.Generator,
    ) -> np.ndarray:
        ours, theirs = (
            (s if self.points >= len(s) else k_means(s, self.points, rng=rng)).astype(np.float64)
            for s in (a, b)
        )
        features = [unit(c) @ k.T for c, k in zip((ours, theirs), known, strict=True)]
        coupling = self._coupling(ours, theirs, features)
        weights = coupling / np.maximum(coupling.sum(axis=1, keepdims=True), 1e-300)
        cross = ours.T @ (weights @ theirs)
        # Known pairs weigh as much together as all centres.
        cross += max(1.0, len(ours) / max(len(known[0]), 1)) * (known[0].T @ known[1])
        return procrustes(cross)[0]

    def _coupling(
        self,
        x: np.ndarray,
        y: np.ndarray,
        features: list[np.ndarray],
    ) -> np.ndarray:
        ot = _pot()
        share = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
        costs = [_distances(s) for s in (x, y)]
        options = {
            "loss_fun": "square_loss", "epsilon": self.epsilon, "solver": "PPA",
            "max_iter": self.steps, "warn": False, "numItermax": 100,
        }  # fmt: skip
        width = features[0].shape[1]
        with np.errstate(all="ignore"):
            if width and self.fused:
                gap = ot.dist(*features) / width
                found = ot.gromov.entropic_fused_gromov_wasserstein(
                    gap / (gap.mean() or 1.0), *costs, *share, alpha=1 - self.fused, **options
                )
            else:
                found = ot.gromov.entropic_gromov_wasserstein(*costs, *share, **options)
        coupling: np.ndarray = np.asarray(found)
        return coupling if np.isfinite(coupling).all() else np.outer(*share)


def _distances(x: np.ndarray) -> np.ndarray:
    squares = np.sum(x * x, axis=1)
    gaps = np.sqrt(np.maximum(squares[:, None] + squares - 2 * (x @ x.T), 0))
    scaled: np.ndarray = gaps / (gaps.mean() or 1.0)
    return scaled


def _pot() -> Any:
    try:
        import ot
    except ImportError as error:
        raise MissingExtra("gromov_wasserstein", "POT", "transport") from error
    return ot
