"""Crossing: documents and queries carried across, never by a bridge that was fitted on the answer.

A bridge places the rows that it was fitted on better than others, and knows them better too. Were
the documents that queries ask for the only ones it had not seen, it would look worse than it is,
and an order by its confidence would re-embed exactly those first. So bridges are fitted in folds:
each document is translated, and its confidence told, by one that never saw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.fitting import fit
from isthmus.bridges.shortlist import shortlist
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.spaces.open import open
from isthmus.spaces.pairs import Pairs, pair
from isthmus.upgrade.crossfit import folds
from isthmus.upgrade.question import opened
from isthmus.upgrade.strategies import Map, Route, Vectors, mapped

#: The bridge that carries queries.
ROTATION = "orthogonal"
#: Documents below which nothing can be planned.
LEAST = 50
#: Share of a fold's rows that ``fit`` keeps for its proof that the rows relate at all.
_PROOF = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crossing:
    """What a bridge makes of the vectors: ``documents`` (n, d_new), ``queries`` (q, d_old).

    Either is None where there is no map in that direction; ``to_old`` is a map to time.
    """

    name: str
    documents: np.ndarray | None
    queries: np.ndarray | None
    to_old: Map | None


def carried(route: Route, vectors: Vectors) -> Crossing:
    """What a bridge of the user makes of the vectors."""
    return Crossing(
        name=route.name,
        documents=None if route.to_new is None else mapped(route.to_new, vectors.old_documents),
        queries=None if route.to_old is None else mapped(route.to_old, vectors.new_queries),
        to_old=route.to_old,
    )


def crossed(
    pairs: Pairs,
    new_queries: np.ndarray,
    relevance: Sequence[dict[int, float]],
    *,
    asked_by: np.ndarray | None,
    budget: float | None,
    seed: int,
) -> tuple[Crossing, Crossing]:
    """Documents carried over by the bridge that ``auto`` chooses, queries by a rotation; in folds.

    Documents are like those that a bridge learns from, so the one that places held-out documents
    best is taken. Queries are not: a map with fewer free numbers carries them better, and on six
    pairs of text spaces the rotation was the best or within 0.005 nDCG of it. A query crosses by
    the bridge of the fold that holds most of what answers it; ``asked_by`` (q,) is the document
    that each query is, if it is one.

    Raises what ``fit`` raises.
    """
    back = Pairs(pairs.target, pairs.source, pairs.rows_target, pairs.rows_source)
    chosen = fit(pairs, seed=seed, budget=budget).name
    fold = folds(len(pairs), rng=seed)
    home = np.array([_most(answers, fold) for answers in relevance])
    home = home if asked_by is None else fold[asked_by]
    moved = np.empty((len(pairs), pairs.target.dim), np.float32)
    queries = np.empty((len(new_queries), pairs.source.dim), np.float32)
    for one in np.unique(fold):
        known = fold != one
        there = fit(pairs.select(known), method=chosen, holdout=_PROOF, seed=seed)
        here = fit(back.select(known), method=ROTATION, holdout=_PROOF, seed=seed)
        moved[~known] = mapped(there.transform, pairs.x[~known])
        if (home == one).any():
            queries[home == one] = mapped(here.transform, new_queries[home == one])
    return (
        Crossing(name=ROTATION, documents=None, queries=queries, to_old=here.transform),
        Crossing(name=chosen, documents=moved, queries=None, to_old=None),
    )


def learnable(crossing: Crossing | None) -> str:
    """The method of ``crossing`` where ``auto`` tries it too, else a rotation.

    Others learn from more than pairs, or for so long that fitting them again and again is too much.
    """
    tried = {name for pairs in (1, 100) for name, _ in shortlist(pairs, (1, 1))}
    return crossing.name if crossing is not None and crossing.name in tried else ROTATION


def chained(pairs: Pairs, between: Sequence[Any], *, method: str, seed: int) -> Crossing:
    """Documents carried from the old space through each of those ``between`` to the new one.

    The same folds as in ``crossed``; each hop learns from the documents that both its ends hold.

    Raises InputError when an end of a hop holds too few of the documents.
    """
    stops = [(np.arange(len(pairs)), pairs.x)]
    for space in between:
        both = pair(open(pairs.x, ids=pairs.ids), opened(space))
        if len(both) < LEAST:
            raise InputError(
                "plan", f"{both.target.name!r} in the chain, with {len(both)} of these documents",
                f"at least {LEAST}", "Give vectors of the same documents.",
            )  # fmt: skip
        stops.append((both.rows_source, both.y))
    stops.append((np.arange(len(pairs)), pairs.y))
    fold = folds(len(pairs), rng=seed)
    moved = np.empty((len(pairs), pairs.target.dim), np.float32)
    for one in np.unique(fold):
        rows = pairs.x[fold == one]
        for (mine, x), (theirs, y) in pairwise(stops):
            common = np.intersect1d(mine, theirs)
            common = common[fold[common] != one]
            ends = x[np.searchsorted(mine, common)], y[np.searchsorted(theirs, common)]
            hop = fit(*map(np.ascontiguousarray, ends), method=method, holdout=_PROOF, seed=seed)
            rows = mapped(hop.transform, rows)
        moved[fold == one] = rows
    return Crossing(name=f"chain of {len(stops) - 1}", documents=moved, queries=None, to_old=None)


def confidence(old: np.ndarray, *, rng: Seed = 0) -> np.ndarray:
    """``Bridge.confidence`` in each document (n,), by the documents of the other folds alone."""
    fold = folds(len(old), rng=rng)
    found = np.empty(len(old))
    for one in np.unique(fold):
        known = Familiarity.of(old[fold != one], old[:0], rng=rng)
        found[fold == one] = known.confidence(old[fold == one])
    return found


def _most(answers: dict[int, float], fold: np.ndarray) -> int:
    weight = np.zeros(int(fold.max()) + 1)
    for row, grade in answers.items():
        weight[fold[row]] += grade
    return int(weight.argmax())
