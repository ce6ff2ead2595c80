"""Rank of the true pair: where a vector's own partner stands among all partners."""

from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import mean_score

CARD = Card(
    name="true_pair_rank",
    summary="Rank of each vector's own partner among all partners: mean, median or top-1 share.",
    spaces=2,
    jointly=True,
    invariant=("orthogonal", "row_scale"),
    min_rows=2,
    cost="n^2 d",
    memory="n",
    paper=Paper("Harnessing the Universal Geometry of Embeddings", "Jha et al.", 2025, "section 5"),
)


@register(CARD)
def true_pair_rank(
    x: Any,
    y: Any = None,
    *,
    metric: Literal["cosine", "inner", "euclidean"] = "cosine",
    statistic: Literal["mean", "median", "top1"] = "mean",
    rng: Seed = 0,
) -> Score:
    """The rank of y_i among all y when searching with x_i: mean, median, or the share ranked first.

    rank_i = 1 + |{j : s_ij > s_ii}| + |{j != i : s_ij = s_ii}| / 2, so a map that sends everything
    to one point ranks at chance, (n + 1) / 2, and not first. ``top1`` is the share of rank 1
    exactly: sharing the first place does not count. ``per_query`` of this module gives the ranks.

    Parameters
    ----------
    x, y : (n, d) arrays, or x a Pairs
        Row i of both belongs together: translated vectors and the truth in one space.
    metric : {"cosine", "inner", "euclidean"}
        Closeness; a zero vector has cosine 0 to everything.
    statistic : {"mean", "median", "top1"}
        What the ranks are summed up as. The interval is a bootstrap over rows as queries; the
        median carries none.
    rng : int or numpy.random.Generator
        Source of randomness of the interval.

    Raises
    ------
    InputError
        On unequal shapes, fewer than 2 rows, non-finite values or an unknown option.

    References
    ----------
    Jha et al., *Harnessing the Universal Geometry of Embeddings*, 2025, section 5 (mean rank and
    top-1 accuracy of the translation).

    Examples
    --------
    >>> x = np.eye(4)
    >>> float(true_pair_rank(x, x)), float(true_pair_rank(x, x[::-1], statistic="top1"))
    (1.0, 0.0)

    """
    ranks = to_numpy(per_query(x, y, metric=metric)).astype(np.float64)
    n = ranks.size
    if statistic == "mean":
        score = mean_score("true_pair_rank.mean", ranks, rng=rng)
        chance = (n + 1) / 2
    elif statistic == "top1":
        score = mean_score("true_pair_rank.top1", (ranks == 1).astype(np.float64), rng=rng)
        chance = 1 / n
    elif statistic == "median":
        score = Score(value=float(np.median(ranks)), method="true_pair_rank.median", n=n)
        chance = (n + 1) / 2
    else:
        raise InputError("true_pair_rank", f"statistic={statistic!r}", "one of mean, median, top1")
    return Score(value=score.value, method=score.method, n=n, ci=score.ci, chance=chance)


def per_query(
    x: Any, y: Any = None, *, metric: Literal["cosine", "inner", "euclidean"] = "cosine"
) -> Array:
    """The rank of each true pair, (n,) float64 of the kind given; ties share their middle rank.

    >>> per_query(np.eye(3), np.eye(3)[[1, 0, 2]])
    array([2.5, 2.5, 1. ])
    """
    x, y = paired(x, y, operation="true_pair_rank", same_width=True)
    if metric not in ("cosine", "inner", "euclidean"):
        raise InputError("true_pair_rank", f"metric={metric!r}", "cosine, inner or euclidean")
    return partner_ranks(x, y, metric=metric)
