"""Flow bridge: a transport map between two unpaired clouds, learned on coupled minibatches."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.flow import transport, with_time
from isthmus.bridges.map import Map
from isthmus.bridges.minibatch_couple import Solver, minibatch_couple
from isthmus.bridges.mlp import forward, initial, pack, regress, unpack
from isthmus.bridges.rows import Pairing, all_rows, to_translate
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, like, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="flow_bridge",
    summary="Carries one unpaired cloud onto another of equal dim along nearly straight flows.",
    paper=Paper(
        "Multisample Flow Matching: Straightening Flows with Minibatch Couplings",
        "Pooladian et al.",
        2023,
    ),
    spaces=0,
    cost="n d + d^2",
    memory="n d",
    library="torch",
    pairs="none",
)


@register(CARD)
class FlowBridge(Stored, Map, TransformerMixin, BaseEstimator):
    r"""The flow dx/dt = v(x, t) that carries one cloud onto another; proves no correspondence.

    From time 0 to 1, v minimises E |v((1 - t) x + t y, t) - (y - x)|² over pairs (x, y) that
    ``minibatch_couple`` makes of independent batches; its minimiser has the target's distribution
    at time 1 whatever the coupling, and optimal couplings make it straight: few steps then
    integrate it.

    It matches *distributions*: which row goes where follows from distance alone, so both spaces
    must share their coordinates up to what the flow is to undo. A fit succeeds between unrelated
    clouds too: it never raises NoReliableBridge.

    Parameters
    ----------
    solver : coupling of the minibatches, see ``minibatch_couple``
    hidden : units of both hidden layers;  batch, steps, rate : of the training by Adam
    euler : steps of the integration
    rng : seed or Generator

    Attributes
    ----------
    weights_ : (w,) float64, the network's, and sizes_ (4,) its layers
    centre_ : (d,) and spread_ : what both clouds are standardised by, together

    Raises
    ------
    InputError
        On unequal dims, known pairs, or rows that are not finite.
    MissingExtra
        When torch is not installed; applying and loading do not need it.

    References
    ----------
    Pooladian et al. 2023, Multisample Flow Matching.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 4
    >>> moved = FlowBridge(steps=50).fit(x, y).transform(x)
    >>> bool(abs(moved.mean() - 4) < 0.5)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "weights_": ("w",), "sizes_": ("l",), "centre_": ("dx",), "spread_": (),
    }  # fmt: skip

    weights_: np.ndarray
    sizes_: np.ndarray
    centre_: np.ndarray
    spread_: float

    def __init__(
        self,
        *,
        solver: Solver = "exact",
        hidden: int = 64,
        batch: int = 128,
        steps: int = 1000,
        rate: float = 3e-3,
        euler: int = 8,
        rng: Seed = 0,
    ) -> None:
        self.solver = solver
        self.hidden = hidden
        self.batch = batch
        self.steps = steps
        self.rate = rate
        self.euler = euler
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = ()) -> Self:
        """Fit on unpaired rows of X (n, d) and y (m, d)."""
        x, y, i, _ = all_rows(self, X, y, pairs)
        if x.shape[1] != y.shape[1] or len(i):
            raise InputError(
                "FlowBridge.fit", f"X {x.shape}, Y {y.shape}, {len(i)} known pairs",
                "clouds of equal dim, without pairs", "Take coupled_interpolant for pairs.",
            )  # fmt: skip
        rng = generator(self.rng)
        both = np.concatenate([x, y])
        self.centre_ = both.mean(axis=0)
        self.spread_ = float(both.std()) or 1.0
        x, y = ((side - self.centre_) / self.spread_ for side in (x, y))
        sizes = (x.shape[1] + 1, self.hidden, self.hidden, x.shape[1])

        def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            here, there = (side[rng.integers(len(side), size=self.batch)] for side in (x, y))
            rows = minibatch_couple(here, there, self.solver, rng=rng)
            here, there = here[rows[0]], there[rows[1]]
            t = rng.random((len(here), 1))
            return np.concatenate([(1 - t) * here + t * there, t], axis=1), there - here

        weights = regress(
            "FlowBridge.fit", initial(sizes, rng, silent=True), batch, steps=self.steps,
            rate=self.rate, rng=rng,
        )  # fmt: skip
        self.weights_, self.sizes_ = pack(weights), np.array(sizes, np.int64)
        return self

    def transform(self, X: Array) -> Array:
        """Where rows X (n, d) arrive in the target's cloud, (n, d), of X's own kind."""
        return self._flow(to_translate(self, X), forwards=True)

    def inverse_transform(self, X: Array) -> Array:
        """Where rows (n, d) of the target's cloud come from, by the same flow backwards."""
        check_is_fitted(self)
        y = matrix("X", X, operation="FlowBridge.inverse_transform")
        if y.shape[1] != len(self.centre_):
            raise InputError(
                "FlowBridge.inverse_transform", f"X {tuple(y.shape)}",
                f"{len(self.centre_)} columns",
            )  # fmt: skip
        return self._flow(y, forwards=False)

    def _try(self) -> None:
        self.n_features_in_ = len(self.centre_)
        self.transform(np.ones((1, self.n_features_in_)))

    def _flow(self, x: Array, *, forwards: bool) -> Array:
        weights = unpack(self.weights_, self.sizes_, x)
        centre = like(self.centre_, x)

        def velocity(z: Array, t: float) -> Any:
            if forwards:
                return forward(weights, with_time(z, t))
            return -forward(weights, with_time(z, 1 - t))

        z = transport(velocity, (x - centre) / self.spread_, self.euler, order=1)
        return z * self.spread_ + centre

    @property
    def _n_features_out(self) -> int:
        return len(self.centre_)
