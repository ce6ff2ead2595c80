"""Average precision: precision at the rank of every relevant document (its mean is MAP)."""

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import Judged, Ranked, Relevance, judge, mean_score

CARD = Card(
    name="average_precision",
    summary="Precision at the rank of each relevant document, averaged over them; its mean is MAP.",
    spaces=0,
    min_rows=1,
    cost="n k",
    memory="n k",
    paper=Paper(
        "Introduction to Information Retrieval", "Manning, Raghavan, Schütze", 2008, "section 8.4"
    ),
)


@register(CARD)
def average_precision(
    ranked: Ranked, relevance: Relevance, *, k: int | None = None, rng: Seed = 0
) -> Score:
    """Mean over queries of average precision (MAP).

    AP = (1 / R) sum over ranks r holding a relevant document of |relevant in the first r| / r, with
    R the number of all relevant documents, found or not; grades count as relevant or not
    (trec_eval's ``map``, and ``map_cut`` with k). Queries without a relevant document are left out
    and counted in the warnings. ``per_query`` of this module gives the numbers behind the mean.

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
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 8.4.

    Examples
    --------
    >>> average_precision([["a", "b", "c", "d"]], [["a", "c"]]).value  # (1/1 + 2/3) / 2
    0.8333333333333333

    """
    judged = judge(ranked, relevance, k=k, operation="average_precision")
    name = "MAP" if k is None else f"MAP@{k}"
    return mean_score(name, _values(judged), rng=rng, warnings=judged.warnings)


def per_query(ranked: Ranked, relevance: Relevance, *, k: int | None = None) -> np.ndarray:
    """Average precision of each query, (q,) float64; NaN for queries without relevant documents.

    >>> per_query([["b", "a"]], [["a"]])
    array([0.5])
    """
    return _values(judge(ranked, relevance, k=k, operation="average_precision"))


def _values(judged: Judged) -> np.ndarray:
    hit = judged.gains > 0
    precision = hit.cumsum(axis=1) / np.arange(1, hit.shape[1] + 1)
    total = np.where(hit, precision, 0.0).sum(axis=1)
    return judged.undefined(total / np.maximum(judged.relevant, 1))
