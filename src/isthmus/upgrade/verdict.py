"""Verdict: the strategy that a plan recommends, why, how surely, and what would change it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from isthmus.core.random import Seed
from isthmus.retrieval.bootstrap import Difference, paired
from isthmus.upgrade.decide import PROMISE, decide
from isthmus.upgrade.planned import Outcome

#: Kinds that may be recommended, by what they cost: nothing; a map per query; both encoders per
#: query; a corpus rewritten; embedding while answering; embedding a part, all, and keeping both.
PRICES = {
    "status quo": 0, "query side": 1, "interpolated": 2, "fused": 3, "corpus side": 4, "chain": 5,
    "reranked": 6, "partial": 7, "full re-embedding": 8, "both": 9,
}  # fmt: skip
#: What the new encoder's own neighbours cannot judge, for it is made of them.
_CIRCULAR = {"partial", "full re-embedding", "both"}
_DO = {
    "status quo": "keep the old encoder",
    "query side": "keep the old index and translate new queries into it with {bridge}",
    "interpolated": "keep the old index and ask it {setting} of the way from the old query to the "
    "new one translated by {bridge}",
    "fused": "keep the old index, ask it with the old query and with the new one translated by "
    "{bridge}, and add the calibrated scores, the translated query's weighing {setting}",
    "corpus side": "translate the corpus with {bridge} and search it with new queries",
    "chain": "translate the corpus along the {bridge}",
    "reranked": "{summary}: new scores weigh {setting}",
    "partial": "{summary}, in the order of {setting}",
    "full re-embedding": "re-embed everything",
    "both": "re-embed everything, keep the old index beside it, and add the calibrated scores of "
    "both, the new one's weighing {setting}",
}
#: Queries below which no interval is to be trusted, and belief below which a choice is a guess.
_FEW, _SURE = 30, 0.8


class Named(Protocol):
    """A strategy as far as the race is concerned."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def kind(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The strategy recommended, and what is to be said with it; see ``Plan``."""

    recommended: str
    reason: str
    sure: float
    lacking: str
    changes: tuple[str, ...]


def race(
    strategies: Sequence[T], ndcg: dict[str, np.ndarray], *, provisional: bool, rng: Seed
) -> tuple[T | None, float]:
    """The one of ``strategies`` (anything with a name and a kind) to take, and how surely."""
    some = [s for s in strategies if competes(s.kind, provisional=provisional) and s.name in ndcg]
    if not some:
        return None, 0.0
    values = np.stack([ndcg[s.name] for s in some], axis=1)
    found = decide(values, [PRICES[s.kind] for s in some], rng=rng)
    return some[found.chosen], found.sure


def competes(kind: str, *, provisional: bool) -> bool:
    """Whether strategies of a kind may be recommended."""
    return kind in PRICES and not (provisional and kind in _CIRCULAR)


def verdict(
    outcomes: Sequence[Outcome],
    ndcg: dict[str, np.ndarray],
    *,
    k: int,
    collection: int,
    provisional: bool,
    rng: Seed,
) -> Verdict:
    """Decide by cross-fitted nDCG, in ``decide``'s way, and say what the decision hangs on.

    Only kinds in ``PRICES`` compete: not the naive swap, and not reduced forms, which are ways to
    store what re-embedding gives: where all is embedded, the smallest that serves as well is named.
    Without queries everything made of new vectors is left out, for it would be judged by itself.

    Parameters
    ----------
    outcomes : sequence of Outcome
    ndcg : dict of strategy to (q,) array
        The metric per query, of the strategies that were possible.
    k, collection : int
        Depth of the metric; documents in the whole collection.
    provisional : bool
        Whether the new encoder's own neighbours are the relevance.
    rng : int or numpy.random.Generator
    """
    racing = [o for o in outcomes if o.name in ndcg and competes(o.kind, provisional=provisional)]

    def best(allowed: Callable[[Outcome], bool]) -> tuple[Outcome | None, float]:
        allowed_ones = [o for o in racing if allowed(o)]
        return race(allowed_ones, ndcg, provisional=provisional, rng=rng)

    chosen, sure = best(lambda o: True)
    if chosen is None:
        # Provisional, without old queries and without a bridge that could answer.
        return Verdict("full re-embedding", "nothing else could be measured.", 0.0,
                       "bring old queries, or a bridge.", ())  # fmt: skip
    quo = next((o for o in racing if o.kind == "status quo"), None)
    full = next((o for o in outcomes if o.kind == "full re-embedding"), None)

    def gain(one: Outcome, over: Outcome) -> Difference:
        return paired(ndcg[one.name], ndcg[over.name], rng=rng)

    reason = _action(chosen)
    metric, n = f"nDCG@{k}", len(ndcg[chosen.name])
    over = None if quo is None or chosen is quo else gain(chosen, quo)
    if over is not None:
        reason += f": {metric} {_shown(over)} over the status quo"
    if full is not None and chosen is not full and not provisional:
        reason += f"; against full re-embedding {_shown(gain(chosen, full))}"
    reason += (
        f". It reaches {1 - PROMISE:.0%} of the best of these with a probability of {sure:.2f}."
    )
    if provisional:
        reason = "provisional, by likeness to the new encoder only: " + reason
    missing = lacking(chosen.kind, over, sure, n, provisional=provisional, unknown=quo is None)
    changes = _changes(chosen, racing, best, gain, metric, collection)
    if full is not None and chosen.kind in ("full re-embedding", "both"):
        changes += _smaller(outcomes, full, gain, metric)
    changes += _hops(outcomes, gain, metric)
    return Verdict(chosen.name, reason, sure, missing, changes)


def lacking(
    kind: str, over: Difference | None, sure: float, n: int, *, provisional: bool, unknown: bool
) -> str:
    """What the data leave open about a strategy of ``kind`` chosen on n queries; empty if nothing.

    ``over`` is its gain over the status quo, None where it is that or that is ``unknown``.
    """
    if provisional:
        return (
            "without queries nothing shows that the new encoder serves better than the old one; "
            "the choice is only the closest imitation short of re-embedding. Bring queries."
        )
    if n < _FEW:
        return f"{n} queries are too few to trust any interval; bring at least {_FEW}."
    if over is not None and over.ci[0] <= 0:
        more = _more(over)
        cure = f"; about {more:,} more queries would settle it" if more else ""
        return (
            "it is the best guess, but the interval of its gain over the status quo, "
            f"[{over.ci[0]:+.3f}, {over.ci[1]:+.3f}], holds zero{cure}."
        )
    if sure < _SURE:
        gain = "" if kind == "status quo" or unknown else "it beats the status quo, but "
        return (
            f"{gain}others may be better by more than {PROMISE:.0%}: with a probability of "
            f"{1 - sure:.2f}. More queries would tell."
        )
    return ""


def _more(over: Difference) -> int:
    """Queries wanted beyond those there are for the interval to leave zero out, 0 if hopeless."""
    half = (over.ci[1] - over.ci[0]) / 2
    if over.mean <= 0 or half <= 0:
        return 0
    wanted = over.n * (half / over.mean) ** 2
    return 0 if wanted > 1e6 else max(1, math.ceil(wanted - over.n))


def _changes(
    chosen: Outcome,
    racing: Sequence[Outcome],
    best: Callable[[Callable[[Outcome], bool]], tuple[Outcome | None, float]],
    gain: Callable[[Outcome, Outcome], Difference],
    metric: str,
    collection: int,
) -> tuple[str, ...]:
    told = []
    for need, lost in (
        ("old encoder", "the old encoder cannot be asked any more"),
        ("texts", "the documents' texts are gone"),
    ):
        if need in chosen.cost.needs:
            other, _ = best(lambda o, need=need: need not in o.cost.needs)  # type: ignore[misc]
            told.append(f"If {lost}: {_instead(other, chosen, gain, metric)}.")
    if chosen.cost.embed:
        other, _ = best(lambda o: not o.cost.embed)
        told.append(
            f"If embedding {chosen.cost.embed:,} documents beforehand is too much: "
            f"{_instead(other, chosen, gain, metric)}."
        )
    elif chosen.cost.embed_per_query:
        other, _ = best(lambda o: not o.cost.embed_per_query)
        even = math.ceil(collection / chosen.cost.embed_per_query)
        told.append(
            f"If nothing may be embedded while answering: {_instead(other, chosen, gain, metric)}."
            + ("" if chosen.cost.partly else f" At {chosen.cost.embed_per_query:.1f} documents a "
               f"query it takes {even:,} queries or more to embed the whole collection.")
        )  # fmt: skip
    full = next((o for o in racing if o.kind == "full re-embedding"), None)
    if full is not None and PRICES[chosen.kind] < PRICES[full.kind]:
        least = PROMISE * (chosen.ndcg.value if chosen.ndcg else 0.0)
        told.append(
            f"Full re-embedding, if it gained more than {least:.3f} {metric} over this; here it is "
            f"{_shown(gain(full, chosen))}."
        )
    if chosen.kind != "status quo" and any(o.kind == "status quo" for o in racing):
        told.append("The status quo, if a gain of that size is not worth the work to you.")
    return tuple(told)


def _smaller(
    outcomes: Sequence[Outcome],
    full: Outcome,
    gain: Callable[[Outcome, Outcome], Difference],
    metric: str,
) -> tuple[str, ...]:
    """The smallest form in which the new vectors serve as well: 99 % for all the interval says."""
    if full.ndcg is None:
        return ()
    forms = [(o, gain(o, full)) for o in outcomes if o.kind == "reduced" and o.ndcg]
    good = [(o, over) for o, over in forms if over.ci[0] >= -PROMISE * full.ndcg.value]
    if not good:
        return ()
    form, over = min(good, key=lambda one: one[0].cost.bytes)
    share = form.cost.bytes / full.cost.bytes
    return (
        f"If memory matters: {form.name} ({metric} {_shown(over)} against full re-embedding), "
        f"{share:.0%} of the bytes.",
    )


def _hops(
    outcomes: Sequence[Outcome], gain: Callable[[Outcome, Outcome], Difference], metric: str
) -> tuple[str, ...]:
    """What upgrades hop by hop lose against the direct one, where both were measured."""
    chain, direct = (
        next((o for o in outcomes if o.kind == kind and o.ndcg), None)
        for kind in ("chain", "corpus side")
    )
    if chain is None or direct is None:
        return ()
    return (f"The {chain.bridge} against {direct.name}: {metric} {_shown(gain(chain, direct))}.",)


def _instead(
    other: Outcome | None,
    chosen: Outcome,
    gain: Callable[[Outcome, Outcome], Difference],
    metric: str,
) -> str:
    if other is None:
        return "nothing else was measured"
    return f"{other.name} ({metric} {_shown(gain(other, chosen))})"


def _action(o: Outcome) -> str:
    told = _DO[o.kind].format(bridge=o.bridge, setting=o.setting, summary=o.summary)
    return f"{o.name}. " + told[0].upper() + told[1:] if o.kind == "reranked" else told


def _shown(change: Difference) -> str:
    return f"{change.mean:+.3f} [{change.ci[0]:+.3f}, {change.ci[1]:+.3f}]"
