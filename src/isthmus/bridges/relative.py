"""Relative bridge: describe every vector by its similarities to shared anchors, then decode."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import method, register

CARD = Card(
    name="relative",
    summary="Relative representation: similarities to shared anchors, decoded into the target.",
    paper=Paper(
        "Relative representations enable zero-shot latent space communication",
        "Moschella et al.",
        2023,
        where="section 3; inverse: Maiorca et al. 2024, Latent space translation via inverse "
        "relative projection",
    ),
    invariant=("orthogonal", "row_scale"),
    equivariant=("orthogonal", "isotropic_scale"),
    cost="n d m + m^3",
    memory="n m + m^2",
    min_rows=2,
)

Similarity = Literal["cosine", "euclidean", "l1", "linf"]
Sampler = Literal["uniform", "k_means", "farthest_point"]

#: Target rows the decoder is fitted on; more change it little and cost n m memory.
_DECODER_ROWS = 20_000
_BLOCK = 1024


def relative(x: Array, anchors: Array, *, similarity: Similarity = "cosine") -> Array:
    r"""Similarities of every row to every anchor, the relative representation.

    r_ij = cos(x_i, a_j), or minus the Euclidean, L1 or L∞ distance between them. A zero vector has
    cosine 0 to everything.

    Parameters
    ----------
    x : (n, d) array
    anchors : (m, d) array of the same kind
    similarity : ``cosine``, ``euclidean``, ``l1`` or ``linf``

    Returns
    -------
    (n, m) array of x's kind

    Raises
    ------
    InputError
        On unequal dims or an unknown similarity.

    References
    ----------
    Moschella et al. 2023, eq. 2; Cannistraci et al. 2024 for the distances.

    Examples
    --------
    >>> import numpy as np
    >>> relative(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])).tolist()
    [[1.0, 0.0]]
    """
    x = matrix("x", x, operation="relative representation")
    a = matrix("anchors", anchors, operation="relative representation")
    xp = namespace(x, a)
    if x.shape[1] != a.shape[1]:
        raise InputError(
            "relative representation",
            f"x {tuple(x.shape)} and anchors {tuple(a.shape)}",
            "equal dims",
        )
    if similarity not in _SIMILARITIES:
        raise InputError(
            "relative representation",
            f"similarity {similarity!r}",
            f"one of {', '.join(_SIMILARITIES)}",
        )
    return _SIMILARITIES[similarity](xp, x, a)


def _cosine(xp: Any, x: Array, a: Array) -> Array:
    return directions(x) @ directions(a).T


def _euclidean(xp: Any, x: Array, a: Array) -> Array:
    middle = xp.mean(a, axis=0)
    x, a = x - middle, a - middle
    squared = xp.sum(x * x, axis=1)[:, None] + xp.sum(a * a, axis=1)[None, :] - 2 * (x @ a.T)
    return -xp.sqrt(xp.where(squared > 0, squared, xp.zeros_like(squared)))


def _l1(xp: Any, x: Array, a: Array) -> Array:
    return _by_anchor(xp, x, a, lambda gap: xp.sum(gap, axis=1))


def _linf(xp: Any, x: Array, a: Array) -> Array:
    return _by_anchor(xp, x, a, lambda gap: xp.max(gap, axis=1))


def _by_anchor(xp: Any, x: Array, a: Array, norm: Callable[[Array], Array]) -> Array:
    # One anchor at a time over blocks of rows, so memory stays at a block of x.
    parts = []
    for block in row_blocks(x.shape[0], _BLOCK):
        rows = x[block, :]
        columns = [-norm(xp.abs(rows - a[j, :])) for j in range(a.shape[0])]
        parts.append(xp.stack(columns, axis=1))
    return xp.concat(parts, axis=0)


_SIMILARITIES = {"cosine": _cosine, "euclidean": _euclidean, "l1": _l1, "linf": _linf}


@register(CARD)
class Relative(Map, TransformerMixin, BaseEstimator):
    r"""Relative representation as a bridge: encode against source anchors, decode into the target.

    Codes r(x) = sim(x, A_X) of a source vector resemble the codes sim(y, A_Y) of its partner. The
    decoder is the ridge inverse of the target's own encoding, ŷ = r D with D fitted on target rows
    only; its penalty is the one under which decoded source codes miss the target rows least. For
    cosine and α → 0 this is the inverse relative projection ŷ = r (A_Yᵀ)⁺. Decoded rows are scaled
    to the mean norm of the target. ``encode_source`` and ``encode_target`` give the codes, which
    can be searched against each other directly, without any decoder.

    Parameters
    ----------
    anchors : number of anchor pairs, capped at the number of pairs
    similarity : ``cosine``, ``euclidean``, ``l1`` or ``linf``
    sampler : ``uniform``, ``k_means`` or ``farthest_point``, applied to the source rows
    rng : seed or Generator of the sampler

    Attributes
    ----------
    source_anchors_, target_anchors_ : (m, dx) and (m, dy) float64
    decoder_ : (m, dy) float64;  offset_ : (dy,) float64
    norm_ : mean norm of the target rows

    Raises
    ------
    InputError
        On rows that are not finite or not paired, or fewer than 2.

    References
    ----------
    Moschella et al. 2023; Maiorca et al. 2024, Latent space translation via inverse relative
    projection.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> bridge = Relative(anchors=20).fit(x, x @ turn)
    >>> bool(np.allclose(bridge.encode_source(x), bridge.encode_target(x @ turn)))
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "source_anchors_": ("m", "dx"),
        "target_anchors_": ("m", "dy"),
        "decoder_": ("m", "dy"),
        "offset_": ("dy",),
        "norm_": (),
        "alpha_": (),
    }

    source_anchors_: np.ndarray
    target_anchors_: np.ndarray
    decoder_: np.ndarray
    offset_: np.ndarray
    norm_: float
    alpha_: float
    n_features_in_: int

    def __init__(
        self,
        *,
        anchors: int = 300,
        similarity: Similarity = "cosine",
        sampler: Sampler = "uniform",
        rng: Seed = 0,
    ) -> None:
        self.anchors = anchors
        self.similarity = similarity
        self.sampler = sampler
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Choose anchors among the pairs of X (n, dx) and y (m, dy), and fit the decoder."""
        x, target = paired_rows(self, X, y, pairs)
        rng = generator(self.rng)
        rows = rng.permutation(x.shape[0])[:_DECODER_ROWS]
        rows.sort()
        source, target = (to_numpy(side)[rows].astype(np.float64) for side in (x, target))
        count = min(self.anchors, int(np.sum(source.any(axis=1) & target.any(axis=1))))
        if count < 1:
            raise InputError("Relative.fit", "only zero vectors", "rows with a direction")
        usable = np.flatnonzero(source.any(axis=1) & target.any(axis=1))
        pick = usable[method("anchors", self.sampler).call(source[usable], count, rng=rng)]
        self.source_anchors_, self.target_anchors_ = source[pick], target[pick]
        self.norm_ = float(np.linalg.norm(target, axis=1).mean())
        self._fit_decoder(source, target)
        return self

    def encode_source(self, X: Array) -> Array:
        """Codes of source vectors (n, dx): similarities to the source anchors, (n, m)."""
        check_is_fitted(self)
        return relative(X, like(self.source_anchors_, matrix("X", X, operation="Relative")),
                        similarity=self.similarity)  # fmt: skip

    def encode_target(self, Y: Array) -> Array:
        """Codes of target vectors (n, dy): similarities to the target anchors, (n, m)."""
        check_is_fitted(self)
        return relative(Y, like(self.target_anchors_, matrix("Y", Y, operation="Relative")),
                        similarity=self.similarity)  # fmt: skip

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        decoded = self.encode_source(x) @ like(self.decoder_, x) + like(self.offset_, x)
        return directions(decoded) * self.norm_

    def _fit_decoder(self, source: np.ndarray, target: np.ndarray) -> None:
        truth = unit(target)
        path = RidgePath(Moments.of(self._codes(target, self.target_anchors_), truth))
        codes = self._codes(source, self.source_anchors_)
        errors = []
        for alpha in path.ALPHAS:
            coef = path.coef(alpha)
            offset = path.mean_y - path.mean_x @ coef
            # Only directions count: decoded rows are rescaled anyway.
            errors.append(-float(np.mean(np.sum(unit(codes @ coef + offset) * truth, axis=1))))
        self.alpha_ = float(path.ALPHAS[int(np.argmin(errors))])
        self.decoder_ = path.coef(self.alpha_)
        self.offset_ = path.mean_y - path.mean_x @ self.decoder_

    def _codes(self, rows: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        return relative(rows, anchors, similarity=self.similarity)  # type: ignore[no-any-return]

    @property
    def _n_features_out(self) -> int:
        return int(self.decoder_.shape[1])
