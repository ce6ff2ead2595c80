"""Multimarginal interpolant: one network that carries any of K unpaired clouds onto any other."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.flow import transport, with_time
from isthmus.bridges.mlp import forward, initial, pack, regress, unpack
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="multi_interpolant",
    summary="One network of velocities on a simplex: transport between any two of K clouds.",
    paper=Paper(
        "Multimarginal generative modeling with stochastic interpolants", "Albergo et al.", 2023
    ),
    spaces=0,
    cost="n d + d^2",
    memory="n d",
    library="torch",
    pairs="none",
)


@register(CARD)
class MultiInterpolant(Stored, BaseEstimator):
    r"""Flows between any two of K unpaired clouds of equal dim; they prove no correspondence.

    The clouds are the corners of a simplex. Between them lie x(α) = Σ_k α_k x_k, α on the simplex,
    x_k drawn from cloud k. One network learns all g_k(α, x) = E[x_k | x(α) = x] by least squares;
    along any path α(t) the flow dx/dt = Σ_k α̇_k g_k(α, x) carries the distribution of x(α(0)) to
    that of x(α(1)). The straight edge from i to j has the velocity g_j - g_i. K clouds so take one
    fit instead of K (K - 1).

    It matches *distributions*: what corresponds to what follows from where rows lie, so the spaces
    must share their coordinates up to what the flow is to undo. A fit succeeds between unrelated
    clouds too: it never raises NoReliableBridge.

    Parameters
    ----------
    hidden : units of both hidden layers;  batch, steps, rate : of the training by Adam
    edges : share of the batches on edges of the simplex, where transport between two clouds runs;
        the others are uniform inside
    midpoint : steps of the integration
    rng : seed or Generator

    Attributes
    ----------
    weights_ : (w,) float64, the network's, and sizes_ (4,) its layers
    centre_ : (d,) and spread_ : what all clouds are standardised by, together
    spaces_ : K

    Raises
    ------
    InputError
        On fewer than two spaces, unequal dims, or rows that are not finite.
    MissingExtra
        When torch is not installed; applying does not need it.

    References
    ----------
    Albergo et al. 2023, Multimarginal generative modeling with stochastic interpolants.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clouds = [rng.normal(size=(300, 2)) + 3 * k for k in range(3)]
    >>> bridge = MultiInterpolant(steps=200).fit(clouds)
    >>> moved = bridge.transport(clouds[2], source=2, target=0)
    >>> bool(np.abs(moved.mean(axis=0)).max() < 0.7)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "weights_": ("w",), "sizes_": ("l",), "centre_": ("d",), "spread_": (), "spaces_": (),
    }  # fmt: skip

    weights_: np.ndarray
    sizes_: np.ndarray
    centre_: np.ndarray
    spread_: float
    spaces_: int

    def __init__(
        self,
        *,
        hidden: int = 96,
        batch: int = 256,
        steps: int = 3000,
        rate: float = 4e-3,
        edges: float = 0.7,
        midpoint: int = 16,
        rng: Seed = 0,
    ) -> None:
        self.hidden = hidden
        self.batch = batch
        self.steps = steps
        self.rate = rate
        self.edges = edges
        self.midpoint = midpoint
        self.rng = rng

    @all_or_nothing
    def fit(self, X: Sequence[Array], y: None = None) -> Self:
        """Fit on K matrices (n_k, d) of unpaired rows."""
        clouds = [
            to_numpy(matrix(f"X[{k}]", one, operation="MultiInterpolant.fit")).astype(np.float64)
            for k, one in enumerate(X)
        ]
        if len(clouds) < 2 or len({one.shape[1] for one in clouds}) > 1:
            raise InputError(
                "MultiInterpolant.fit", f"spaces of shapes {[one.shape for one in clouds]}",
                "at least two matrices of equal dim", "Carry them into one space's dim first.",
            )  # fmt: skip
        rng = generator(self.rng)
        count, dim = len(clouds), clouds[0].shape[1]
        both = np.concatenate(clouds)
        self.centre_, self.spread_ = both.mean(axis=0), float(both.std()) or 1.0
        clouds = [(one - self.centre_) / self.spread_ for one in clouds]

        def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            drawn = np.stack(
                [one[rng.integers(len(one), size=self.batch)] for one in clouds], axis=1
            )
            alpha = simplex(self.batch, count, self.edges, rng)
            between = np.einsum("nk,nkd->nd", alpha, drawn)
            return np.concatenate([between, alpha], axis=1), drawn.reshape(self.batch, -1)

        sizes = (dim + count, self.hidden, self.hidden, count * dim)
        weights = regress(
            "MultiInterpolant.fit", initial(sizes, rng), batch, steps=self.steps, rate=self.rate,
            rng=rng,
        )  # fmt: skip
        self.weights_, self.sizes_ = pack(weights), np.array(sizes, np.int64)
        self.spaces_ = count
        return self

    def transport(self, X: Array, *, source: int, target: int) -> Array:
        """Where rows X (n, d) of cloud number ``source`` arrive in cloud number ``target``."""
        x = self._rows(X, source, target)
        weights = unpack(self.weights_, self.sizes_, x)
        centre, dim = like(self.centre_, x), len(self.centre_)

        def velocity(z: Array, t: float) -> Any:
            alpha = [0.0] * self.spaces_
            alpha[source] += 1 - t
            alpha[target] += t
            corners = forward(weights, with_time(z, *alpha))
            ends = (corners[:, k * dim : (k + 1) * dim] for k in (target, source))
            return next(ends) - next(ends)

        z = transport(velocity, (x - centre) / self.spread_, self.midpoint)
        return z * self.spread_ + centre

    def correspond(self, X: Array, *, source: int) -> list[Array]:
        """What corresponds to rows X (n, d) of cloud ``source`` in every cloud, K matrices."""
        return [
            matrix("X", X, operation="MultiInterpolant.correspond")
            if k == source
            else self.transport(X, source=source, target=k)
            for k in range(self.spaces_)
        ]

    def _try(self) -> None:
        self.transport(np.ones((1, len(self.centre_))), source=0, target=self.spaces_ - 1)

    def _rows(self, X: Array, source: int, target: int) -> Array:
        check_is_fitted(self)
        x = matrix("X", X, operation="MultiInterpolant.transport")
        numbers = range(self.spaces_)
        if x.shape[1] != len(self.centre_) or source not in numbers or target not in numbers:
            raise InputError(
                "MultiInterpolant.transport",
                f"X {tuple(x.shape)}, source={source}, target={target}",
                f"{len(self.centre_)} columns and spaces 0..{self.spaces_ - 1}",
            )  # fmt: skip
        return x


def simplex(rows: int, corners: int, edges: float, rng: np.random.Generator) -> np.ndarray:
    """Points (rows, corners) on a simplex: a share ``edges`` on its edges, the others inside.

    Examples
    --------
    >>> points = simplex(100, 4, 1.0, np.random.default_rng(0))
    >>> bool(((points > 0).sum(axis=1) <= 2).all()), bool(np.allclose(points.sum(axis=1), 1))
    (True, True)
    """
    alpha = rng.dirichlet(np.ones(corners), size=rows)
    along = rng.random(rows) < edges
    ends = np.argsort(rng.random((rows, corners)), axis=1)[:, :2]
    share = rng.random(rows)
    line = np.zeros((rows, corners))
    line[np.arange(rows), ends[:, 0]], line[np.arange(rows), ends[:, 1]] = share, 1 - share
    result: np.ndarray = np.where(along[:, None], line, alpha)
    return result
