"""Kernel bridge: the target as a weighted sum over landmarks that resemble the vector."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, namespace, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions, partner_ranks, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="kernel_ridge",
    summary="Kernel ridge regression on landmark pairs (Nystrom); good with few pairs.",
    paper=Paper("Using the Nyström Method to Speed Up Kernel Machines", "Williams & Seeger", 2000),
    invariant=("orthogonal", "row_scale"),
    equivariant=("orthogonal", "isotropic_scale"),
    cost="n d m + n m^2 + m^3",
    memory="n m + m^2",
    min_rows=2,
)

Kernel = Literal["cosine", "arc_cosine", "rbf"]

#: Penalties tried, relative to the mean eigenvalue of the features' scatter.
_ALPHAS = np.logspace(-6, 1, 15)
_BLOCK = 2048
#: Pairs whose leave-one-out predictions choose the penalty.
_JUDGES = 1000


@register(CARD)
class KernelRidge(Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ k(x, L) D, ridge regression in the space of a kernel, on m landmarks L.

    With K = k(L, L) and features φ(x) = k(x, L) K^(-1/2), D = K^(-1/2) (ΦᵀΦ + α t 1)⁻¹ ΦᵀY, where t
    is the mean eigenvalue of ΦᵀΦ. With every pair a landmark this is exact kernel ridge regression.
    All kernels are of directions u = x/|x|:

        cosine      k = u·v, least squares through the origin
        arc_cosine  k = (sin θ + (π - θ) cos θ)/π, θ the angle: a wide ReLU network's
        rbf         k = exp(-|u - v|²/(2 s²)), s the median distance of landmarks

    There is no centring and no constant: with few pairs a prediction leans on the anchors that
    resemble it, instead of on the mean of all. α is the one whose exact leave-one-out predictions,
    of up to 1,000 pairs, find their partners best (mean reciprocal rank, and cosine where that
    ties): squared error would shrink more than a search wants.

    Parameters
    ----------
    kernel : ``cosine``, ``arc_cosine`` or ``rbf``
    landmarks : number m of pairs to lean on, drawn at random, at most all
    alpha : penalty, or None to choose it
    rng : seed or Generator of the landmarks

    Attributes
    ----------
    landmarks_ : (m, dx) float64 unit vectors
    weights_ : (m, dy) float64, D
    width_ : s of the rbf kernel, 1 for the others
    alpha_ : the penalty used

    Raises
    ------
    InputError
        On an unknown kernel, no landmark, or on rows that are not finite, not paired, or fewer than
        2.

    References
    ----------
    Williams & Seeger 2000; Cho & Saul 2009, Kernel methods for deep learning (arc-cosine).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 4))
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> y = np.abs(x)  # no linear map does this
    >>> KernelRidge(kernel="arc_cosine").fit(x[:150], y[:150]).score(x[150:], y[150:]) > 0.5
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "landmarks_": ("m", "dx"), "weights_": ("m", "dy"), "width_": (), "alpha_": (),
    }  # fmt: skip

    landmarks_: np.ndarray
    weights_: np.ndarray
    width_: float
    alpha_: float
    n_features_in_: int

    def __init__(
        self,
        *,
        kernel: Kernel = "cosine",
        landmarks: int = 1000,
        alpha: float | None = None,
        rng: Seed = 0,
    ) -> None:
        self.kernel = kernel
        self.landmarks = landmarks
        self.alpha = alpha
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the pairs of X (n, dx) and y (m, dy)."""
        if self.kernel not in _KERNELS or self.landmarks < 1:
            raise InputError(
                "KernelRidge", f"kernel {self.kernel!r}, landmarks {self.landmarks}",
                f"one of {', '.join(_KERNELS)}, at least one landmark",
            )  # fmt: skip
        x, target = paired_rows(self, X, y, pairs)
        source, truth = (to_numpy(side).astype(np.float64) for side in (x, target))
        rows = generator(self.rng).permutation(len(source))[: self.landmarks]
        self.landmarks_ = unit(source[np.sort(rows)])
        self.width_ = self._spread()
        values, vectors = np.linalg.eigh(self._similar(self.landmarks_))
        kept = values > 1e-10 * max(float(values[-1]), np.finfo(float).tiny)
        root = vectors[:, kept] / np.sqrt(values[kept])
        judged = np.zeros(len(source), bool)
        judged[np.linspace(0, len(source) - 1, min(len(source), _JUDGES)).astype(int)] = True

        def work(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            part = self._similar(unit(source[block])) @ root
            return part.T @ part, part.T @ truth[block], part[judged[block]]

        blocks = list(row_blocks(len(source), _BLOCK))
        gram, cross = np.zeros((root.shape[1],) * 2), np.zeros((root.shape[1], truth.shape[1]))
        features = []
        for one, other, part in map_on_cores(work, blocks, source):
            gram += one
            cross += other
            features.append(part)
        self.weights_ = root @ self._regress(np.concatenate(features), truth[judged], gram, cross)
        return self

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        xp = namespace(x)
        parts = [
            self._similar(directions(x[block, :])) @ like(self.weights_, x)
            for block in row_blocks(x.shape[0], _BLOCK)
        ]
        return xp.concat(parts, axis=0)

    def _similar(self, u: Array) -> Array:
        cosines = u @ like(self.landmarks_, u).T
        return _KERNELS[self.kernel](namespace(u), cosines, self.width_)

    def _spread(self) -> float:
        some = self.landmarks_[:500]
        gaps = 2 - 2 * (some @ some.T)[np.triu_indices(len(some), 1)]
        median = float(np.median(gaps)) if self.kernel == "rbf" and len(gaps) else 1.0
        return median**0.5 if median > 0 else 1.0

    def _regress(
        self, features: np.ndarray, truth: np.ndarray, gram: np.ndarray, cross: np.ndarray
    ) -> np.ndarray:
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0.0)
        mean = float(values.mean()) if len(values) else 1.0
        features, cross, directions = features @ vectors, vectors.T @ cross, unit(truth)

        def error(alpha: float) -> float:
            damped = values + alpha * (mean or 1.0)
            rest = np.maximum(1 - features**2 @ (1 / damped), 1e-12)
            # What each pair is predicted as by a fit without it.
            guess = unit(truth - (truth - features @ (cross / damped[:, None])) / rest[:, None])
            cosine = float(np.mean(np.einsum("ij,ij->i", guess, directions)))
            ranks = partner_ranks(guess, directions, metric="inner")  # of cosines
            return -float(np.mean(1 / ranks)) - 1e-3 * cosine

        self.alpha_ = _least(error, truth) if self.alpha is None else float(self.alpha)
        return vectors @ (cross / (values + self.alpha_ * (mean or 1.0))[:, None])

    @property
    def _n_features_out(self) -> int:
        return int(self.weights_.shape[1])


def _least(error: Callable[[float], float], rows: np.ndarray) -> float:
    """The penalty of least error: every second one is tried, then those beside the best."""
    grid = _ALPHAS.tolist()

    def tried(some: list[float]) -> dict[float, float]:
        return dict(zip(some, map_on_cores(error, some, rows), strict=True))

    errors = tried(grid[::2])
    best = grid.index(min(errors, key=errors.__getitem__))
    errors |= tried(grid[max(best - 1, 0) : best] + grid[best + 1 : best + 2])
    return min(sorted(errors), key=errors.__getitem__)


def _cosine(xp: Any, cosines: Array, width: float) -> Array:
    return cosines


def _arc_cosine(xp: Any, cosines: Array, width: float) -> Array:
    # Half angles: near 1 and -1 the arc cosine itself loses half the digits.
    cosines = xp.clip(cosines, -1.0, 1.0)
    angle = 2 * xp.atan2(xp.sqrt(1 - cosines), xp.sqrt(1 + cosines))
    return (xp.sqrt((1 - cosines) * (1 + cosines)) + (np.pi - angle) * cosines) / np.pi


def _rbf(xp: Any, cosines: Array, width: float) -> Array:
    return xp.exp((cosines - 1) / width**2)


_KERNELS: dict[str, Callable[[Any, Array, float], Array]] = {
    "cosine": _cosine, "arc_cosine": _arc_cosine, "rbf": _rbf,
}  # fmt: skip
