"""Mean reciprocal rank: how far down the first relevant document stands."""

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import Judged, Ranked, Relevance, judge, mean_score

CARD = Card(
    name="mrr",
    summary="Mean over queries of one over the rank of the first relevant document.",
    spaces=0,
    min_rows=1,
    cost="n k",
    memory="n k",
    paper=Paper("The TREC-8 Question Answering Track Report", "Voorhees", 1999, "section 3"),
)


@register(CARD)
def mrr(ranked: Ranked, relevance: Relevance, *, k: int | None = None, rng: Seed = 0) -> Score:
    """Mean over queries of 1 / rank of the first relevant document, 0 when the list holds none.

    RR = 1 / min{r : g_r > 0}, over the whole list or its first k (trec_eval's ``recip_rank`` over
    the whole list). Queries without a relevant document are left out and counted in the warnings.
    ``per_query`` of this module gives the numbers behind the mean.

    Parameters
    ----------
    ranked, relevance, rng
        As in ``recall``.
    k : int, optional
        Places looked at; the whole list when None.

    Raises
    ------
    InputError
        On k < 1, a document listed twice, or no query with a relevant document.

    References
    ----------
    Voorhees, *The TREC-8 Question Answering Track Report*, 1999, section 3.

    Examples
    --------
    >>> mrr([["a", "b"], ["c", "d"]], [["b"], ["c"]]).value
    0.75

    """
    judged = judge(ranked, relevance, k=k, operation="mrr")
    name = "MRR" if k is None else f"MRR@{k}"
    return mean_score(name, _values(judged), rng=rng, warnings=judged.warnings)


def per_query(ranked: Ranked, relevance: Relevance, *, k: int | None = None) -> np.ndarray:
    """Reciprocal rank of each query, (q,) float64; NaN for queries without relevant documents.

    >>> per_query([["a", "b", "c"]], [["c"]]).round(4)
    array([0.3333])
    """
    return _values(judge(ranked, relevance, k=k, operation="mrr"))


def _values(judged: Judged) -> np.ndarray:
    hit = judged.gains > 0
    return judged.undefined(np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0))
