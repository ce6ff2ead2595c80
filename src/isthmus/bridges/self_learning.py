"""Self-learning bridge: a few known pairs grow to thousands, with the rows that have no partner."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.kernel_decoder import KernelMap, decode
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.bridges.self_training import Side, about_mean, self_train
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="self_learning",
    summary="Grows a few known pairs by mutual nearest neighbours in whitened, re-weighted spaces.",
    paper=Paper(
        "A robust self-learning method for fully unsupervised cross-lingual mappings of word "
        "embeddings",
        "Artetxe et al.",
        2018,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale"),
    cost="n^2 d + n m^2 + m^3",  # m: centres
    memory="n^2",
    library="NumPy",
    pairs="some",
    min_rows=2,
)

#: Rows without partner below which there is nothing to learn from them.
_FREE = 50


@register(CARD)
class SelfLearning(KernelMap, Map, TransformerMixin, BaseEstimator):
    r"""Known pairs make a map, the map matches rows without partner, and these make the next map.

    Each round takes C = x̃ᵀ ỹ over known and matched pairs, of rows about the mean, at length one,
    whitened by the covariance of all rows of their side. With C = U S Vᵀ, rows are compared in
    x̃ U S^(q/2) and ỹ V S^(q/2), and those that are each other's best by CSLS (cosine less the mean
    cosine to the nearest ones) are the next pairs. Known pairs stay. It ends when matches no longer
    change. Wrong matches are near the right ones, so a map far from good makes a better one.

    The bridge is then a kernel ridge regression on all pairs, with kernel exp cos - 1, in the form
    under which held-out ones of these pairs are found best by cosine. Translations therefore point
    where partners are found; they are no least-squares predictions. Where all rows are known pairs,
    only this last step is left.

    Parameters
    ----------
    rounds : rounds of matching, at most
    centres : pairs the regression is made of, at most; those known come first
    rng : seed or Generator of which pairs choose its form

    Attributes
    ----------
    mean_ : (dx,);  linear_ : (dx, dy);  offset_ : (dy,)
    centres_ : (m, dx) unit rows;  weights_ : (m, dy)
    matched_ : how many pairs were found beyond the known ones
    stable_ : the share of matches that the last round left as they were

    Raises
    ------
    InputError
        On rows that are not finite, contradictory pairs, or no known pair.

    References
    ----------
    Artetxe et al. 2018; Lample et al. 2018, Word translation without parallel data, for CSLS.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=(600, 8)) * np.linspace(1, 2, 8)
    >>> turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    >>> other = rng.permutation(600)
    >>> bridge = SelfLearning().fit(x, (x @ turn)[other], pairs=(other[:12], range(12)))
    >>> bridge.matched_ > 500
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**KernelMap.STATE, "stable_": ()}

    stable_: float

    def __init__(self, *, rounds: int = 40, centres: int = 12_000, rng: Seed = 0) -> None:
        self.rounds = rounds
        self.centres = centres
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on X (n, dx) and y (m, dy), of which ``pairs=(i, j)`` are known, at least one."""
        x, target, i, j = all_rows(self, X, y, pairs, least=1)
        self.matched_, self.stable_ = 0, 1.0
        known = len(i)
        if min(len(x), len(target)) - known >= _FREE:
            sides = Side.of(about_mean(x)[1]), Side.of(about_mean(target)[1])
            found = self_train(*sides, i, j, seeds=(i, j), rounds=self.rounds)
            self.matched_, self.stable_ = len(found.i), found.kept
            i, j = np.r_[i, found.i], np.r_[j, found.j]
        rng = generator(self.rng)
        return self._keep(decode(x, target, i, j, sure=known, most=self.centres, rng=rng))
