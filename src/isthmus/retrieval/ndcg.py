"""Normalised discounted cumulative gain: graded relevance, counted less further down."""

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import Judged, Ranked, Relevance, judge, mean_score

CARD = Card(
    name="ndcg",
    summary="Graded gain of the first k documents, discounted by rank, against the best possible.",
    spaces=0,
    min_rows=1,
    cost="n k",
    memory="n k",
    paper=Paper(
        "Cumulated gain-based evaluation of IR techniques", "Järvelin, Kekäläinen", 2002, "eq. 2-3"
    ),
)


@register(CARD)
def ndcg(ranked: Ranked, relevance: Relevance, *, k: int = 10, rng: Seed = 0) -> Score:
    """Mean over queries of the discounted gain of the first k against that of the best order.

    DCG@k = sum over ranks r = 1..k of g_r / log2(r + 1), nDCG@k = DCG@k / ideal DCG@k, with the
    grade itself as gain (trec_eval's ``ndcg_cut``; the other convention, 2^g - 1, agrees with it on
    binary grades only). The ideal orders all judged documents by grade, found or not. Grades of
    zero or less gain nothing. Ties are the order given. A list shorter than k is judged as it is.
    Queries without a relevant document are left out and counted in the warnings. ``per_query`` of
    this module gives the numbers behind the mean.

    Parameters
    ----------
    ranked, relevance, k, rng
        As in ``recall``.

    Raises
    ------
    InputError
        On k < 1, a document listed twice, or no query with a relevant document.

    References
    ----------
    Järvelin, Kekäläinen, *Cumulated gain-based evaluation of IR techniques*, TOIS 2002, eq. 2-3,
    with the discount log2(r + 1) of Burges et al., ICML 2005.

    Examples
    --------
    >>> score = ndcg({"q": ["a", "b", "c"]}, {"q": {"b": 2, "c": 1}}, k=3)
    >>> round(score.value, 4)  # (2 / log2(3) + 1 / 2) / (2 + 1 / log2(3))
    0.6697

    """
    judged = judge(ranked, relevance, k=k, operation="ndcg")
    return mean_score(f"nDCG@{k}", _values(judged, k), rng=rng, warnings=judged.warnings)


def per_query(ranked: Ranked, relevance: Relevance, *, k: int = 10) -> np.ndarray:
    """nDCG@k of each query, (q,) float64 in the order of ``relevance``; NaN without relevant ones.

    >>> per_query([["a", "b"]], [{"b": 1}], k=2).round(4)
    array([0.6309])
    """
    return _values(judge(ranked, relevance, k=k, operation="ndcg"), k)


def _values(judged: Judged, k: int) -> np.ndarray:
    best = _discounted(judged.ideal[:, :k])
    return judged.undefined(_discounted(judged.gains) / np.where(best > 0, best, 1.0))


def _discounted(gains: np.ndarray) -> np.ndarray:
    return np.asarray(gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2))))
