"""Coupled interpolant: a probabilistic bridge that gives several answers and their spread."""

from itertools import pairwise
from typing import ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.coordinates import Coordinates
from isthmus.bridges.flow import transport, with_time
from isthmus.bridges.map import Map
from isthmus.bridges.mlp import forward, initial, pack, regress, unpack
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="coupled_interpolant",
    summary="Transport from the vector itself to its partner: several answers, and their spread.",
    paper=Paper("Stochastic interpolants with data-dependent couplings", "Albergo et al.", 2024),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    library="torch",
    quick=(("steps", 10), ("hidden", 8)),
)

#: Fixed noise whose flows ``transform`` averages; each with its mirror image.
_DRAWS = 8


@register(CARD)
class CoupledInterpolant(Map, TransformerMixin, BaseEstimator):
    r"""Draws from the target given x, by a flow that starts at x carried over linearly plus noise.

    With r(x) the ridge prediction, s the size of what it misses and z normal, x₀ = r(x) + noise s z
    is coupled with the true partner y: I_t = (1 - t) x₀ + t y. The velocity b(I, t, x) minimises
    E |b - (y - x₀)|² (all in principal coordinates), and dI/dt = b(I, t, x) carries x₀ to a draw
    from the conditional distribution of y given x, where a map of one answer gives its mean. A flow
    that starts from the vector itself has less way to go than one from noise that knows nothing.

    Parameters
    ----------
    start : ``linear``: r(x), as above; ``noise``: the target's mean, so that the start knows
        nothing of x, as in flow matching without a coupling
    noise : standard deviation of the start, in units of what ridge misses along each axis
    hidden : units of both hidden layers;  batch, steps, rate : of the training by Adam
    midpoint : steps of the integration
    rng : seed or Generator

    Attributes
    ----------
    coefficient_ : (k, l), the ridge map between coordinates
    deviation_ : (l,), noise s
    noise_ : (8, l), the normal draws whose flows ``transform`` averages
    weights_ : (w,) float64, the network's, and sizes_ (4,) its layers
    source_mean_, source_axes_, target_mean_, target_axes_ : the principal coordinates

    Raises
    ------
    InputError
        On rows that are not finite or not paired.
    MissingExtra
        When torch is not installed; applying and loading do not need it.

    References
    ----------
    Albergo et al. 2024, Stochastic interpolants with data-dependent couplings.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 1))
    >>> y = x + 2 * rng.choice([-1, 1], size=(500, 1))  # two answers, each as good
    >>> bridge = CoupledInterpolant(steps=300).fit(x, y)
    >>> draws = bridge.sample(np.zeros((1, 1)), draws=200)
    >>> bool(abs(draws.mean()) < 0.5 < bridge.spread(np.zeros((1, 1)))[0])
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "source_mean_": ("dx",), "source_axes_": ("dx", "k"), "target_mean_": ("dy",),
        "target_axes_": ("l", "dy"), "coefficient_": ("k", "l"), "deviation_": ("l",),
        "noise_": ("z", "l"), "weights_": ("w",), "sizes_": ("layers",),
    }  # fmt: skip

    source_mean_: np.ndarray
    source_axes_: np.ndarray
    target_mean_: np.ndarray
    target_axes_: np.ndarray
    coefficient_: np.ndarray
    deviation_: np.ndarray
    noise_: np.ndarray
    weights_: np.ndarray
    sizes_: np.ndarray

    def __init__(
        self,
        *,
        start: Literal["linear", "noise"] = "linear",
        noise: float = 1.0,
        hidden: int = 128,
        batch: int = 256,
        steps: int = 2000,
        rate: float = 2e-3,
        midpoint: int = 8,
        rng: Seed = 0,
    ) -> None:
        self.start = start
        self.noise = noise
        self.hidden = hidden
        self.batch = batch
        self.steps = steps
        self.rate = rate
        self.midpoint = midpoint
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the pairs of X (n, dx) and y (m, dy): all by position, or ``pairs=(i, j)``."""
        x, target = (to_numpy(s).astype(np.float64) for s in paired_rows(self, X, y, pairs))
        for option in ("noise", "hidden", "batch", "steps", "midpoint"):
            if not getattr(self, option) > 0:
                raise InputError(
                    "CoupledInterpolant.fit", f"{option}={getattr(self, option)}", "above 0"
                )
        if self.start not in ("linear", "noise"):
            raise InputError(
                "CoupledInterpolant.fit", f"start={self.start!r}", "one of linear, noise"
            )
        rng = generator(self.rng)
        source, goal = Coordinates.of(x), Coordinates.of(target)
        u, v = source.of_rows(x), goal.of_rows(target)
        path = RidgePath(Moments.of(u, v))
        coef = path.coef(path.best_alpha_gcv()) * (self.start == "linear")
        start = u @ coef
        missed = np.sqrt(np.mean((v - start) ** 2, axis=0))
        self.deviation_ = self.noise * np.maximum(missed, 1e-6)
        sizes = (v.shape[1] + 1 + u.shape[1], self.hidden, self.hidden, v.shape[1])

        def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            rows = rng.integers(len(u), size=min(self.batch, 4 * len(u)))
            t = rng.random((len(rows), 1))
            here = start[rows] + self.deviation_ * rng.normal(size=(len(rows), v.shape[1]))
            way = v[rows] - here
            return np.concatenate([here + t * way, t, u[rows]], axis=1), way

        weights = regress(
            "CoupledInterpolant.fit", initial(sizes, rng, silent=True), batch, steps=self.steps,
            rate=self.rate, rng=rng,
        )  # fmt: skip
        self.coefficient_ = coef
        half = rng.normal(size=(_DRAWS // 2, v.shape[1]))
        self.noise_ = np.concatenate([half, -half])
        self.weights_, self.sizes_ = pack(weights), np.array(sizes, np.int64)
        self.source_mean_, self.source_axes_ = source.mean, source.axes / source.scale
        self.target_mean_, self.target_axes_ = goal.mean, goal.axes.T * goal.scale
        return self

    def transform(self, X: Array) -> Array:
        """The mean of eight draws of fixed noise for X (n, dx): (n, dy), of X's own kind."""
        x = to_translate(self, X)
        draws = [self._draw(x, like(z[None, :], x)) for z in self.noise_]
        total = draws[0]
        for one in draws[1:]:
            total = total + one
        return total / len(draws)

    def sample(self, X: Array, draws: int = 16, *, rng: Seed = 0) -> Array:
        """``draws`` answers to each row of X (n, dx), drawn anew: (draws, n, dy), of X's kind."""
        x = self._asked(X, draws)
        random = generator(rng)
        shape = (x.shape[0], len(self.deviation_))
        found = [self._draw(x, like(random.normal(size=shape), x)) for _ in range(draws)]
        return namespace(x).stack(found)

    def spread(self, X: Array, draws: int = 16, *, rng: Seed = 0) -> Array:
        """Root mean squared distance (n,) of the answers to each row of X (n, dx) to their mean."""
        if draws < 2:
            raise InputError("CoupledInterpolant.spread", f"draws={draws}", "at least 2")
        found = self.sample(X, draws, rng=rng)
        xp = namespace(found)
        gaps = found - xp.mean(found, axis=0, keepdims=True)
        return xp.sqrt(xp.sum(gaps * gaps, axis=(0, 2)) / (draws - 1))

    def lengths(self, X: Array, *, rng: Seed = 0) -> Array:
        """How far one draw for each row of X (n, dx) travels, (n,), in the target's units."""
        x = self._asked(X, 1)
        xp = namespace(x)
        z = generator(rng).normal(size=(x.shape[0], len(self.deviation_)))
        path: list[Array] = []
        self._draw(x, like(z, x), path)
        legs = [(b - a) @ like(self.target_axes_, x) for a, b in pairwise(path)]
        total = xp.zeros_like(x[:, 0])
        for leg in legs:
            total = total + xp.sqrt(xp.sum(leg * leg, axis=1))
        return total

    def _asked(self, X: Array, draws: int) -> Array:
        check_is_fitted(self)
        x = matrix("X", X, operation="CoupledInterpolant.sample")
        if x.shape[1] != len(self.source_mean_) or draws < 1:
            raise InputError(
                "CoupledInterpolant.sample", f"X {tuple(x.shape)}, draws={draws}",
                f"{len(self.source_mean_)} columns, at least 1 draw",
            )  # fmt: skip
        return x

    def _draw(self, x: Array, z: Array, path: list[Array] | None = None) -> Array:
        """The flow of normal noise z (n, l) or (1, l) for x (n, dx), in the target's own space."""
        weights = unpack(self.weights_, self.sizes_, x)
        u = (x - like(self.source_mean_, x)) @ like(self.source_axes_, x)
        start = u @ like(self.coefficient_, x) + like(self.deviation_, x) * z
        if path is not None:
            path.append(start)
        end = transport(
            lambda at, t: forward(weights, with_time(at, t, u)), start, self.midpoint, path=path
        )
        return end @ like(self.target_axes_, x) + like(self.target_mean_, x)

    @property
    def _n_features_out(self) -> int:
        return len(self.target_mean_)
