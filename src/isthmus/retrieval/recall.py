"""Recall at k: the share of the relevant documents that the first k places hold."""

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import Judged, Ranked, Relevance, judge, mean_score

CARD = Card(
    name="recall",
    summary="Share of the relevant documents found among the first k.",
    spaces=0,
    min_rows=1,
    cost="n k",
    memory="n k",
    paper=Paper(
        "Introduction to Information Retrieval", "Manning, Raghavan, Schütze", 2008, "section 8.3"
    ),
)


@register(CARD)
def recall(ranked: Ranked, relevance: Relevance, *, k: int = 10, rng: Seed = 0) -> Score:
    """Mean over queries of the share of relevant documents among the first k.

    recall@k = |relevant and in the first k| / |relevant|, as trec_eval's ``recall.k``: a query with
    more than k relevant documents cannot reach 1; with one it is the hit rate. A list shorter than
    k is judged as it is. Queries without a relevant document are left out and counted in the
    warnings. ``per_query`` of this module gives the numbers behind the mean.

    Parameters
    ----------
    ranked : mapping or sequence
        Per query the documents found, best first; a (q, k) array of documents will do.
    relevance : mapping or sequence
        Per query ``{document: grade}`` or the relevant documents; see ``judgements.judge``.
    k : int
        Places looked at.
    rng : int or numpy.random.Generator
        Source of randomness of the bootstrap interval.

    Raises
    ------
    InputError
        On k < 1, a document listed twice, or no query with a relevant document.

    References
    ----------
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 8.3.

    Examples
    --------
    >>> found = {"q1": ["a", "b", "c"], "q2": ["c", "a", "b"]}
    >>> recall(found, {"q1": {"a": 1, "c": 2}, "q2": {"b": 1}}, k=2).value
    0.25

    """
    judged = judge(ranked, relevance, k=k, operation="recall")
    return mean_score(f"recall@{k}", _values(judged), rng=rng, warnings=judged.warnings)


def per_query(ranked: Ranked, relevance: Relevance, *, k: int = 10) -> np.ndarray:
    """Recall@k of each query, (q,) float64 in the order of ``relevance``; NaN with none relevant.

    >>> per_query([["a", "b"], ["c", "d"]], [["a"], ["b", "c"]], k=2)
    array([1. , 0.5])
    """
    return _values(judge(ranked, relevance, k=k, operation="recall"))


def _values(judged: Judged) -> np.ndarray:
    found = (judged.gains > 0).sum(axis=1)
    return judged.undefined(found / np.maximum(judged.relevant, 1))
