"""Choosing a bridge by held-out retrieval, with the one-standard-error rule."""

import re
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from isthmus.bridges.shortlist import shortlist
from isthmus.core.errors import InputError, NoRelationFound, NoReliableBridge
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed, generator
from isthmus.core.score import Score

#: A method is believed to beat chance when its mean reciprocal rank lies this many standard
#: errors above that of random partners: a false alarm once in about 30,000 fits.
_BELIEF = 4.0

#: Held-out pairs that decide, and partners to tell apart, at most: ranks cost their product.
_HELD_OUT = 2000
#: A forecast of a fit's time looks at one row in so many, in turn, but at no fewer pairs and rows
#: without partner than these, and at no more once a fit took this share of the budget.
_PARTS, _LEAST, _PATIENCE = (32, 16, 8, 4), (10, 100), 0.1
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
    """The candidates in order of simplicity, the one chosen, and why.

    ``rows`` is empty where too few pairs are known to hold some out.
    ``skipped`` names those that the time budget left out, with the seconds they would have taken;
    None where no time was left to find out.
    """

    rows: tuple[Candidate, ...]
    chosen: str
    reason: str
    skipped: tuple[tuple[str, float | None], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rows = [
            {
                "name": row.name, "mrr": row.score.as_dict(), "top1": row.top1,
                "lead": row.lead.as_dict(), "seconds": row.seconds, "chosen": row.chosen,
            }
            for row in self.rows
        ]  # fmt: skip
        return {
            "kind": "choice", "chosen": self.chosen, "reason": self.reason, "rows": rows,
            "skipped": [{"name": name, "seconds": seconds} for name, seconds in self.skipped],
        }  # fmt: skip

    def __str__(self) -> str:
        wide = max(len(name) for name in [*(row.name for row in self.rows), "bridge"])
        head = (
            f"  {'bridge':<{wide}} {'held-out MRR':<20} {'top-1':>5}  {'to the best':<22} {'s':>4}"
        )
        lines = [head] if self.rows else []
        for row in self.rows:
            low, high = row.score.ci or (np.nan, np.nan)
            lead = "best" if row.lead.ci is None else _interval(row.lead)
            lines.append(
                f"{'*' if row.chosen else ' '} {row.name:<{wide}} {row.score.value:.3f} "
                f"[{low:.3f}, {high:.3f}] {row.top1:>5.3f}  {lead:<22} {_short(row.seconds):>4}"
            )
        for name, seconds in self.skipped:
            why = f"about {_short(seconds)} s, over the budget" if seconds else "no time left"
            lines.append(f"  {name:<{wide}} not tried: {why}")
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


def choose(
    x: np.ndarray,
    y: np.ndarray,
    *,
    among: Sequence[tuple[str, BaseEstimator]] | None = None,
    unpaired: tuple[np.ndarray, np.ndarray] | None = None,
    budget: float | None = None,
    rng: Seed = 0,
) -> Choice:
    """Fit every candidate on most of the pairs and rank it by retrieval on the rest.

    The choice is the simplest candidate whose mean reciprocal rank is within one standard error of
    the best one's, the error being that of the paired difference over held-out queries.

    Parameters
    ----------
    x, y : (n, dx) and (n, dy), paired by position
    among : (name, unfitted estimator), simplest first; ``shortlist`` of the data when None
    unpaired : further rows (p, dx) and (q, dy) without partners, for candidates that read such
    budget : seconds; a candidate is left out when fits on parts of the rows say that trying it,
        and fitting the slowest so far on all of them in the end, takes longer than is left. The
        first is always tried
    rng : seed of the split

    Raises
    ------
    NoRelationFound
        When no candidate ranks true partners above chance: the rows look shuffled.
    InputError
        On fewer than 10 pairs.
    """
    n, began = len(x), time.perf_counter()
    if n < 10:
        raise InputError("choose a bridge", f"{n} pairs", "at least 10", "Name a --method instead.")
    more = (x[:0], y[:0]) if unpaired is None else unpaired
    if among is None:
        among = shortlist(n, (x.shape[1], y.shape[1]), unpaired=min(map(len, more)))
    order = generator(rng).permutation(n)
    # Few pairs are all held out in turn, five folds; many decide on one fifth of them.
    folds = np.array_split(order, 5) if n < _FEW else [order[: min(n // 5, _HELD_OUT)]]
    tried: list[tuple[str, np.ndarray, float]] = []
    skipped: list[tuple[str, float | None]] = []
    for name, estimator in among:
        if budget is not None and tried:
            left = budget - (time.perf_counter() - began)
            once = forecast(estimator, x, y, more, budget=budget) if left > 0 else None
            last = max(once or 0.0, *(seconds / len(folds) for _, _, seconds in tried))
            left = budget - (time.perf_counter() - began)
            if once is None or once * len(folds) + last > left:
                skipped.append((name, once and once * (len(folds) + 1)))
                continue
        start = time.perf_counter()
        parts = []
        for test in folds:
            train = np.setdiff1d(order, test)
            fitted = _fitted(estimator, x[train], y[train], more)
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
    return Choice(rows, tried[chosen][0], _reason(rows, chosen, best, cut), tuple(skipped))


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


def _fitted(
    estimator: BaseEstimator, x: np.ndarray, y: np.ndarray, more: tuple[np.ndarray, np.ndarray]
) -> BaseEstimator:
    """A clone fitted on the pairs x, y, and on the rows without partner where it reads such."""
    fresh = clone(estimator)
    if type(estimator).card.pairs == "all":
        return fresh.fit(x, y)
    known = np.arange(len(x))
    return fresh.fit(
        np.concatenate([x, more[0]]), np.concatenate([y, more[1]]), pairs=(known, known)
    )


def forecast(
    estimator: BaseEstimator,
    x: np.ndarray,
    y: np.ndarray,
    more: tuple[np.ndarray, np.ndarray],
    *,
    budget: float,
) -> float:
    """Seconds that one fit on all pairs x, y and rows ``more`` may take, from fits on parts.

    Parts double, until one took a tenth of the ``budget``. From the last part on time is taken to
    grow by the power of the rows by which the last two differ: at least by that of n in the card's
    cost, which what is the same for all sizes hides on small parts, and at most by that of n and m.
    A fit on the fewest rows comes first and does not count: in it libraries are imported. Where
    one part alone is timed, what is the same for all sizes is taken to grow with them too: a
    training of so many steps is then overrated, up to 32 times.
    """
    card = type(estimator).card
    least, most = (_degree(card.cost, of) for of in ("n", "nm"))
    power: float = least

    def portion(part: int) -> tuple[float, Any]:
        """How many rows one in ``part`` are, and they themselves."""
        cut = max(len(x) // part, min(len(x), _LEAST[0]))
        rest = tuple(s[: max(len(s) // part, _LEAST[1])] if card.pairs != "all" else s[:0]
                     for s in more)  # fmt: skip
        return float(cut + sum(map(len, rest))), (x[:cut], y[:cut], rest)

    def seconds(given: Any) -> float:
        start = time.perf_counter()
        with suppress(NoReliableBridge):  # a part may be too small for that
            _fitted(estimator, *given)
        return max(time.perf_counter() - start, 1e-9)

    seconds(portion(sys.maxsize)[1])
    rows = taken = 0.0
    for part in _PARTS:
        size, given = portion(part)
        if size == rows:
            continue
        last, before, rows, taken = rows, taken, size, seconds(given)
        if last:
            power = min(max(np.log(taken / before) / np.log(rows / last), least), most)
        if taken > _PATIENCE * budget:
            break
    whole = len(x) + (sum(map(len, more)) if card.pairs != "all" else 0)
    return float(taken * (whole / rows) ** power)


def _degree(cost: str, symbols: str) -> int:
    """The highest power of any of the ``symbols`` together in a term of a card's cost."""
    powers = (re.findall(rf"[{symbols}](?:\^(\d))?", term) for term in cost.split(" + "))
    return max(sum(int(power or 1) for power in found) for found in powers)


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 99.5 else f"{seconds:.0f}"


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
