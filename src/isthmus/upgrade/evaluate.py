"""Evaluate: what every strategy after a change of encoder gains or loses, on your own data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.core.arrays import to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed
from isthmus.retrieval.bootstrap import Difference, paired
from isthmus.retrieval.judgements import mean_score
from isthmus.retrieval.mrr import per_query as mrr_per_query
from isthmus.retrieval.ndcg import per_query as ndcg_per_query
from isthmus.retrieval.neighbour_overlap import neighbour_overlap
from isthmus.retrieval.recall import per_query as recall_per_query
from isthmus.retrieval.search import search
from isthmus.retrieval.true_pair_rank import per_query as rank_per_query
from isthmus.spaces.pairs import Pairs, pair
from isthmus.upgrade.evaluation import Evaluation, Fit, Row
from isthmus.upgrade.question import check_rows, metric_of, opened, question, strange
from isthmus.upgrade.recommend import recommend
from isthmus.upgrade.strategies import Route, Strategy, routes, strategies
from isthmus.upgrade.truth import Qrels, Truth, held_out

_METRICS = {"recall": recall_per_query, "ndcg": ndcg_per_query, "mrr": mrr_per_query}
_FEW = 30
_FIT_ROWS = 5000
#: Cosine lost from fitted to held-out rows above which overfitting is worth a word.
_OVERFIT = 0.05


def evaluate(
    source: Any,
    target: Any,
    bridges: Any,
    *,
    queries: Any = None,
    source_queries: Any = None,
    qrels: Qrels | None = None,
    k: int = 10,
    rng: Seed = 0,
) -> Evaluation:
    """Measure every strategy on the same queries and documents, and recommend one.

    The documents are those with a vector in both spaces, for every strategy alike. Strategies:
    status quo (old queries, old documents); naive swap (new queries, old documents); for each
    bridge corpus side, query side and fused, as far as it has a map in that direction; full
    re-embedding, the ceiling. Each gets recall@k, nDCG@k and MRR@k (trec_eval's definitions) with
    95 % bootstrap intervals over queries, its paired difference to the status quo (to the ceiling
    where there are no old queries), negative flips, and the overlap of its first k documents with
    the ceiling's.

    Relevance is the best that is given. With ``qrels``: human judgements. With ``queries`` alone:
    known items, a query's id being that of the document that answers it; only documents held out
    from every bridge are asked for. With neither, *provisional*: up to 1000 held-out documents are
    the queries, each barred from finding itself, and the new encoder's exact k nearest documents
    are the truth. Spaces are searched by their declared metric, or by cosine.

    Parameters
    ----------
    source : Space, path or (n, d_old) array
        The old collection.
    target : Space, path or (m, d_new) array
        New vectors of all or some of it, by the same ids.
    bridges : Bridge, or list or dict of them
        Bridges between the two spaces, in either direction; a dict names them.
    queries : Space, path or array, optional
        Queries under the new encoder, (q, d_new).
    source_queries : Space, path or array, optional
        The same queries, by id, under the old encoder, (q, d_old).
    qrels : mapping or path, optional
        ``{query id: {document id: grade}}`` or a TREC qrels file; ids are compared as text.
    k : int
        Places looked at.
    rng : int or numpy.random.Generator
        Source of randomness of the intervals and of the sample of provisional queries.

    Raises
    ------
    InputError
        On k < 1 or not below the number of documents, vectors that are not finite (named by id),
        queries of the wrong dim, old queries or qrels without queries, nothing held out.
    PairingError
        When the spaces have no common document, or judgements name no known query or document.
    SpaceMismatch
        When a bridge does not join these two spaces.

    References
    ----------
    Sakai, SIGIR 2006 (paired bootstrap); Yan et al., *Positive-congruent training*, CVPR 2021
    (negative flips).

    Examples
    --------
    >>> import isthmus
    >>> old = np.random.default_rng(0).normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> bridge = isthmus.fit(old, old[:, ::-1], method="orthogonal")
    >>> found = evaluate(old, old[:, ::-1], bridge, k=5)
    >>> found.relevance, found.row("orthogonal, corpus side").recall.value
    ('provisional', 1.0)

    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("evaluate", f"k={k!r}", "an integer of at least 1")
    old, new = opened(source), opened(target)
    pairs = pair(old, new)
    if k >= len(pairs):
        raise InputError(
            "evaluate", f"k={k} and {len(pairs)} documents with both vectors", "more documents"
        )
    for name, vectors in (("source", pairs.x), ("target", pairs.y)):
        check_rows(name, vectors, pairs.ids, operation="evaluate")
    fitted = list(bridges.values()) if isinstance(bridges, Mapping) else bridges
    fitted = list(fitted) if isinstance(fitted, Sequence) else [fitted]
    open_routes = routes(bridges, pairs.x, pairs.y, encoders=(old.encoder, new.encoder))
    mask, warnings = held_out(pairs, fitted)
    truth = question(
        pairs, mask, queries, source_queries, qrels,
        k=int(k), rng=rng, operation="evaluate", old_name="source_queries",
    )  # fmt: skip
    fits = tuple(
        _fit(route, pairs, mask, known=bool(getattr(bridge, "holdout", None)), rng=rng)
        for route, bridge in zip(open_routes, fitted, strict=True)
    )
    rows, values = _measure(strategies(open_routes, truth.vectors), truth, pairs, int(k), rng)
    reference = "status quo" if "status quo" in values else "full re-embedding"
    chosen = recommend(rows, values, k=int(k), provisional=truth.kind == "provisional", rng=rng)
    warnings += truth.warnings
    if truth.kind != "provisional":
        ends = open_routes[0].old, open_routes[0].new
        warnings += strange(truth, ends, operation="evaluate", old_name="source_queries")
    warnings += _overfitted(fits, float(1 - mask.mean()))
    if len(truth.relevance) < _FEW:
        warnings += (f"{len(truth.relevance)} queries are few: the intervals are too narrow.",)
    return Evaluation(
        rows=rows,
        relevance=truth.kind,
        n_queries=len(truth.relevance),
        n_documents=len(pairs),
        k=int(k),
        reference=reference,
        recommended=chosen.strategy,
        reason=chosen.reason,
        fits=fits,
        warnings=warnings,
    )


def _measure(
    table: Sequence[Strategy], truth: Truth, pairs: Pairs, k: int, rng: Seed
) -> tuple[tuple[Row, ...], dict[str, np.ndarray]]:
    found = {s.name: _search(s, truth, pairs, k) for s in table if not s.impossible}
    per = {
        name: {m: per_query(rows, truth.relevance, k=k) for m, per_query in _METRICS.items()}
        for name, rows in found.items()
    }
    ceiling = found["full re-embedding"]
    quo = per.get("status quo")
    reference = quo if quo is not None else per["full re-embedding"]
    rows = []
    for strategy in table:
        facts = {
            "strategy": strategy.name,
            "kind": strategy.kind,
            "summary": strategy.summary,
            "bridge": strategy.bridge,
            "impossible": strategy.impossible,
        }
        if strategy.impossible:
            rows.append(Row(**facts))  # type: ignore[arg-type]
            continue
        mine = per[strategy.name]
        rows.append(
            Row(
                **facts,  # type: ignore[arg-type]
                **{m: mean_score(f"{m}@{k}", mine[m], rng=rng) for m in _METRICS},  # type: ignore[arg-type]
                differences=_differences(mine, reference, rng),
                negative_flips=None
                if quo is None
                else float(((quo["recall"] > 0) & (mine["recall"] == 0)).mean()),
                overlap=neighbour_overlap(found[strategy.name], ceiling, k=k, rng=rng),
            )
        )
    return tuple(rows), {name: values["ndcg"] for name, values in per.items()}


def _differences(
    mine: dict[str, np.ndarray], reference: dict[str, np.ndarray], rng: Seed
) -> dict[str, Difference]:
    return {m: paired(mine[m], reference[m], rng=rng) for m in _METRICS}


def _search(strategy: Strategy, truth: Truth, pairs: Pairs, k: int) -> np.ndarray:
    asked_with = strategy.queries(truth.vectors)
    documents = strategy.documents(truth.vectors)
    metric = metric_of(
        pairs.target if strategy.in_new_space else pairs.source, operation="evaluate"
    )
    found = search(asked_with, documents, k, metric=metric, exclude=truth.exclude)
    return np.asarray(found.rows)


def _fit(route: Route, pairs: Pairs, mask: np.ndarray, *, known: bool, rng: Seed) -> Fit:
    rows, seen = (np.flatnonzero(side)[:_FIT_ROWS] for side in (mask, ~mask))
    start, end = (pairs.x, pairs.y) if route.forward else (pairs.y, pairs.x)
    move = route.to_new if route.forward else route.to_old
    if move is None:
        raise InputError("evaluate", f"bridge {route.name!r} without a map", "a fitted bridge")
    moved = np.asarray(to_numpy(move(start[rows])))
    metric = metric_of(pairs.target if route.forward else pairs.source, operation="evaluate")
    ranks = rank_per_query(moved, end[rows], metric=metric)
    chance = (len(rows) + 1) / 2
    rank = mean_score("true_pair_rank.mean", ranks, rng=rng)
    top1 = mean_score("true_pair_rank.top1", (ranks == 1).astype(np.float64), rng=rng)
    return Fit(
        bridge=route.name,
        direction=route.direction,
        cosine=mean_score("cosine", _cosines(moved, end[rows]), rng=rng),
        fitted_cosine=float(_cosines(np.asarray(to_numpy(move(start[seen]))), end[seen]).mean())
        if known and seen.size
        else None,
        rank=replace(rank, chance=chance),
        median_rank=float(np.median(ranks)),
        top1=replace(top1, chance=1 / len(rows)),
        n=len(rows),
        ranks=ranks,
    )


def _cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((unit(x) * unit(y)).sum(axis=1))


def _overfitted(fits: Sequence[Fit], share: float) -> tuple[str, ...]:
    gaps = {
        fit.bridge: fit.fitted_cosine - fit.cosine.value
        for fit in fits
        if fit.direction == "old to new" and fit.fitted_cosine is not None
    }
    wide = [name for name, gap in gaps.items() if gap > _OVERFIT]
    if not wide:
        return ()
    return (
        f"{share:.0%} of the documents searched are rows the bridges were fitted on, which "
        f"{', '.join(wide)} translate closer to the truth than others (cosine up to "
        f"{max(gaps.values()):.2f} closer): their corpus side can be worse in production.",
    )
