"""Rank of the true pair: where a vector's own partner stands among all partners."""

from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import Array, namespace, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.retrieval.judgements import mean_score

CARD = Card(
    name="true_pair_rank",
    summary="Rank of each vector's own partner among all partners: mean, median or top-1 share.",
    spaces=0,
    min_rows=2,
    cost="n^2 d",
    memory="n",
    paper=Paper("Harnessing the Universal Geometry of Embeddings", "Jha et al.", 2025, "section 5"),
)
_BLOCK_CELLS = 8_000_000


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
    x, y = paired(x, y, operation="true_pair_rank")
    if x.shape[1] != y.shape[1]:
        raise InputError(
            "true_pair_rank",
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "both in one space",
            "Translate one side with a bridge first.",
        )
    if metric not in ("cosine", "inner", "euclidean"):
        raise InputError("true_pair_rank", f"metric={metric!r}", "cosine, inner or euclidean")
    xp = namespace(x, y)
    x, y = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    if metric == "cosine":
        x, y = _unit(x, xp), _unit(y, xp)
    ranks, n = [], x.shape[0]
    squares = xp.sum(y * y, axis=1)
    block = max(1, _BLOCK_CELLS // n)
    for start in range(0, n, block):
        stop = min(start + block, n)
        rows, true = x[start:stop, :], y[start:stop, :]
        scores = rows @ y.T
        own = xp.sum(rows * true, axis=1)[:, None]
        if metric == "euclidean":
            # |x|^2 is the same for all partners of one x: leaving it out changes no rank.
            scores = 2.0 * scores - squares[None, :]
            own = 2.0 * own - squares[start:stop][:, None]
        # Equal partners give products that differ in the last bits: those are ties, not ranks.
        slack = 1e-12 * xp.max(xp.abs(scores), axis=1, keepdims=True)
        above = xp.sum(xp.astype(scores > own + slack, xp.float64), axis=1)
        tied = xp.sum(xp.astype(xp.abs(scores - own) <= slack, xp.float64), axis=1)
        ranks.append(1.0 + above + (tied - 1.0) / 2.0)
    return xp.concat(ranks)


def _unit(rows: Array, xp: Any) -> Array:
    # Scaled by the largest entry first: squares of 1e200 overflow, those of 1e-200 vanish.
    largest = xp.max(xp.abs(rows), axis=1, keepdims=True)
    rows = rows / xp.where(largest > 0, largest, xp.ones_like(largest))
    length = xp.sqrt(xp.sum(rows * rows, axis=1, keepdims=True))
    return rows / xp.where(length > 0, length, xp.ones_like(length))
