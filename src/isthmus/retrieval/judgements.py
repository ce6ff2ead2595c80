"""Judgements: ranked documents seen through what is known to be relevant.

The ranking is the order of the list that was given; no metric sorts again, so ties are settled by
whoever made the list (``search``: the lower row; ``read_run``: as trec_eval does).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, PairingError
from isthmus.core.random import Seed
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import interval

#: Per query the documents found, best first: by query id, or by position (a (q, k) array will do).
Ranked = Mapping[Any, Sequence[Hashable]] | Sequence[Sequence[Hashable]] | np.ndarray
#: Per query what is relevant: ``{document: grade}``, or just the relevant documents.
Relevance = (
    Mapping[Any, Mapping[Any, float] | Iterable[Hashable]]
    | Sequence[Mapping[Any, float] | Iterable[Hashable]]
    | np.ndarray
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Rankings with each document replaced by its grade.

    ``queries`` holds the q query ids (or positions) in the order of the judgements; ``gains``
    (q, depth) the grade of the document at each rank, 0 where it is not relevant or the list has
    ended; ``ideal`` (q, r) the grades of all relevant documents, largest first, padded with 0.
    """

    queries: tuple[Any, ...]
    gains: np.ndarray
    ideal: np.ndarray
    warnings: tuple[str, ...]

    @property
    def relevant(self) -> np.ndarray:
        """How many documents are relevant to each query, (q,) integers."""
        return (self.ideal > 0).sum(axis=1)

    def undefined(self, values: np.ndarray) -> np.ndarray:
        """``values`` (q,) with NaN for the queries without any relevant document."""
        return np.where(self.relevant > 0, values, np.nan)


def judge(ranked: Ranked, relevance: Relevance, *, k: int | None, operation: str) -> Judged:
    """Grade the first ``k`` documents (all when None) of every judged query.

    Parameters
    ----------
    ranked : mapping of query to documents, or sequence of document lists
        Documents best first, each at most once per query.
    relevance : mapping of query to judgements, or sequence of judgements
        Of the same form as ``ranked``. Judgements are ``{document: grade}`` or an iterable of
        relevant documents (grade 1). A document without judgement, or with a grade of zero or less,
        is not relevant. A judged query that was not ranked has found nothing; a ranked query that
        was not judged is left out. Both are counted in the warnings.
    k : int or None
        Places looked at.
    operation : str
        What is named in errors.

    Raises
    ------
    InputError
        On k < 1, a document listed twice, a grade that is no finite number, or mixed forms.
    PairingError
        When no ranked query is judged.

    """
    if k is not None and (isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1):
        raise InputError(operation, f"k={k!r}", "an integer of at least 1")
    lists, facts, warnings = _align(ranked, relevance, operation)
    grades = [_grades(query, fact, operation) for query, fact in facts.items()]
    depth = max((len(found) for found in lists.values()), default=0)
    depth = max(1, depth if k is None else min(k, depth))
    gains = np.zeros((len(facts), depth))
    ideal = np.zeros((len(facts), max(1, max(map(len, grades), default=1))))
    for row, (query, grade) in enumerate(zip(facts, grades, strict=True)):
        ideal[row, : len(grade)] = sorted(grade.values(), reverse=True)
        found = lists.get(query, [])[:k]
        if len(set(found)) < len(found):
            twice = next(d for d in found if found.count(d) > 1)
            raise InputError(
                operation, f"document {twice!r} twice for query {query!r}", "each document once"
            )
        gains[row, : len(found)] = [grade.get(document, 0.0) for document in found]
    return Judged(tuple(facts), gains, ideal, warnings)


def mean_score(
    name: str, values: np.ndarray, *, rng: Seed, warnings: tuple[str, ...] = ()
) -> Score:
    """The mean of a per-query vector (q,) with its interval; NaN queries left out and counted."""
    counted = ~np.isnan(values)
    if not counted.any():
        raise InputError(
            name,
            f"{values.size} queries without any relevant document",
            "at least one query with a relevant document",
            "Check that judgements and rankings use the same document ids.",
        )
    if not counted.all():
        dropped = f"{int((~counted).sum())} queries without a relevant document were left out"
        warnings = (*warnings, dropped)
    return Score(
        value=float(values[counted].mean()),
        method=name,
        n=int(counted.sum()),
        ci=interval(values, rng=rng),
        warnings=warnings,
    )


def _align(
    ranked: Ranked, relevance: Relevance, operation: str
) -> tuple[dict[Any, list[Any]], dict[Any, Any], tuple[str, ...]]:
    if isinstance(ranked, Mapping) != isinstance(relevance, Mapping):
        raise InputError(
            operation,
            f"ranked as {type(ranked).__name__}, relevance as {type(relevance).__name__}",
            "two mappings keyed by query, or two sequences in the same order of queries",
        )
    if not isinstance(ranked, Mapping) or not isinstance(relevance, Mapping):
        if not (hasattr(ranked, "__len__") and hasattr(relevance, "__len__")):
            raise InputError(
                operation,
                f"ranked as {type(ranked).__name__}, relevance as {type(relevance).__name__}",
                "mappings or sequences, one entry per query",
            )
        if len(ranked) != len(relevance) or len(relevance) == 0:
            raise InputError(
                operation,
                f"{len(ranked)} rankings and {len(relevance)} judgements",
                "one of each per query, for at least one query",
            )
        lists = {i: _listed(i, found, operation) for i, found in enumerate(ranked)}
        return lists, dict(enumerate(relevance)), ()
    missing = [query for query in relevance if query not in ranked]
    if len(missing) == len(relevance):
        raise PairingError(
            operation,
            f"rankings for {_some(ranked)} and judgements for {_some(relevance)}",
            "query ids in common",
        )
    extra = sum(query not in relevance for query in ranked)
    warnings = []
    if missing:
        warnings.append(f"{len(missing)} judged queries were not ranked and found nothing")
    if extra:
        warnings.append(f"{extra} ranked queries have no judgements and were left out")
    lists = {query: _listed(query, found, operation) for query, found in ranked.items()}
    return lists, dict(relevance), tuple(warnings)


def _listed(query: Any, found: Any, operation: str) -> list[Any]:
    try:
        documents = found.tolist() if hasattr(found, "tolist") else list(found)
        set(documents)  # documents are looked up, so each needs a hash
    except TypeError as error:
        raise InputError(
            operation,
            f"{found!r:.60} as the documents of query {query!r} ({error})",
            "a list of document ids",
            "Give one list for each query; ids are texts, numbers or tuples.",
        ) from error
    return documents


def _grades(query: Any, fact: Any, operation: str) -> dict[Any, float]:
    if isinstance(fact, str | bytes):
        raise InputError(
            operation,
            f"judgements {fact!r} for query {query!r}",
            "{document: grade}, or a list or set of relevant documents",
        )
    if not isinstance(fact, Mapping):
        return dict.fromkeys(_listed(query, fact, operation), 1.0)
    try:
        graded = {document: float(grade) for document, grade in fact.items()}
    except (TypeError, ValueError):
        graded = {None: np.nan}
    if not np.isfinite(list(graded.values())).all():
        raise InputError(
            operation, f"grades {list(fact.values())[:5]} for query {query!r}", "finite numbers"
        )
    return {document: grade for document, grade in graded.items() if grade > 0}


def _some(keys: Iterable[Any]) -> str:
    shown = [repr(key) for _, key in zip(range(3), keys, strict=False)]
    return f"queries {', '.join(shown)}, ..." if shown else "no query"
