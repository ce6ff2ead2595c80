"""Co-occurrence bridge: two sides joined by what was seen together, hard negatives by degrees."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.joint_space import JointSpace
from isthmus.bridges.map import Map
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register

CARD = Card(
    name="cooccurrence",
    summary="Joint embedding from co-occurrence; negatives grow harder by a curriculum.",
    paper=Paper(
        "Learnable PINs: Cross-Modal Embeddings for Person Identity", "Nagrani et al.", 2018
    ),
    invariant=("isotropic_scale", "translation"),
    equivariant=("isotropic_scale", "translation"),
    library="torch",
    cost="k n d",  # k: steps
    memory="n d",
    quick=(("steps", 10),),
    min_rows=2,
)


@register(CARD)
class Cooccurrence(JointSpace, Map, TransformerMixin, BaseEstimator):
    r"""Two heads trained to put what occurs together near, and a chosen other at a margin.

    For each pair of a batch one other target is the negative: the one at the share h of the way
    from the farthest (h = 0) to the nearest (h = 1) of those in the batch. With unit codes u, v

    .. math:: \frac1n \sum_i |u_i - v_i|^2 + \bigl[m - |u_i - v_{j(i)}|\bigr]_+^2

    and the same from the targets' side is lowered by Adam, while h rises evenly from ``start`` to
    ``end``. What occurs together need not be all that belongs together: some of the nearest others
    are of one kind with i and only were not seen with it, so the hardest negatives of all, above
    all early, teach what is false. A ridge decoder from the joint space gives translations.

    Parameters
    ----------
    dim : width k of the joint space
    hidden : units of the one hidden layer of each head, 0 for linear heads
    start, end : hardness h at the first and at the last step, from 0 to 1
    margin : m
    steps, batch, rate : of Adam; the rate falls to zero as half a cosine
    rng : seed or Generator of first weights and batches

    Attributes
    ----------
    source_mean_, source_size_, source_weights_ : what the source head is, flat; so for the target
    decoder_ : (k, dy) float64;  offset_ : (dy,) float64

    Raises
    ------
    InputError
        On parameters out of range, or rows that are not finite, not paired, or fewer than 2.
    MissingExtra
        When torch is absent on fitting; applying needs none.

    References
    ----------
    Nagrani et al. 2018; Hadsell, Chopra & LeCun 2006 for the loss.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(200, 4))
    >>> x, y = hidden @ rng.normal(size=(4, 8)), hidden @ rng.normal(size=(4, 6))
    >>> bridge = Cooccurrence(dim=8, steps=150).fit(x[:150], y[:150])
    >>> found = (bridge.encode_source(x[150:]) @ bridge.encode_target(y[150:]).T).argmax(axis=1)
    >>> bool(np.mean(found == np.arange(50)) > 0.5)
    True
    """

    def __init__(
        self, *, dim: int = 64, hidden: int = 0, start: float = 0.3, end: float = 0.9,
        margin: float = 1.0, steps: int = 500, batch: int = 128, rate: float = 2e-2, rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.dim = dim
        self.hidden = hidden
        self.start = start
        self.end = end
        self.margin = margin
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Any = None) -> "Cooccurrence":
        """Train both heads on what occurs together in X (n, dx) and y (m, dy); fit the decoder."""
        if not (0 <= self.start <= 1 and 0 <= self.end <= 1 and self.margin > 0):
            raise InputError(
                "Cooccurrence", f"start={self.start}, end={self.end}, margin={self.margin}",
                "start and end from 0 to 1, and a positive margin",
            )  # fmt: skip
        return super().fit(X, y, pairs=pairs)

    def loss(self, torch: Any, u: Any, v: Any, step: int, rng: np.random.Generator) -> Any:
        """The margin loss at the step's hardness, both ways."""
        hardness = self.start + (self.end - self.start) * step / max(self.steps - 1, 1)
        squares = (2 - 2 * u @ v.T).clamp(min=1e-12)
        total = torch.zeros((), dtype=u.dtype)
        for side in (squares, squares.T):
            near = side[torch.arange(len(u)), mined(torch, side.detach(), hardness)].sqrt()
            total = total + (self.margin - near).clamp(min=0).pow(2).mean() / 2
        return total + squares.diagonal().mean()


def mined(torch: Any, squares: Any, hardness: float) -> Any:
    """Column of each row's negative in ``squares`` (n, n), partners on the diagonal, (n,).

    The one at rank round((1 - hardness) (n - 2)) of the n - 1 others, nearest first.
    """
    others = squares.clone()
    others.fill_diagonal_(torch.inf)
    rank = round((1 - hardness) * (len(squares) - 2))
    return torch.argsort(others, dim=1, stable=True)[:, rank]
