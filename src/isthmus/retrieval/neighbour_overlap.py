"""Neighbour overlap: how many of the first k documents two rankings share."""

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import Ranked, judge, mean_score

CARD = Card(
    name="neighbour_overlap",
    summary="Share of the first k documents that two rankings have in common; churn is the rest.",
    spaces=0,
    symmetric=True,
    min_rows=1,
    cost="n k",
    memory="n k",
    paper=Paper("A Similarity Measure for Indefinite Rankings", "Webber et al.", 2010, "section 3"),
)


@register(CARD)
def neighbour_overlap(ranked: Ranked, other: Ranked, *, k: int = 10, rng: Seed = 0) -> Score:
    """Mean over queries of the share of the first k documents that two rankings share.

    overlap@k = |A_k and B_k| / k, order within the first k aside (an overlap, not Jaccard); the
    divisor is the longer list's length where both are shorter than k. 1 - overlap is the churn a
    user sees. ``per_query`` of this module gives the numbers behind the mean.

    Parameters
    ----------
    ranked, other : mapping or sequence
        Per query the documents found, best first, by the two systems, for the same queries.
    k : int
        Places looked at.
    rng : int or numpy.random.Generator
        Source of randomness of the bootstrap interval.

    Raises
    ------
    InputError
        On k < 1, a document listed twice, different queries, or empty lists.

    References
    ----------
    Webber, Moffat, Zobel, *A similarity measure for indefinite rankings*, TOIS 2010, section 3
    (set-based overlap).

    Examples
    --------
    >>> neighbour_overlap([["a", "b", "c", "d"]], [["d", "a", "x", "y"]], k=4).value
    0.5

    """
    return mean_score(f"overlap@{k}", per_query(ranked, other, k=k), rng=rng)


def per_query(ranked: Ranked, other: Ranked, *, k: int = 10) -> np.ndarray:
    """Overlap@k of each query, (q,) float64 in the order of ``other``; NaN where both are empty.

    >>> per_query([["a", "b"], ["c", "d"]], [["b", "a"], ["x", "c"]], k=2)
    array([1. , 0.5])
    """
    ahead = judge(ranked, other, k=k, operation="neighbour_overlap")
    behind = judge(other, ranked, k=k, operation="neighbour_overlap")
    if ahead.warnings or behind.warnings:
        raise InputError(
            "neighbour_overlap",
            "; ".join(ahead.warnings or behind.warnings).replace("judge", "rank"),
            "rankings of the same queries on both sides",
        )
    one, two = _cut(ranked, ahead.queries, k), _cut(other, ahead.queries, k)
    shared = [len(a & b) for a, b in zip(one, two, strict=True)]
    longest = [max(len(a), len(b)) for a, b in zip(one, two, strict=True)]
    return np.array([s / n if n else np.nan for s, n in zip(shared, longest, strict=True)])


def _cut(ranked: Ranked, queries: tuple[object, ...], k: int) -> list[set[object]]:
    # np.asarray(...).tolist() would turn mixed ids into text; slices keep them as they came.
    return [set(list(ranked[query])[:k]) for query in queries]  # type: ignore[call-overload]
