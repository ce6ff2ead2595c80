"""Plan: every strategy after a change of encoder, measured on your data, and one recommended."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.retrieval.bootstrap import paired
from isthmus.retrieval.judgements import mean_score
from isthmus.retrieval.mrr import per_query as mrr_per_query
from isthmus.retrieval.ndcg import per_query as ndcg_per_query
from isthmus.retrieval.neighbour_overlap import per_query as overlap_per_query
from isthmus.retrieval.qrels import read_qrels
from isthmus.retrieval.recall import per_query as recall_per_query
from isthmus.spaces.pairs import Pairs, pair
from isthmus.spaces.sampling import spread_rows
from isthmus.upgrade import backfill
from isthmus.upgrade.backfill import FractionCurve
from isthmus.upgrade.by_id import ById, labels_of, traffic_of
from isthmus.upgrade.crossfit import crossfit, folds, picked
from isthmus.upgrade.crossing import (
    LEAST,
    Crossing,
    carried,
    chained,
    confidence,
    crossed,
    learnable,
)
from isthmus.upgrade.pair_curve import pair_curve
from isthmus.upgrade.planned import Outcome, Plan
from isthmus.upgrade.question import check_rows, metric_of, opened, question, strange
from isthmus.upgrade.strategies import routes
from isthmus.upgrade.trials import Ground, Trial, Trials
from isthmus.upgrade.truth import Qrels, Truth, held_out
from isthmus.upgrade.verdict import verdict

_METRICS = {"recall": recall_per_query, "ndcg": ndcg_per_query, "mrr": mrr_per_query}
#: Documents searched at most: those that judgements and queries name, and others at random.
_DOCUMENTS = 20_000
#: Rows of the old collection among which candidates to embed are counted at most.
_COUNTED = 100_000
#: Queries below which there is nothing to resample.
_QUERIES = 5


def plan(
    old: Any,
    new: Any,
    *,
    bridges: Any = None,
    queries: Any = None,
    old_queries: Any = None,
    qrels: Qrels | None = None,
    traffic: ById | None = None,
    labels: ById | None = None,
    chain: Sequence[Any] = (),
    k: int = 10,
    candidates: Sequence[int] = (20, 100),
    budget: float | None = None,
    rng: int = 0,
) -> Plan:
    """Measure every way to serve after a change of encoder, with its cost, and recommend one.

    Strategies: status quo; naive swap; query side, corpus side, spherical interpolation and score
    fusion of old and translated query; old search or bridged search reranked by new vectors made
    when asked for; a part re-embedded, by several orders; full re-embedding, also in reduced forms
    and beside the old index. The documents are those with both vectors, for all alike; costs are
    counted for the whole old collection. Relevance is judged as in ``evaluate``.

    Nothing is judged by what it was made of. Without ``bridges`` they are fitted in five folds, so
    that each document is translated by one that never saw it, and each query by one that saw least
    of its answers. Weights and orders are chosen by cross-fitting over five folds of the queries.
    Given bridges are judged by held-out documents, as in ``evaluate``.

    The recommendation: the strategy that most probably reaches 99 % of the best nDCG there is, the
    cheapest one where several are alike in that (``decide``).

    Parameters
    ----------
    old : Space, path or (n, d_old) array
        The old collection.
    new : Space, path or (m, d_new) array
        New vectors of all or of a sample of it, by the same ids.
    bridges : Bridge, or list or dict of them, optional
        Bridges between the two spaces, in either direction; fitted here when None.
    queries, old_queries : Space, path or array, optional
        Queries under the new encoder, and the same ones, by id, under the old.
    qrels : mapping or path, optional
        ``{query id: {document id: grade}}`` or a TREC qrels file.
    traffic : mapping or path, optional
        How often a query log hit each document, by id: gives an order of re-embedding. A file has
        lines of id TAB hits.
    labels : mapping or path, optional
        The class of each document, by id, or lines of id TAB class; clusters stand in for classes
        when None.
    chain : sequence of spaces, optional
        Spaces between old and new, oldest first, with vectors of the same documents: upgrades hop
        by hop are then measured against the direct one.
    k : int
        Places looked at.
    candidates : sequence of int
        How many candidates reranking embeds.
    budget : float, optional
        Seconds that choosing a bridge may take.
    rng : int
        Seed of folds, fits, samples and intervals.

    Raises
    ------
    InputError
        On fewer than 50 documents or 5 queries, one space twice, values that are not finite (named
        by id), queries of the wrong dim, k beyond the sample, traffic or labels that name nothing,
        traffic that is no number.
    PairingError
        When the spaces have no common document, or judgements name no known query or document.
    SpaceMismatch
        When a bridge does not join these spaces, or queries are of the other encoder.
    NoRelationFound
        When the two spaces' rows do not belong together.

    References
    ----------
    Sakai, SIGIR 2006 (paired bootstrap); Yan et al., CVPR 2021 (negative flips). Each strategy's
    own source is named where it is tried.

    Examples
    --------
    >>> import isthmus
    >>> meaning = np.random.default_rng(0).normal(size=(300, 8))
    >>> found = isthmus.plan(meaning[:, :4], meaning @ np.diag(np.arange(8, 0, -1)), k=5, budget=2)
    >>> found.relevance, found.enough
    ('provisional', False)
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("plan", f"k={k!r}", "an integer of at least 1")
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        # Folds are drawn again wherever they are needed, which a Generator would not repeat.
        raise InputError("plan", f"rng={rng!r}", "an integer seed")
    if not all(isinstance(count, int | np.integer) and count > 0 for count in candidates):
        raise InputError("plan", f"candidates={candidates!r}", "integers of at least 1")
    pairs = _sample(_paired(opened(old), opened(new), int(k)), queries, qrels, rng)
    hits, classes = traffic_of(traffic, pairs.ids), labels_of(labels, pairs.ids)
    warnings: tuple[str, ...] = ()
    if bridges is None:
        mask = np.ones(len(pairs), dtype=bool)
    else:
        given = list(bridges.values()) if isinstance(bridges, Mapping) else bridges
        given = list(given) if isinstance(given, Sequence) else [given]
        encoders = pairs.source.encoder, pairs.target.encoder
        opened_routes = routes(bridges, pairs.x, pairs.y, encoders=encoders, operation="plan")
        mask, warnings = held_out(pairs, given, operation="plan")
    truth = question(
        pairs, mask, queries, old_queries, qrels,
        k=int(k), rng=rng, operation="plan", old_name="old_queries",
    )  # fmt: skip
    if len(truth.relevance) < _QUERIES:
        raise InputError(
            "plan", f"{len(truth.relevance)} queries with an answer among the documents",
            f"at least {_QUERIES}, better hundreds", "Bring more queries, or none at all.",
        )  # fmt: skip
    if truth.kind != "provisional":
        ends = pairs.source.fingerprint(), pairs.target.fingerprint()
        warnings += strange(truth, ends, operation="plan", old_name="old_queries")
    if bridges is None:
        crossings = list(
            crossed(
                pairs, truth.vectors.new_queries, truth.relevance,
                asked_by=truth.exclude, budget=budget, seed=rng,
            )
        )  # fmt: skip
    else:
        crossings = [carried(route, truth.vectors) for route in opened_routes]
    trials, curves = tried(
        pairs, truth, crossings, k=int(k), candidates=candidates,
        traffic=hits, labels=classes, chain=chain, rng=rng,
    )  # fmt: skip
    outcomes, ndcg = measured(trials, truth, int(k), rng)
    collection = len(pairs.source)
    found = verdict(
        outcomes, ndcg, k=int(k), collection=collection, provisional=truth.kind == "provisional",
        rng=rng,
    )  # fmt: skip
    return Plan(
        outcomes=outcomes, relevance=truth.kind, n_queries=len(truth.relevance),
        n_documents=len(pairs), collection=collection, k=int(k), recommended=found.recommended,
        reason=found.reason, sure=found.sure, enough=not found.lacking, lacking=found.lacking,
        changes=found.changes, curves=curves, warnings=warnings + truth.warnings,
        pairs=pair_curve(pairs, bridge=learnable(_moving(crossings)), rng=rng),
    )  # fmt: skip


def tried(
    pairs: Pairs,
    truth: Truth,
    crossings: Sequence[Crossing],
    *,
    k: int,
    candidates: Sequence[int],
    traffic: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    chain: Sequence[Any] = (),
    rng: int = 0,
) -> tuple[list[Trial], tuple[FractionCurve, ...]]:
    """Every strategy tried under every setting, and the curves of partial re-embedding."""
    ground = Ground(
        vectors=truth.vectors, k=k, candidates=tuple(candidates), exclude=truth.exclude,
        metrics=(metric_of(pairs.source, operation="plan"),
                 metric_of(pairs.target, operation="plan")),
        collection=len(pairs.source), others=_others(pairs),
    )  # fmt: skip
    trials = Trials(ground)
    found = trials.today()
    for crossing in crossings:
        found += trials.bridged(crossing)
    moving = _moving(crossings)
    if chain and moving is not None:
        long = chained(pairs, chain, method=learnable(moving), seed=rng)
        found += [trials.moved(long.name, "chain", long.documents)]  # type: ignore[arg-type]
    if trials.old is not None:
        found += trials.reranked("old", trials.old)
    curves: list[FractionCurve] = []
    if moving is not None and moving.documents is not None:
        orders = backfill.orders(
            pairs.x, confidence=confidence(pairs.x, rng=rng), traffic=traffic, labels=labels,
            rng=rng,
        )  # fmt: skip
        some, curves = trials.partial(
            moving.name, moving.documents, orders,
            lambda rows: float(ndcg_per_query(rows, truth.relevance, k=k).mean()),
        )  # fmt: skip
        found += some
    return found + trials.renewed(), tuple(curves)


def _moving(crossings: Sequence[Crossing]) -> Crossing | None:
    """The crossing that carries documents, where there is one."""
    return next((c for c in crossings if c.documents is not None), None)


def settled(
    trials: Sequence[Trial], truth: Truth, k: int, rng: Seed
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """What each strategy shows, (q, k), its setting cross-fitted; and the setting best on all."""
    fold = folds(len(truth.relevance), rng=rng)
    shown, settings = {}, {}
    for trial in trials:
        if not trial.impossible:
            grid = [ndcg_per_query(rows, truth.relevance, k=k) for rows in trial.found]
            chosen, settings[trial.name] = crossfit(np.stack(grid, axis=1), fold, trial.settings)
            shown[trial.name] = picked(trial.found, chosen)
    return shown, settings


def measured(
    trials: Sequence[Trial], truth: Truth, k: int, rng: Seed
) -> tuple[tuple[Outcome, ...], dict[str, np.ndarray]]:
    """The outcome of each trial, its setting cross-fitted, and nDCG per query by strategy."""
    shown, settings = settled(trials, truth, k, rng)
    per = {
        name: {m: score(rows, truth.relevance, k=k) for m, score in _METRICS.items()}
        for name, rows in shown.items()
    }
    quo, full = per.get("status quo"), per.get("full re-embedding")
    outcomes = []
    for trial in trials:
        facts: dict[str, Any] = {
            "name": trial.name, "kind": trial.kind, "summary": trial.summary,
            "bridge": trial.bridge, "cost": trial.cost, "impossible": trial.impossible,
        }  # fmt: skip
        mine = per.get(trial.name)
        if mine is None:
            outcomes.append(Outcome(**facts))
            continue
        facts |= {m: mean_score(f"{m}@{k}", mine[m], rng=rng) for m in _METRICS}
        best = settings[trial.name]
        setting = str(trial.settings[best]) if trial.settings else ""
        outcome = Outcome(**facts, setting=setting)
        if full is not None:
            against = {m: paired(mine[m], full[m], rng=rng) for m in _METRICS}
            outcome = replace(outcome, against_full=against)
        if quo is not None:
            moved = 1.0 - overlap_per_query(shown[trial.name], shown["status quo"], k=k)
            lost = (quo["recall"] > 0) & (mine["recall"] == 0)
            outcome = replace(
                outcome,
                against_status_quo={m: paired(mine[m], quo[m], rng=rng) for m in _METRICS},
                negative_flips=float(lost.mean()),
                churn=mean_score(f"churn@{k}", moved, rng=rng),
            )
        outcomes.append(outcome)
    return tuple(outcomes), {name: values["ndcg"] for name, values in per.items()}


def _paired(old: Any, new: Any, k: int) -> Pairs:
    pairs = pair(old, new)
    if len(pairs) < max(LEAST, k + 1):
        raise InputError(
            "plan", f"{len(pairs)} documents with both vectors and k={k}",
            f"at least {max(LEAST, k + 1)}, better thousands",
            "Embed a larger sample of the collection with the new encoder.",
        )  # fmt: skip
    return pairs


def _others(pairs: Pairs) -> np.ndarray | None:
    """Old vectors (m, d_old) of rows that are not searched, as far as they are finite."""
    rows = np.setdiff1d(spread_rows(len(pairs.source), _COUNTED), pairs.rows_source)
    if not len(rows):
        return None
    found = pairs.source.take(rows)
    return np.asarray(found[np.isfinite(found).all(axis=1)])


def _sample(pairs: Pairs, queries: Any, qrels: Qrels | None, rng: int) -> Pairs:
    """The pairs that are searched, checked: all, or what is asked for and others at random."""
    if len(pairs) > _DOCUMENTS:
        named: set[str] = set()
        if qrels is not None:
            judged = qrels if isinstance(qrels, Mapping) else read_qrels(qrels)
            named = {str(d) for grades in judged.values() for d in grades}
        elif queries is not None:
            named = {str(name) for name in opened(queries).ids.tolist()}
        wanted = (
            np.isin(pairs.ids.astype(str), list(named)) if named else np.zeros(len(pairs), bool)
        )
        order = generator(rng).permutation(len(pairs))
        order = order[np.argsort(~wanted[order], kind="stable")]
        pairs = pairs.select(np.sort(order[:_DOCUMENTS]))
    for name, vectors in (("old", pairs.x), ("new", pairs.y)):
        check_rows(name, vectors, pairs.ids, operation="plan")
    if pairs.x.shape == pairs.y.shape and np.array_equal(pairs.x, pairs.y):
        raise InputError(
            "plan", "the same vectors as old and as new", "two different encoders' vectors",
            "Nothing changes for anyone: there is nothing to plan.",
        )  # fmt: skip
    return pairs
