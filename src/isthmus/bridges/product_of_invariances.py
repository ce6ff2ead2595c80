"""Product of invariances: codes by several similarities at once, for relations not known before."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.decoder import ROWS, chosen_pairs, decoded, ridge_decoder
from isthmus.bridges.linear import LOO_ROWS
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.bridges.similarities import check, codes, median_distance
from isthmus.core.arrays import Array, like, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="product_of_invariances",
    summary="Relative codes by several similarities at once, each as far as the pairs bear it out.",
    paper=Paper(
        "From Bricks to Bridges: Product of Invariances to Enhance Latent Space Communication",
        "Cannistraci et al.",
        2024,
    ),
    # What all four similarities have in common; distances' units go with their normalisation.
    invariant=("permutation", "isotropic_scale"),
    equivariant=("permutation", "isotropic_scale"),
    cost="n d m + m^3",
    memory="n m + m^2",
    min_rows=2,
    quick=(("anchors", 60),),
)

#: The paper's similarities.
FOUR = ("cosine", "euclidean", "l1", "linf")
#: Disagreement that pairs without any are taken to have, so that weights stay finite.
_FLOOR = 1e-3


@register(CARD)
class ProductOfInvariances(Map, TransformerMixin, BaseEstimator):
    r"""Relative codes by several similarities, normalised, weighted and put together.

    c_s(x) = norm(sim_s(x, A)) for every similarity s, where norm takes off a code's mean and
    divides by its deviation, which frees distances from the space's unit. The code of x is their
    sum Σ_s w_s c_s(x), or all w_s c_s(x) side by side. Which similarity survives the way from one
    space to the other need not be known: with ``agreement``, w_s = ρ / (1 - ρ + 0.001) for the mean
    correlation ρ of both sides' codes over known pairs, the largest weight set to one; so a
    similarity that the relation leaves alone rules, and one that it breaks is silent. With
    ``equal`` they all count alike, as in the paper, whose aggregation is else learnt with the
    network. The decoder into the target is that of ``Relative``.

    Parameters
    ----------
    anchors : number of anchor pairs, capped at the number of pairs that differ and are not zero
    similarities : some of ``relative``'s, or None for cosine, euclidean, l1 and linf
    aggregate : ``sum`` gives codes of length m, ``concatenate`` of m for each similarity
    weights : ``agreement`` or ``equal``
    sampler : any of ``isthmus.anchors`` that looks at the rows alone, applied to the source's
    rng : seed or Generator of the sampler

    Attributes
    ----------
    source_anchors_, target_anchors_ : (m, dx) and (m, dy) float64
    agreement_ : (k,) ρ of every similarity;  weights_ : (k,) w
    source_width_, target_width_ : width of the kernel where it is among them, else 1
    decoder_ : (length of a code, dy) float64;  offset_ : (dy,) float64
    norm_ : mean norm of the target rows;  alpha_ : the ridge penalty

    Raises
    ------
    InputError
        On rows that are not finite or not paired, fewer than 2, or all zero; on parameters that do
        not exist.

    References
    ----------
    Cannistraci et al. 2024; the weights are ours.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> turn = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    >>> bridge = ProductOfInvariances(anchors=20).fit(x, x @ turn)
    >>> dict(zip(("cosine", "euclidean", "l1", "linf"), bridge.weights_.round(2).tolist()))
    {'cosine': 1.0, 'euclidean': 1.0, 'l1': 0.01, 'linf': 0.01}
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "source_anchors_": ("m", "dx"),
        "target_anchors_": ("m", "dy"),
        "agreement_": ("k",),
        "weights_": ("k",),
        "source_width_": (),
        "target_width_": (),
        "decoder_": ("c", "dy"),
        "offset_": ("dy",),
        "norm_": (),
        "alpha_": (),
    }

    source_anchors_: np.ndarray
    target_anchors_: np.ndarray
    agreement_: np.ndarray
    weights_: np.ndarray
    source_width_: float
    target_width_: float
    decoder_: np.ndarray
    offset_: np.ndarray
    norm_: float
    alpha_: float
    n_features_in_: int

    def __init__(
        self,
        *,
        anchors: int = 300,
        similarities: Sequence[str] | None = None,
        aggregate: Literal["sum", "concatenate"] = "sum",
        weights: Literal["agreement", "equal"] = "agreement",
        sampler: str = "uniform",
        rng: Seed = 0,
    ) -> None:
        self.anchors = anchors
        self.similarities = similarities
        self.aggregate = aggregate
        self.weights = weights
        self.sampler = sampler
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Choose anchors among the pairs of X (n, dx) and y (m, dy), weights, and the decoder."""
        self._check()
        x, target = paired_rows(self, X, y, pairs)
        rng = generator(self.rng)
        rows = np.sort(rng.permutation(x.shape[0])[:ROWS])
        source, target = (to_numpy(side)[rows].astype(np.float64) for side in (x, target))
        pick = chosen_pairs(
            source, target, self.anchors, sampler=self.sampler, rng=rng,
            operation="ProductOfInvariances.fit",
        )  # fmt: skip
        self.source_anchors_, self.target_anchors_ = source[pick], target[pick]
        kernel = "kernel" in self._used
        self.source_width_ = median_distance(source[pick]) if kernel else 1.0
        self.target_width_ = median_distance(target[pick]) if kernel else 1.0
        some = np.linspace(0, len(source) - 1, min(LOO_ROWS, len(source))).astype(int)
        self.agreement_ = np.array(
            [
                np.mean(self._one(source[some], "source", s) * self._one(target[some], "target", s))
                for s in self._used
            ]
        )
        self.weights_ = self._weighed()
        self.norm_ = float(np.linalg.norm(target, axis=1).mean())
        self.decoder_, self.offset_, self.alpha_ = ridge_decoder(
            target,
            source,
            lambda rows: self._codes(rows, "target"),
            lambda rows: self._codes(rows, "source"),
        )
        return self

    def encode_source(self, X: Array) -> Array:
        """Codes of source vectors (n, dx), (n, m) or (n, k m)."""
        return self._encode(X, "source")

    def encode_target(self, Y: Array) -> Array:
        """Codes of target vectors (n, dy), (n, m) or (n, k m)."""
        return self._encode(Y, "target")

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        return decoded(self._codes(x, "source"), self.decoder_, self.offset_, self.norm_)

    @property
    def _used(self) -> tuple[str, ...]:
        return FOUR if self.similarities is None else tuple(self.similarities)

    def _check(self) -> None:
        operation = "ProductOfInvariances.fit"
        if isinstance(self.similarities, str) or not self._used:
            raise InputError(
                operation, f"similarities {self.similarities!r}", "a list of at least one"
            )
        for similarity in self._used:
            check(similarity, operation=operation)
        for name, known in (
            ("aggregate", ("sum", "concatenate")), ("weights", ("agreement", "equal")),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise InputError(operation, f"{name} {getattr(self, name)!r}", " or ".join(known))

    def _weighed(self) -> np.ndarray:
        """The weights: equal too where nothing agrees, as there is nothing to prefer."""
        agreed = np.clip(self.agreement_, 0.0, 1.0)
        if self.weights == "equal" or not agreed.any():
            return np.ones(len(agreed))
        weights = agreed / (1.0 - agreed + _FLOOR)
        return np.asarray(weights / weights.max())

    def _encode(self, rows: Array, side: str) -> Array:
        check_is_fitted(self)
        operation = f"ProductOfInvariances.encode_{side}"
        rows = matrix("rows", rows, operation=operation)
        dims = getattr(self, f"{side}_anchors_").shape[1]
        if rows.shape[1] != dims:
            raise InputError(
                operation, f"rows {tuple(rows.shape)}", f"{dims} columns, the {side}'s dims"
            )
        return self._codes(rows, side)

    def _codes(self, rows: Array, side: str) -> Array:
        parts = [
            self._one(rows, side, similarity) * float(weight)
            for similarity, weight in zip(self._used, self.weights_, strict=True)
            if weight > 0 or self.aggregate == "concatenate"
        ]
        if self.aggregate == "concatenate":
            return namespace(rows).concat(parts, axis=1)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _one(self, rows: Array, side: str, similarity: str) -> Array:
        """Codes (n, m) by one similarity at mean zero and deviation one."""
        anchors = like(getattr(self, f"{side}_anchors_"), rows)
        width = getattr(self, f"{side}_width_")
        found = codes(rows, anchors, similarity=similarity, width=width, top=None, power=1.0)
        xp = namespace(found)
        found = found - xp.mean(found, axis=1, keepdims=True)
        squares = xp.mean(found * found, axis=1, keepdims=True)
        return found / xp.sqrt(xp.where(squares > 0, squares, xp.ones_like(squares)))

    @property
    def _n_features_out(self) -> int:
        return int(self.decoder_.shape[1])
