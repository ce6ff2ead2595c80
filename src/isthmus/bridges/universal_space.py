"""A hub of N spaces: one universe that each is mapped to and from, N fits instead of N²."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.affine import Affine
from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.bridge import Bridge
from isthmus.bridges.choice import pair_score
from isthmus.bridges.consensus import Frame, Links, check_connected, frames, widths_of
from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.hub_file import read_hub, write_hub
from isthmus.bridges.hub_proof import familiar, path_error, prove
from isthmus.bridges.hub_summary import as_text, facts
from isthmus.bridges.items import (
    Rows,
    all_items,
    check_shared,
    mean_codes,
    rows_of,
    shared_items,
    with_others,
)
from isthmus.bridges.joining import joined, scatter_of
from isthmus.bridges.linear import origin_of
from isthmus.bridges.orthogonal import Orthogonal
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.spaces.fingerprint import Fingerprint

CARD = Card(
    name="universal_space",
    summary="A hub of N spaces by generalised Procrustes: N fits, every direction, closed cycles.",
    paper=Paper("Orthogonal Procrustes rotation for two or more matrices", "Ten Berge", 1977),
    cost="n d^2 k^2 + d^3 k",
    memory="d^2 k^2 + n d k",
    spaces=0,
    streams=True,
)

Form = Literal["orthogonal", "ridge"]

#: Items that every space must share with the others, and others' items to tell a joining one from.
_FEW, _HELD_OUT = 10, 1000


@register(CARD)
class UniversalSpace(BaseEstimator):
    r"""N spaces of any widths, each mapped into one universe and back; items may be missing.

    Orthogonal form: z = (x - m_s)/σ_s W_s + c_s and back x = σ_s (z - c_s) W_sᵀ + m_s, with W_s
    (d_s, k) orthogonal, and c_s such that the means of common items meet. The W_s maximise
    Σ_{s<t} tr(W_sᵀ S_st W_t) over the scatters S_st of common items; given all others each is a
    polar factor, so the alternation is closed and streams from moments.

    A -> B -> C equals A -> C to rounding wherever B has at least ``dim_`` dimensions, for then
    W_bᵀ W_b = 1. With ``dim=None`` the universe is as wide as the narrowest space, so every cycle
    closes; A -> B -> A is then the projection of A on what all share. A wider universe keeps more
    of wide spaces, and only cycles through narrower ones lose what these cannot hold: no linear
    maps could do better, since a path has at most the rank of its narrowest space.

    Ridge form: the same universe, as wide as the widest space unless told otherwise, and per space
    a ridge encoder from it onto the mean code of the other spaces, and a ridge decoder from the
    mean encoding of the others. Often closer to the target, above all where spaces are no rotations
    of each other; but regression shrinks at every step, so its cycles do not close, and
    ``cycle_error`` says by how much. Translate straight there, never by way of a third space.

    Parameters
    ----------
    form : ``orthogonal`` or ``ridge``
    dim : width k of the universe, or None for the rule above
    holdout : share of the items kept aside for the scores, the rule of ``Pairs.split``
    seed : seed of that choice

    Attributes
    ----------
    names_ : the names of the spaces;  dim_ : the universe's width
    encoders_, decoders_ : by name, (d, k) and (k,); (k, d) and (d,); float64
    agreement_ : Σ tr(W_sᵀ S_st W_t) over that of perfect copies, at most 1
    scores_ : by name, how well a held-out item finds itself among the other spaces' mean codes
    direction_scores_ : by (source, target), how well its translation finds the true partner
    items_ : (n,) int64 keys of the fitted items;  codes_ : (n, k) float32, their mean codes
    missing_ : by name, how many of these items a space does not have
    familiarities_ : by name, what ``confidence`` judges by

    Raises
    ------
    PairingError
        When no common items connect the spaces (the groups are named), or ids differ in kind.
    NoRelationFound
        When a space's held-out items are not found better than by chance.
    InputError
        On values that cannot be used, an id with two vectors, a strange name, or a space that
        shares fewer than 10 items with the others.

    References
    ----------
    Ten Berge 1977; Gower 1975, Generalized Procrustes analysis. With N = 2 it is ``Orthogonal``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 4))
    >>> turns = [np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(3)]
    >>> hub = UniversalSpace().fit({name: x @ q for name, q in zip("abc", turns)})
    >>> bool(np.allclose(hub.transform(x @ turns[0], "a", "c"), x @ turns[2]))
    True
    """

    names_: tuple[str, ...]
    dim_: int
    encoders_: dict[str, tuple[np.ndarray, np.ndarray]]
    decoders_: dict[str, tuple[np.ndarray, np.ndarray]]
    centres_: dict[str, np.ndarray]
    spreads_: dict[str, float]
    alphas_: dict[str, float]
    counts_: dict[str, int]
    fingerprints_: dict[str, Fingerprint]
    scores_: dict[str, Score]
    direction_scores_: dict[tuple[str, str], dict[str, Score]]
    agreement_: float
    sweeps_: int
    text_: bool
    items_: np.ndarray
    codes_: np.ndarray
    missing_: dict[str, int]
    familiarities_: dict[str, Familiarity]

    def __init__(
        self, *, form: Form = "orthogonal", dim: int | None = None, holdout: float = 0.2,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.form = form
        self.dim = dim
        self.holdout = holdout
        self.seed = seed

    @all_or_nothing
    def fit(self, spaces: Mapping[str, Any], *, mask: Mapping[str, Any] | None = None) -> Self:
        """Fit on ``{name: Space or (ids, vectors) or vectors}``; without ids, rows are the items.

        ``mask[name]`` (n,) is True where a space has the item of that row; others are not read.
        """
        rows = all_items(spaces, mask, seed=self.seed, operation="UniversalSpace.fit")
        self._check_parameters([r.vectors.shape[1] for r in rows.values()])
        held = {s: r.lots < np.uint64(self.holdout * 2.0**64) for s, r in rows.items()}
        train = {s: r.select(~held[s]) for s, r in rows.items()}
        links = {}
        for a, b in combinations(train, 2):
            i, j = train[a].common(train[b])
            if len(i):
                links[a, b] = Moments.of(train[a].vectors[i], train[b].vectors[j], keeps="cross")
        check_connected(tuple(rows), links)
        check_shared(rows, _FEW)
        self._settle(tuple(rows), links, {s: r.fingerprint for s, r in rows.items()})
        if self.form == "ridge":
            self._regress(train)
        self.items_, self.codes_ = mean_codes(train, self._encode_rows)
        self.text_ = next(iter(rows.values())).text
        away = {s: r.select(held[s]) for s, r in rows.items()}
        self.scores_, self.direction_scores_ = prove(away, self._encode_rows, self.transform)
        shared = shared_items(rows)
        for s, r in train.items():
            self.missing_[s] = len(self.items_) - int(np.isin(r.keys, self.items_).sum())
            self.familiarities_[s] = familiar(r, away[s], shared, seed=self.seed)
        return self

    @all_or_nothing
    def fit_moments(self, links: Links) -> Self:
        """Fit the orthogonal form from ``{(a, b): Moments of the common items of a and b}``.

        Moments of ``keeps="cross"`` suffice: ``Moments.from_blocks(isthmus.pair(a, b).blocks(),
        keeps="cross")`` streams them. No item is kept, so there is no score, and none can be added.
        """
        if self.form != "orthogonal":
            raise InputError("UniversalSpace.fit_moments", f"form={self.form!r}",
                             "'orthogonal': regressions need the items", "Use fit.")  # fmt: skip
        widths = widths_of(links)
        self._check_parameters(list(widths.values()))
        self._settle(tuple(widths), links, {})
        self.items_, self.codes_ = np.empty(0, np.int64), np.empty((0, self.dim_), np.float32)
        return self

    def add(self, name: str, X: Any, ids: Any = None, *, mask: Any = None) -> Self:
        """Let a new encoder join from the items it shares with the hub; no other space changes.

        X (n, d) under ``ids`` (n,), or a Space; rows where ``mask`` (n,) is False are not read.
        Rows of items that the hub does not know help to place and weigh the new space. About 50
        common items are enough to begin with.
        """
        check_is_fitted(self)
        where = f"UniversalSpace.add {name!r}"
        if not isinstance(name, str) or not name or name in self.names_:
            raise InputError(where, f"the name {name!r}", f"a new one, not of {list(self.names_)}")
        given = X if ids is None else (ids, X)
        rows = rows_of(name, given, mask=mask, seed=self.seed, operation=where)
        if len(self.items_) and rows.text != self.text_:
            raise InputError(
                where, "ids of another kind", f"{'text' if self.text_ else 'integers'}"
            )
        _, i, j = np.intersect1d(rows.keys, self.items_, return_indices=True)
        if len(i) < 2:
            raise InputError(where, f"{len(i)} items that the hub knows", "at least 2",
                             "Give ids of items it was fitted on.")  # fmt: skip
        x, codes = rows.vectors, self.codes_.astype(np.float64)
        mean = x.mean(axis=0)
        spread = float(np.sqrt(np.mean(np.sum((x - mean) ** 2, axis=1)))) or 1.0
        x, known, scatter = (x - mean) / spread, codes[j], scatter_of(codes)
        rest = codes[np.setdiff1d(np.arange(len(codes)), j)[:_HELD_OUT]]
        # Codes count by what becomes of them in the spaces of the hub.
        view = np.concatenate(
            [self.decoders_[s][0] / self.spreads_[s] for s in self.names_], axis=1
        )
        orthogonal = self.form == "orthogonal"
        turn, alpha, ranks = joined(
            x[i], known, scatter, others=rest, view=view, orthogonal=orthogonal, rng=self.seed
        )
        place = known.mean(axis=0) - x[i].mean(axis=0) @ turn
        if orthogonal:
            self._put(name, Frame(mean, spread, turn, place))
        else:
            unknown = x[np.setdiff1d(np.arange(len(x)), i)[:_HELD_OUT]]
            back, _, _ = joined(
                known, x[i], scatter_of(x), others=unknown, view=np.eye(x.shape[1]),
                orthogonal=False, rng=self.seed,
            )  # fmt: skip
            self.encoders_[name] = turn / spread, place - mean @ turn / spread
            shift = x[i].mean(axis=0) - known.mean(axis=0) @ back
            self.decoders_[name] = back * spread, shift * spread + mean
        self.names_ = (*self.names_, name)
        self.centres_[name], self.spreads_[name], self.alphas_[name] = mean, spread, alpha
        self.fingerprints_[name], self.counts_[name] = rows.fingerprint, len(i)
        self.missing_[name] = len(self.items_) - len(i)
        self.familiarities_[name] = Familiarity.of(rows.vectors, rows.vectors[:0], rng=self.seed)
        self.scores_[name] = pair_score(ranks, len(i) + len(rest))
        return self

    def encode(self, X: Array, space: str) -> Array:
        """Universe codes (n, k) of the vectors X (n, d) of ``space``."""
        return self._linear(*self.encoders_[self._known(space)], space).transform(X)

    def decode(self, Z: Array, space: str) -> Array:
        """Vectors (n, d) of ``space`` from universe codes Z (n, k)."""
        return self._linear(*self.decoders_[self._known(space)], None).transform(Z)

    def transform(self, X: Array, source: str, target: str) -> Array:
        """Translate X (n, dx) of ``source`` into ``target``, (n, dy)."""
        return self._map(source, target).transform(X)

    def bridge(self, source: str, target: str) -> Bridge:
        """The ordinary bridge from ``source`` to ``target``: one linear map, its ends, its scores.

        Its map is an ``Orthogonal`` or ``Affine`` with the hub's weights.
        """
        ends = [self._known(source), self._known(target)]
        if missing := [end for end in ends if end not in self.fingerprints_]:
            raise InputError("UniversalSpace.bridge", f"no vectors of {missing} seen",
                             "a hub fitted on rows", "Use transform, or fit on rows.")  # fmt: skip
        scores = self.direction_scores_.get((source, target), {})
        return Bridge(
            self._map(source, target), source=self.fingerprints_[source],
            target=self.fingerprints_[target], scores=scores,
            pairs=min(self.counts_[source], self.counts_[target]),
            holdout={"test": self.holdout, "seed": self.seed} if scores else None,
            familiarity=self.familiarities_.get(source),
        )  # fmt: skip

    def confidence(self, X: Array, space: str) -> np.ndarray:
        """How much each vector of X (n, d) looks like those of ``space``, (n,), as bridges say it.

        A conformal p-value in (0, 1], calibrated on held-out items.
        """
        if self._known(space) not in self.familiarities_:
            raise InputError("UniversalSpace.confidence", f"no vectors of {space!r} seen",
                             "a hub fitted on rows")  # fmt: skip
        x = to_numpy(matrix("X", X, operation="UniversalSpace.confidence"))
        return self.familiarities_[space].confidence(x)

    def cycle_error(self, path: Iterable[str]) -> float:
        """How far going along ``path`` (three names or more) ends from going straight.

        |W_ab W_bc - W_ac| over |W_ac| (Frobenius), in units of either space's spread.
        """
        path = [self._known(name) for name in path]
        if len(path) < 3:
            raise InputError("UniversalSpace.cycle_error", f"path {path}", "at least three names")
        return path_error(self.encoders_, self.decoders_, path)

    def save(self, path: str | Path) -> Path:
        """Write the hub as one file (safetensors and JSON), atomically; returns its path."""
        check_is_fitted(self)
        return write_hub(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "UniversalSpace":
        """Read a hub's file; raises FormatError on anything that ``save`` did not write."""
        return read_hub(cls, Path(path))

    def as_dict(self) -> dict[str, Any]:
        """What the hub is and how well it does, as plain data for JSON; no weights."""
        check_is_fitted(self)
        return facts(self)

    def __str__(self) -> str:
        return as_text(facts(self)) if hasattr(self, "names_") else repr(self)

    def _check_parameters(self, widths: list[int]) -> None:
        if self.form not in ("orthogonal", "ridge"):
            raise InputError("UniversalSpace", f"form={self.form!r}", "'orthogonal' or 'ridge'")
        if not 0 < self.holdout < 1:
            raise InputError("UniversalSpace", f"holdout={self.holdout}", "a share inside (0, 1)")
        if self.dim is not None and self.dim < 1:
            raise InputError("UniversalSpace", f"dim={self.dim}", "at least 1, or None")
        free = min(widths) if self.form == "orthogonal" else max(widths)
        self.dim_ = free if self.dim is None else int(self.dim)

    def _settle(
        self, names: tuple[str, ...], links: Links, fingerprints: dict[str, Fingerprint]
    ) -> None:
        """The orthogonal frames from moments, as encoders and decoders."""
        check_connected(names, links)
        found, self.agreement_, self.sweeps_ = frames(names, links, self.dim_)
        self.names_, self.fingerprints_, self.text_ = names, fingerprints, False
        self.encoders_, self.decoders_ = {}, {}
        for s in names:
            self._put(s, found[s])
        self.centres_ = {s: found[s].centre for s in names}
        self.spreads_ = {s: found[s].spread for s in names}
        self.alphas_ = dict.fromkeys(names, 0.0)
        self.counts_ = {s: max(m.n for pair, m in links.items() if s in pair) for s in names}
        self.scores_, self.direction_scores_ = {}, {}
        self.missing_, self.familiarities_ = {}, {}

    def _put(self, name: str, frame: Frame) -> None:
        turn, place = frame.turn, frame.place
        self.encoders_[name] = (
            turn / frame.spread, place - frame.centre @ (turn / frame.spread)
        )  # fmt: skip
        # Contiguous, as a file gives it back: else products differ in their last bits.
        back = np.ascontiguousarray(frame.spread * turn.T)
        self.decoders_[name] = back, frame.centre - place @ back

    def _regress(self, rows: dict[str, Rows]) -> None:
        """Ridge encoders onto the mean code of the others, then decoders from their encodings."""
        encoders = {}
        for s, (x, target) in with_others(rows, self._encode_rows):
            coef, offset, self.alphas_[s] = _ridge(x, target)
            encoders[s] = coef, offset
        self.encoders_ = encoders
        for s, (x, code) in with_others(rows, self._encode_rows):
            self.decoders_[s] = _ridge(code, x)[:2]

    def _encode_rows(self, name: str, x: np.ndarray) -> np.ndarray:
        coef, offset = self.encoders_[name]
        centre = self.centres_[name]
        coded: np.ndarray = (x - centre) @ coef + (offset + centre @ coef)
        return coded

    def _map(self, source: str, target: str) -> Any:
        """The map from source to target folded into one linear map."""
        enter, at = self.encoders_[self._known(source)]
        leave, to = self.decoders_[self._known(target)]
        return self._linear(enter @ leave, at @ leave + to, source)

    def _linear(self, coef: np.ndarray, intercept: np.ndarray, source: str | None) -> Any:
        estimator: Any
        if self.form == "orthogonal":
            estimator = Orthogonal(scale=True)
            estimator.rank_ = int(min(*coef.shape, self.dim_))
        else:
            estimator = Affine()
            estimator.alpha_ = self.alphas_.get(source or "", 0.0)
        centre = self.centres_[source] if source else np.zeros(len(coef))
        spread = self.spreads_[source] if source else 1.0
        estimator.origin_ = origin_of(centre, spread / len(centre) ** 0.5)
        estimator.coef_, estimator.intercept_ = coef, intercept + estimator.origin_ @ coef
        estimator.n_features_in_ = len(coef)
        return estimator

    def _known(self, name: str) -> str:
        check_is_fitted(self)
        if name not in self.encoders_:
            raise InputError("UniversalSpace", f"space {name!r}", f"one of {list(self.names_)}")
        return name


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    fitted = Affine().fit(x, y)
    return fitted.coef_, fitted.intercept_ - fitted.origin_ @ fitted.coef_, fitted.alpha_
