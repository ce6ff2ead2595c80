"""Relative bridge: describe every vector by its similarities to shared anchors, then decode."""

from typing import ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.decoder import ROWS, chosen_pairs, decoded, ridge_decoder
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.bridges.similarities import (
    check,
    codes,
    frame,
    framed,
    median_distance,
    relative,
    unframed,
)
from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

__all__ = ["CARD", "Relative", "relative"]

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


@register(CARD)
class Relative(Map, TransformerMixin, BaseEstimator):
    r"""Relative representation as a bridge: encode against source anchors, decode into the target.

    Codes r(x) = sim(x, A_X) of a source vector resemble the codes sim(y, A_Y) of its partner. The
    decoder inverts the target's own encoding, ŷ = r D + o. With ``ridge``, D is fitted on target
    rows, and its penalty is the one under which decoded source codes miss the target rows least.
    With ``inverse`` it is the inverse relative projection D = (Â_Yᵀ)⁺, Â_Y the anchors at unit
    length, which needs no more of the target than its anchors; for cosine, ridge tends to it as its
    penalty vanishes. Decoded rows are scaled to the mean norm of the target. ``encode_source`` and
    ``encode_target`` give the codes, which can be searched against each other directly, without any
    decoder.

    Parameters
    ----------
    anchors : number of anchor pairs, capped at the number of pairs that differ and are not zero
    similarity : ``cosine``, ``angular``, ``euclidean``, ``l1``, ``linf`` or ``kernel``, whose width
        is the median distance between the anchors of each side
    sampler : any of ``isthmus.anchors`` that looks at the rows alone, applied to the source's
    centre : take each side relative to the mean of its fitted rows
    standardise : and divide each column by its standard deviation too
    top, power : keep only this many of the largest similarities, raised to this power, at length
        one, as ASIF does
    decoder : ``ridge`` or ``inverse``, the latter for plain cosine
    rng : seed or Generator of the sampler

    Attributes
    ----------
    source_anchors_, target_anchors_ : (m, dx) and (m, dy) float64, as they came
    source_origin_, target_origin_ : (dx,) and (dy,) what is taken off first, zero by default
    source_units_, target_units_ : (dx,) and (dy,) what columns are divided by, one by default
    source_width_, target_width_ : widths of the kernel, 1 without it
    decoder_ : (m, dy) float64;  offset_ : (dy,) float64
    norm_ : mean norm of the target rows from their origin, in their units
    alpha_ : the ridge penalty, 0 with ``inverse``

    Raises
    ------
    InputError
        On rows that are not finite or not paired, fewer than 2, or all zero; on parameters that do
        not exist or do not go together.

    References
    ----------
    Moschella et al. 2023; Maiorca et al. 2024, Latent space translation via inverse relative
    projection; Maiorca et al. 2023, Latent space translation via semantic alignment (standardised
    sides); Norelli et al. 2023, ASIF: Coupled data turns unimodal models to multimodal without
    training.

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
        "source_origin_": ("dx",),
        "target_origin_": ("dy",),
        "source_units_": ("dx",),
        "target_units_": ("dy",),
        "source_width_": (),
        "target_width_": (),
        "decoder_": ("m", "dy"),
        "offset_": ("dy",),
        "norm_": (),
        "alpha_": (),
    }

    source_anchors_: np.ndarray
    target_anchors_: np.ndarray
    source_origin_: np.ndarray
    target_origin_: np.ndarray
    source_units_: np.ndarray
    target_units_: np.ndarray
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
        similarity: str = "cosine",
        sampler: str = "uniform",
        centre: bool = False,
        standardise: bool = False,
        top: int | None = None,
        power: float = 1.0,
        decoder: Literal["ridge", "inverse"] = "ridge",
        rng: Seed = 0,
    ) -> None:
        self.anchors = anchors
        self.similarity = similarity
        self.sampler = sampler
        self.centre = centre
        self.standardise = standardise
        self.top = top
        self.power = power
        self.decoder = decoder
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Choose anchors among the pairs of X (n, dx) and y (m, dy), and fit the decoder."""
        self._check()
        x, target = paired_rows(self, X, y, pairs)
        rng = generator(self.rng)
        rows = np.sort(rng.permutation(x.shape[0])[:ROWS])
        sides = []
        for side, given in (("source", x), ("target", target)):
            own = to_numpy(given)[rows].astype(np.float64)
            origin, units = frame(own, centre=self.centre, standardise=self.standardise)
            setattr(self, f"{side}_origin_", origin)
            setattr(self, f"{side}_units_", units)
            sides.append((own, framed(own, origin, units)))
        (source, seen), (target, truth) = sides
        pick = chosen_pairs(
            seen, truth, self.anchors, sampler=self.sampler, rng=rng, operation="Relative.fit"
        )
        self.source_anchors_, self.target_anchors_ = source[pick], target[pick]
        kernel = self.similarity == "kernel"
        self.source_width_ = median_distance(seen[pick]) if kernel else 1.0
        self.target_width_ = median_distance(truth[pick]) if kernel else 1.0
        self.norm_ = float(np.linalg.norm(truth, axis=1).mean())
        if self.decoder == "inverse":
            self.decoder_ = np.linalg.pinv(unit(truth[pick]).T)
            self.offset_, self.alpha_ = np.zeros(truth.shape[1]), 0.0
        else:
            self.decoder_, self.offset_, self.alpha_ = ridge_decoder(
                truth,
                seen,
                lambda rows: self._codes(rows, "target", inside=True),
                lambda rows: self._codes(rows, "source", inside=True),
            )
        return self

    def encode_source(self, X: Array) -> Array:
        """Codes of source vectors (n, dx): similarities to the source anchors, (n, m)."""
        return self._encode(X, "source")

    def encode_target(self, Y: Array) -> Array:
        """Codes of target vectors (n, dy): similarities to the target anchors, (n, m)."""
        return self._encode(Y, "target")

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X, finite=False)
        found = decoded(
            self._codes(x, "source", operation="Relative.transform"),
            self.decoder_,
            self.offset_,
            self.norm_,
        )
        return unframed(found, self.target_origin_, self.target_units_)

    def _check(self) -> None:
        check(self.similarity, top=self.top, power=self.power, operation="Relative.fit")
        if self.decoder not in ("ridge", "inverse"):
            raise InputError("Relative.fit", f"decoder {self.decoder!r}", "ridge or inverse")
        plain = self.similarity == "cosine" and self.top is None and self.power == 1
        if self.decoder == "inverse" and not plain:
            raise InputError(
                "Relative.fit", "decoder 'inverse' of codes that are not linear in the direction",
                "similarity 'cosine' without top and power", "Take decoder='ridge'.",
            )  # fmt: skip

    def _encode(self, rows: Array, side: str) -> Array:
        check_is_fitted(self)
        operation = f"Relative.encode_{side}"
        rows = matrix("rows", rows, operation=operation, finite=False)
        dims = getattr(self, f"{side}_anchors_").shape[1]
        if rows.shape[1] != dims:
            raise InputError(
                operation, f"rows {tuple(rows.shape)}", f"{dims} columns, the {side}'s dims"
            )
        return self._codes(rows, side, operation=operation)

    def _codes(
        self, rows: Array, side: str, *, inside: bool = False, operation: str = "Relative.fit"
    ) -> Array:
        """Codes of rows of that side; ``inside``: of rows already in its frame."""
        anchors, origin, units, width = (
            getattr(self, f"{side}_{name}_") for name in ("anchors", "origin", "units", "width")
        )
        return codes(
            rows if inside else framed(rows, origin, units),
            like(framed(anchors, origin, units), rows),
            similarity=self.similarity, width=width, top=self.top, power=self.power,
            operation=operation,
        )  # fmt: skip

    @property
    def _n_features_out(self) -> int:
        return int(self.decoder_.shape[1])
