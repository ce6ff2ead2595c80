"""Unpaired bridge: many first guesses, self-training from each, and trust where it is earned."""

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.agreement import LEAST, beyond_chance, demand
from isthmus.bridges.kernel_decoder import KernelMap, decode
from isthmus.bridges.map import Map
from isthmus.bridges.matching import best_matches
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.bridges.self_training import (
    Matches,
    Side,
    about_mean,
    refound,
    self_train,
    shared,
)
from isthmus.bridges.unpaired_signals import signals
from isthmus.bridges.unpaired_starts import STARTS, guess
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="unpaired",
    summary="Self-training from five unpaired guesses; a bridge only where one can be trusted.",
    paper=Paper(
        "A robust self-learning method for fully unsupervised cross-lingual mappings of word "
        "embeddings",
        "Artetxe et al.",
        2018,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale"),
    cost="n^2 d + n m^2 + m^3",
    memory="n^2",
    library="NumPy",
    pairs="none",
    min_rows=2,
)

#: Agreement beyond which no further guess is tried.
_SURE = 0.6
#: Rows a side below which wrong maps may agree by chance.
_FEWEST = 100
#: Known pairs from which some of them, held out, can tell whether the map of the others is right,
#: and the share of them that is.
_TELLING, _HELD_OUT = 50, 0.2
#: Share of the rows that a second fit sees.
_AGAIN = 0.8
#: How many times as many rows are looked at where pairs are known or the first rows were refused,
#: and the share of all rows that these must be: two samples of half of the rows have only a quarter
#: of the pairs in common, too few to be found by.
_WIDER, _ENOUGH = 2.5, 0.75


@register(CARD)
class Unpaired(KernelMap, Map, TransformerMixin, BaseEstimator):
    r"""The map that self-training reaches from different guesses, when none of them knew a pair.

    Guesses: rows with alike sorted similarities, with alike cosines to 20 or 50 assigned cluster
    centres, principal axes with signs by third moments, and equal columns where the dims agree.
    From each, rounds of mutual CSLS matching and canonical correlations as in ``SelfLearning``.
    Two things tell whether an end is right, and ``confidence_`` is the larger one. Wrong ends are
    wrong each in its own way: the share of source rows for which two ends choose the same target
    row, beyond chance, or that with a second fit on 80 % of the rows where this is smaller. And the
    matches of a right end bear each other out, though only one guess may have led there: of the
    end with the most matches, the share of rows matched, times the share of these that the map of
    the other half of the matches finds again, above one half and doubled. Below ``least`` there is
    no bridge. ``docs/results/unpaired.md`` says how often that is wrong. Where the two sides have
    no item in common both are low though the map may be right, as other ``signals_`` then show.

    Known pairs are one more guess, take part in every round, and the cosines to them stand beside
    what each other guess compares: one or two pairs can be enough for an end that is right. From
    50 of them on, a fifth is held out first, and where the map that the others lead to finds a
    share of these of ``least`` or more, that share is ``confidence_`` and no other guess is tried.
    With more of them than dims the map is given in any case.

    Parameters
    ----------
    least : confidence below which it refuses
    rounds : rounds of matching from each guess, at most
    rows : rows a side that take part at first; where they are refused and 2.5 times as many are
        at least three quarters of all, these take part, in six times the time
    rng : seed or Generator

    Attributes
    ----------
    mean_ : (dx,);  linear_ : (dx, dy);  offset_ : (dy,)
    centres_ : (m, dx) unit rows;  weights_ : (m, dy)
    matched_ : how many pairs were found
    confidence_ : in [0, 1], see above; 1 where every row is in a known pair
    signals_ : what was seen of the end, by name, as a refusal names it: agreement of ``starts``;
        and where this is below 0.6, what ``matches`` bear out, ``cycle`` consistency,
        ``neighbours`` in common and score of the ``assignment``. Not saved.

    Raises
    ------
    InputError
        On rows that are not finite or contradictory pairs.
    NoReliableBridge
        When no two ends agree and none bears itself out.

    References
    ----------
    Artetxe et al. 2018; Dar 2025, mini-vec2vec, for cluster assignment.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=(600, 8)) * np.linspace(1, 2, 8)
    >>> turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    >>> bridge = Unpaired().fit(x, rng.permutation(x @ turn), pairs=())
    >>> bridge.confidence_ > 0.9 and bridge.score(x, x @ turn) > 0.9
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**KernelMap.STATE, "confidence_": ()}

    confidence_: float
    signals_: dict[str, float]

    def __init__(
        self, *, least: float = LEAST, rounds: int = 40, rows: int = 6000, rng: Seed = 0
    ) -> None:
        self.least = least
        self.rounds = rounds
        self.rows = rows
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on X (n, dx) and y (m, dy); ``pairs=()`` where none is known."""
        x, target, i, j = all_rows(self, X, y, pairs)
        if not 0 <= self.least <= 1:
            raise InputError("Unpaired.fit", f"least={self.least}", "a share from 0 to 1")
        rng = generator(self.rng)
        self.confidence_, self.matched_, self.signals_ = 1.0, 0, {}
        known = len(i)
        if not known == len(x) == len(target):
            whole = (x, i), (target, j)
            for most in self._samples(known, len(x), len(target)):
                (x, i), (target, j) = (_some(*side, most, rng) for side in whole)
                sides = Side.of(about_mean(x)[1]), Side.of(about_mean(target)[1])
                found, self.confidence_ = self._found(*sides, i, j, rng)
                if self.confidence_ >= self.least:
                    break
            if min(len(x), len(target)) < _FEWEST:
                self.confidence_ = 0.0
            if known <= max(x.shape[1], target.shape[1]):
                demand("Unpaired.fit", self.confidence_, self.least, self.signals_)
            self.matched_ = len(found.i)
            i, j = np.r_[i, found.i], np.r_[j, found.j]
        return self._keep(decode(x, target, i, j, sure=known, most=self.rows, rng=rng))

    def _samples(self, known: int, *sizes: int) -> Iterator[int]:
        """Rows a side to look at, first few, then nearly all where there are not many more.

        From known pairs few rows find enough to be believed, and more find more: so all at once.
        """
        wider = int(_WIDER * self.rows)
        within = self.rows < max(sizes) and _ENOUGH * max(sizes) <= wider
        if not (known and within):
            yield self.rows
        if within:
            yield wider

    def _found(
        self, x: Side, y: Side, i: np.ndarray, j: np.ndarray, rng: np.random.Generator
    ) -> tuple[Matches, float]:
        """The end that finds known pairs, agrees with another one or bears itself out; how much."""
        self.signals_ = {}
        if len(i) >= _TELLING:
            end, share = self._held_out(x, y, i, j, rng)
            self.signals_ = {"known pairs": share}
            if share >= self.least or len(i) > max(x.rows.shape[1], y.rows.shape[1]):
                return end, share
        ends: list[tuple[Matches, np.ndarray]] = []
        names: list[str] = []
        best, confidence = 0, 0.0
        asked = _others(len(x.rows), i)
        for name in ("known_pairs", *STARTS):
            if name == "known_pairs" and not len(i):
                continue
            if name == "same_axes" and x.rows.shape[1] != y.rows.shape[1]:
                continue
            end = self._end(name, x, y, i, j, rng)
            if not len(end.i) + len(i):
                continue
            chosen = best_matches(*shared(x, y, np.r_[i, end.i], np.r_[j, end.j]))[0]
            for k, (other, choices) in enumerate(ends):
                agreed = beyond_chance(choices[asked], chosen[asked])
                if agreed > confidence:
                    confidence = agreed
                    best = k if len(other.i) > len(end.i) else len(ends)
            ends.append((end, chosen))
            names.append(name)
            if confidence > _SURE:
                break
        if not ends:
            return Matches(i[:0], j[:0], np.empty(0, np.float32), 0.0), 0.0
        if confidence >= LEAST:
            confidence = min(confidence, self._again(names[best], ends[best][1], x, y, i, j, rng))
        self.signals_ |= {"starts": confidence}
        if confidence >= _SURE:
            return ends[best][0], confidence
        end = ends[best][0]
        fullest = max((one for one, _ in ends), key=lambda one: len(one.i))
        borne_out = max(0.0, 2 * refound(x, y, fullest, rng) - 1)
        if borne_out > confidence:
            end, confidence = fullest, borne_out
        # Draws of its own, so that the map does not depend on what is only looked at.
        self.signals_ |= {"matches": borne_out, **signals(x, y, end, generator(0))}
        return end, confidence

    def _end(
        self,
        name: str,
        x: Side,
        y: Side,
        i: np.ndarray,
        j: np.ndarray,
        rng: np.random.Generator,
    ) -> Matches:
        start = i, j
        if name != "known_pairs":
            found = guess(name, x, y, i, j, rng)
            start = np.r_[i, found[0]], np.r_[j, found[1]]
        return self_train(x, y, *start, seeds=(i, j), rounds=self.rounds)

    def _held_out(
        self, x: Side, y: Side, i: np.ndarray, j: np.ndarray, rng: np.random.Generator
    ) -> tuple[Matches, float]:
        """The end from all known pairs, and the share of some of them that the others find."""
        asked = rng.permutation(len(i)) < _HELD_OUT * len(i)
        rest = i[~asked], j[~asked]
        end = self_train(x, y, *rest, seeds=rest, rounds=self.rounds)
        chosen = best_matches(*shared(x, y, np.r_[rest[0], end.i], np.r_[rest[1], end.j]))[0]
        guess = np.r_[i, end.i], np.r_[j, end.j]
        final = self_train(x, y, *guess, seeds=(i, j), rounds=self.rounds)
        return final, float(np.mean(chosen[i[asked]] == j[asked]))

    def _again(
        self,
        name: str,
        chosen: np.ndarray,
        x: Side,
        y: Side,
        i: np.ndarray,
        j: np.ndarray,
        rng: np.random.Generator,
    ) -> float:
        """Agreement with an end from most of the rows; without a relation every row matters."""
        kept = []
        for side, known in ((x, i), (y, j)):
            some = rng.random(len(side.rows)) < _AGAIN
            some[known] = True
            kept.append(np.flatnonzero(some))
        sides = Side.of(x.rows[kept[0]]), Side.of(y.rows[kept[1]])
        seeds = np.searchsorted(kept[0], i), np.searchsorted(kept[1], j)
        most = 0.0
        for one in (name, *(n for n in STARTS if n != name)):
            if one == "same_axes" and x.rows.shape[1] != y.rows.shape[1]:
                continue
            end = self._end(one, *sides, *seeds, rng)
            if not len(end.i) + len(i):
                continue
            both = shared(*sides, np.r_[seeds[0], end.i], np.r_[seeds[1], end.j])
            now = kept[1][best_matches(*both)[0]]
            before = chosen[kept[0]]
            there = np.isin(before, kept[1]) & _others(len(x.rows), i)[kept[0]]
            most = max(most, beyond_chance(before[there], now[there]))
            if most > _SURE:
                break
        return most


def _others(n: int, known: np.ndarray) -> np.ndarray:
    """Which of n rows are not ``known``, (n,) bool: known pairs would agree though maps did not."""
    others = ~np.isin(np.arange(n), known)
    return others if others.any() else ~others


def _some(
    rows: np.ndarray, known: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """At most ``most`` rows, those known as pairs first, and where these are then."""
    if len(rows) <= most:
        return rows, known
    free = rng.permutation(np.setdiff1d(np.arange(len(rows)), known))
    return rows[np.r_[known, free[: max(most - len(known), 0)]]], np.arange(len(known))
