"""Choosing a bridge by held-out retrieval, with the one-standard-error rule."""

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from isthmus.core.errors import InputError, NoRelationFound
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed, generator
from isthmus.core.score import Score

#: A method is believed to beat chance when its mean reciprocal rank lies this many standard
#: errors above that of random partners: a false alarm once in about 30,000 fits.
_BELIEF = 4.0

#: Held-out pairs that decide, and partners to tell apart, at most: ranks cost their product.
_HELD_OUT = 2000
#: Below this many pairs all of them are held out in turn.
_FEW = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """One method tried: its held-out score, its paired lead over the best, and its fitting time.

    ``score`` is the mean reciprocal rank of the true partner; ``lead`` the difference to the best
    candidate with its 95 % interval (zero for the best itself).
    """

    name: str
    score: Score
    top1: float
    lead: Score
    seconds: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates in order of simplicity, the one chosen, and why."""

    rows: tuple[Candidate, ...]
    chosen: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rows = [
            {
                "name": row.name, "mrr": row.score.as_dict(), "top1": row.top1,
                "lead": row.lead.as_dict(), "seconds": row.seconds, "chosen": row.chosen,
            }
            for row in self.rows
        ]  # fmt: skip
        return {"kind": "choice", "chosen": self.chosen, "reason": self.reason, "rows": rows}

    def __str__(self) -> str:
        lines = [
            f"  {'bridge':<11} {'held-out MRR':<20}  {'top-1':>5}  {'to the best':<23} {'s':>5}"
        ]
        for row in self.rows:
            low, high = row.score.ci or (np.nan, np.nan)
            lead = "best" if row.lead.ci is None else _interval(row.lead)
            lines.append(
                f"{'*' if row.chosen else ' '} {row.name:<11} {row.score.value:.3f} "
                f"[{low:.3f}, {high:.3f}]  {row.top1:>5.3f}  {lead:<23} {row.seconds:>5.1f}"
            )
        return "\n".join([*lines, *textwrap.wrap(self.reason, 80)])


def chance_mrr(n: int) -> tuple[float, float]:
    """Mean and standard deviation of 1/rank when the true rank is uniform on 1..n."""
    inverse = 1 / np.arange(1, n + 1)
    mean = float(inverse.mean())
    return mean, float(np.sqrt(np.mean(inverse**2) - mean**2))


def pair_score(per_query: np.ndarray, pool: int) -> Score:
    """Mean reciprocal rank among ``pool`` rows, with its interval, chance level and z."""
    n = len(per_query)
    value = float(per_query.mean())
    spread = float(per_query.std(ddof=1) / n**0.5) if n > 1 else float("nan")
    chance, deviation = chance_mrr(pool)
    z = float((value - chance) / (deviation / np.sqrt(n))) if n > 1 else None
    return Score(
        value=value, method="true_pair_mrr", n=n, chance=chance, z=z,
        ci=(max(value - 1.96 * spread, 0.0), min(value + 1.96 * spread, 1.0)) if n > 1 else None,
    )  # fmt: skip


def candidates() -> list[tuple[str, BaseEstimator]]:
    """What ``auto`` tries, simplest first: fewer free numbers, fewer assumptions broken."""
    from isthmus.bridges.affine import Affine
    from isthmus.bridges.low_rank import LowRank
    from isthmus.bridges.orthogonal import Orthogonal
    from isthmus.bridges.relative import Relative

    return [
        ("orthogonal", Orthogonal()),
        ("low_rank", LowRank()),
        ("affine", Affine()),
        ("relative", Relative()),
    ]


def choose(
    x: np.ndarray,
    y: np.ndarray,
    *,
    among: Sequence[tuple[str, BaseEstimator]] | None = None,
    rng: Seed = 0,
) -> Choice:
    """Fit every candidate on most of the pairs and rank it by retrieval on the rest.

    The choice is the simplest candidate whose mean reciprocal rank is within one standard error of
    the best one's, the error being that of the paired difference over held-out queries.

    Parameters
    ----------
    x, y : (n, dx) and (n, dy), paired by position
    among : (name, unfitted estimator), simplest first; all closed-form bridges when None
    rng : seed of the split

    Raises
    ------
    NoRelationFound
        When no candidate ranks true partners above chance: the rows look shuffled.
    InputError
        On fewer than 10 pairs.
    """
    n = len(x)
    if n < 10:
        raise InputError("choose a bridge", f"{n} pairs", "at least 10", "Name a --method instead.")
    order = generator(rng).permutation(n)
    # Few pairs are all held out in turn, five folds; many decide on one fifth of them.
    folds = np.array_split(order, 5) if n < _FEW else [order[: min(n // 5, _HELD_OUT)]]
    tried: list[tuple[str, np.ndarray, float]] = []
    for name, estimator in among or candidates():
        start = time.perf_counter()
        parts = []
        for test in folds:
            train = np.setdiff1d(order, test)
            fitted = clone(estimator).fit(x[train], y[train])
            # Distractors: the other held-out partners first, then fitted ones.
            pool = y[np.concatenate([test, train])[:_HELD_OUT]]
            parts.append(1 / partner_ranks(fitted.transform(x[test]), pool))
        tried.append((name, np.concatenate(parts), time.perf_counter() - start))
    size, cut = min(n, _HELD_OUT), len(tried[0][1])
    best = int(np.argmax([ranks.mean() for _, ranks, _ in tried]))
    score = pair_score(tried[best][1], size)
    check_relation(score, f"bridge of {n} pairs (best method: {tried[best][0]})")
    leads = [_lead(ranks, tried[best][1]) for _, ranks, _ in tried]
    chosen = next(i for i, lead in enumerate(leads) if lead.value + _error(lead) >= 0)
    rows = tuple(
        Candidate(
            name=name, score=pair_score(ranks, size), top1=float(np.mean(ranks == 1)),
            lead=leads[i], seconds=seconds, chosen=i == chosen,
        )
        for i, (name, ranks, seconds) in enumerate(tried)
    )  # fmt: skip
    return Choice(rows, tried[chosen][0], _reason(rows, chosen, best, cut))


def check_relation(score: Score, what: str) -> None:
    """Raise NoRelationFound unless ``score`` from ``pair_score`` lies clearly above chance."""
    if score.z is not None and score.z < _BELIEF:
        raise NoRelationFound(
            f"fit {what}",
            f"held-out mean reciprocal rank {score.value:.4f} (n={score.n}), where random partners "
            f"give {score.chance:.4f}",
            f"at least {_BELIEF:g} standard errors above chance, not {score.z:.1f}",
            "No relation found: check that rows with one id really are the same item.",
        )


def _lead(ranks: np.ndarray, best: np.ndarray) -> Score:
    gap = ranks - best
    if not gap.any():
        return Score(value=0.0, method="paired difference", n=len(gap))
    spread = 1.96 * float(gap.std(ddof=1)) / len(gap) ** 0.5
    mean = float(gap.mean())
    return Score(
        value=mean, method="paired difference", n=len(gap), ci=(mean - spread, mean + spread)
    )


def _error(lead: Score) -> float:
    return 0.0 if lead.ci is None else (lead.ci[1] - lead.ci[0]) / (2 * 1.96)


def _reason(rows: tuple[Candidate, ...], chosen: int, best: int, n: int) -> str:
    name = rows[chosen].name
    if chosen == best:
        return (
            f"{name}: the highest held-out MRR of {n} pairs, and nothing simpler is within one "
            "standard error."
        )
    return (
        f"{name}: within one standard error of {rows[best].name}, the best on {n} held-out pairs, "
        "and simpler."
    )


def _interval(score: Score) -> str:
    low, high = score.ci or (np.nan, np.nan)
    return f"{score.value:+.3f} [{low:+.3f}, {high:+.3f}]"
