"""Recommend: one strategy out of the measured ones, from paired intervals alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.core.random import Seed
from isthmus.retrieval.bootstrap import Difference, paired
from isthmus.upgrade.evaluation import Row

#: A bridge that keeps less than this share of full re-embedding is not worth recommending alone.
WORTH = 0.5
_DOUBT = 0.05
_ACTIONS = {
    "corpus side": "translate the corpus with {bridge} and search it with new queries",
    "query side": "keep the old index and translate new queries into it with {bridge}",
    "fused": "keep the old index and both encoders; search with the mean of the old query and the "
    "new one translated by {bridge}",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The strategy recommended, and why."""

    strategy: str
    reason: str


def recommend(
    rows: Sequence[Row], ndcg: dict[str, np.ndarray], *, k: int, provisional: bool, rng: Seed
) -> Verdict:
    """The strategy to serve with, judged by nDCG.

    With the status quo measured, a bridge is recommended only when better beyond doubt: its paired
    95 % interval against the status quo lies above zero and its p, times the number of bridged
    strategies (Bonferroni), is at most 0.05; the best of those by mean wins. Without it the best
    bridged strategy wins if it keeps at least half of full re-embedding. The naive swap is never
    recommended; full re-embedding only when nothing else is left, and what it would still gain is
    always said.

    Parameters
    ----------
    rows : sequence of Row
        The strategies measured.
    ndcg : dict of name to (q,) arrays
        nDCG per query of every possible strategy, the same queries in the same order.
    k : int
        Depth the nDCG was taken at.
    provisional : bool
        Whether relevance is the new encoder's own neighbours, which the reason then says.
    rng : int or numpy.random.Generator
        Source of randomness of the intervals.

    """
    by_kind = {row.kind: row for row in rows if row.strategy in ndcg}
    quo, ceiling = by_kind.get("status quo"), by_kind["full re-embedding"]
    bridged = [row for row in rows if row.kind in _ACTIONS and row.strategy in ndcg]
    bridged.sort(key=lambda row: -float(ndcg[row.strategy].mean()))
    means = {name: float(values.mean()) for name, values in ndcg.items()}

    def gain(name: str, over: str) -> Difference:
        return paired(ndcg[name], ndcg[over], rng=rng)

    def rest(name: str) -> str:
        left = gain(ceiling.strategy, name)
        if left.ci[0] > 0:
            return f"full re-embedding would still gain {_shown(left)}"
        if left.ci[1] < 0:
            return f"full re-embedding would lose: {_shown(left)}"
        return f"full re-embedding would gain nothing beyond doubt: {_shown(left)}"

    said = "Provisional, by likeness to the new encoder only: " if provisional else ""
    metric = f"nDCG@{k}"
    if quo is not None:
        for row in bridged:
            better = gain(row.strategy, quo.strategy)
            if better.ci[0] > 0 and better.p * len(bridged) <= _DOUBT:
                reason = (
                    f"{_action(row)}: {metric} {_shown(better)} over the status quo"
                    f"{_kept(means, row, ceiling)}; {rest(row.strategy)}."
                )
                return Verdict(row.strategy, said + reason)
        closest = ""
        if bridged:
            best = gain(bridged[0].strategy, quo.strategy)
            closest = f" (closest: {bridged[0].strategy}, {metric} {_shown(best)})"
        reason = (
            f"keep the old encoder: no alternative short of re-embedding is better beyond "
            f"doubt{closest}; {rest(quo.strategy)}."
        )
        return Verdict(quo.strategy, said + reason)
    unknown = "the status quo was not measured, for want of old query vectors"
    if bridged and means[bridged[0].strategy] >= WORTH * means[ceiling.strategy]:
        row = bridged[0]
        reason = (
            f"{_action(row)}: {metric} {means[row.strategy]:.3f}{_kept(means, row, ceiling)}; "
            f"{rest(row.strategy)}. What the old encoder would give is unknown: {unknown}."
        )
        return Verdict(row.strategy, said + reason)
    best_kept = _kept(means, bridged[0], ceiling) if bridged else ""
    reason = (
        f"re-embed: no bridged strategy keeps half of its {metric} of "
        f"{means[ceiling.strategy]:.3f}"
        + (f" (best: {bridged[0].strategy}{best_kept})" if bridged else "")
        + f"; {unknown}."
    )
    return Verdict(ceiling.strategy, said + reason)


def _action(row: Row) -> str:
    return _ACTIONS[row.kind].format(bridge=row.bridge)


def _kept(means: dict[str, float], row: Row, ceiling: Row) -> str:
    top = means[ceiling.strategy]
    return f", keeps {means[row.strategy] / top:.0%} of full re-embedding" if top > 0 else ""


def _shown(change: Difference) -> str:
    return f"{change.mean:+.3f} [{change.ci[0]:+.3f}, {change.ci[1]:+.3f}]"
