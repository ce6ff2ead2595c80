"""CycleGAN: two maps that undo each other, each made to look like the other space by a critic."""

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.adversarial import (
    AdversarialMap,
    Way,
    drawn,
    nearness,
    new_way,
    play,
    translated,
)
from isthmus.bridges.coordinates import Coordinates
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register

CARD = Card(
    name="cyclegan",
    summary="Unpaired translation by two maps that undo each other, each held to by a critic.",
    paper=Paper(
        "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        "Zhu et al.",
        2017,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    library="torch",
    pairs="none",
    quick=(("steps", 8), ("hidden", 8)),
)

_PAIRED = 10.0
#: The identity is given up as a start where it leaves rows by this share farther from the target's
#: rows than these are from each other, and another start leaves less than half of that.
_FAR = 0.05


@register(CARD)
class Cyclegan(AdversarialMap, Map, TransformerMixin, BaseEstimator):
    r"""Maps G: X → Y and F: Y → X that fool critics and undo each other.

    Both are residual, u ↦ u W + b + silu(u H + c) O in principal coordinates, and trained on

    critics(G x, F y) + λ (|F G x - x|₁ + |G F y - y|₁),

    the critics by least squares. Known pairs add 10 (|G x - y|² + |F y - x|²) and decide the start;
    without them the start is the identity, where dims are equal, turned to where nearest rows are,
    unless axes of equal rank, mirrored and turned so, bring rows clearly nearer to the target's.
    ``inverse_transform`` is F.

    Parameters
    ----------
    cycle : λ
    components : principal directions of each space that are translated, at most
    hidden : units of each map
    steps, batch, rate : of the training by Adam
    least : confidence below which ``fit`` without enough known pairs gives no bridge
    rng : seed or Generator

    Attributes
    ----------
    confidence_ : the weakest of three signs computed without pairs, see ``adversarial.confidence``
    linear_, hidden_, out_, ... : the map y = (x - o) L + silu((x - o) H + c) O + b, both ways

    Raises
    ------
    NoReliableBridge
        When nothing tells the map that was found from a wrong one.
    InputError
        On rows that are not finite, or contradictory pairs.
    MissingExtra
        When torch is not installed; applying and loading do not need it.

    Notes
    -----
    The card's groups hold where known pairs decide the start; the identity is no start that a
    rotation would leave alone.

    References
    ----------
    Zhu et al. 2017, Unpaired image-to-image translation using cycle-consistent adversarial
    networks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = (rng.gamma(0.5, size=(500, 3)) * [3, 2, 1] for _ in range(2))
    >>> bridge = Cyclegan(steps=50).fit(x, y, pairs=())
    >>> float(np.corrcoef(bridge.transform(x).ravel(), x.ravel())[0, 1]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        cycle: float = 10.0,
        components: int = 64,
        hidden: int = 64,
        steps: int = 1000,
        batch: int = 128,
        rate: float = 1e-3,
        least: float = 0.6,
        rng: Seed = 0,
    ) -> None:
        self.cycle = cycle
        self.components = components
        self.hidden = hidden
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.least = least
        self.rng = rng

    def train(
        self,
        u: np.ndarray,
        v: np.ndarray,
        start: tuple[np.ndarray, np.ndarray],
        pairs: tuple[np.ndarray, np.ndarray],
        steps: int,
        rng: np.random.Generator,
    ) -> tuple[Way, Way]:
        """Both ways between coordinates u (n, k) and v (m, l), from linear ones ``start``."""

        def losses(
            tensors: list[Any], u: Any, v: Any, u_pair: Any, v_pair: Any, silu: Any
        ) -> tuple[Any, list[tuple[int, Any, Any]]]:
            move = partial(translated, activation=silu)
            there, back = tensors[:5], tensors[5:]
            to_v, to_u = move(there, u), move(back, v)
            returned = (move(back, to_v) - u).abs().mean()
            returned = returned + (move(there, to_u) - v).abs().mean()
            loss = self.cycle * returned
            if len(u_pair):
                loss = loss + _PAIRED * (
                    ((move(there, u_pair) - v_pair) ** 2).mean()
                    + ((move(back, v_pair) - u_pair) ** 2).mean()
                )
            return loss, [(0, v, to_v), (1, u, to_u)]

        trained = [*new_way(start[0], self.hidden, rng), *new_way(start[1], self.hidden, rng)]
        found = play(
            "Cyclegan.fit", trained, (v.shape[1], u.shape[1]), losses, (u, v), pairs, steps=steps,
            batch=self.batch, rate=self.rate, rng=rng,
        )  # fmt: skip
        return found[:5], found[5:]

    def _start(
        self,
        source: Coordinates,
        target: Coordinates,
        u: np.ndarray,
        v: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        found = super()._start(source, target, u, v, known, rng)
        if len(known[0]) or len(source.mean) != len(target.mean):
            return found
        # From the identity the same way as from matched axes: to where nearest rows are.
        near = drawn(u, v, source.axes.T @ target.axes, rng)
        halves = np.array_split(v[rng.permutation(len(v))], 2)
        floor = (nearness(halves[0], halves[1]) if len(v) > 1 else 0.0) or 1.0
        off, other = (nearness(u @ w, v) / floor - 1 for w in (near, found[0]))
        return found if off > _FAR and other < off / 2 else (near, near.T)
