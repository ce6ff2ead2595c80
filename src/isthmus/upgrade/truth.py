"""Truth: which queries are asked, and which documents answer them.

Three kinds, best first: human judgements; known items (a query's own document is the one right
answer); and, when nothing is given, the new encoder's own nearest neighbours of held-out documents,
which say how faithfully it is imitated and not whether it is any good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, PairingError
from isthmus.core.random import Seed, generator
from isthmus.retrieval.qrels import read_qrels
from isthmus.retrieval.search import search
from isthmus.upgrade.evaluation import Relevance
from isthmus.upgrade.strategies import Vectors

Qrels = Mapping[Any, Mapping[Any, float]] | str | Path
#: Held-out documents asked as queries at most, when no queries are given.
MAX_PROVISIONAL = 1000
_FALLBACK = {"test": 0.2, "seed": 0}


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Queries with their answers.

    ``relevance`` gives per query ``{document row: grade}``; ``exclude`` (q,) a document row that
    each query must not find, or None.
    """

    kind: Relevance
    vectors: Vectors
    relevance: list[dict[int, float]]
    exclude: np.ndarray | None
    warnings: tuple[str, ...]


def held_out(
    pairs: Any, bridges: Sequence[Any], *, operation: str = "evaluate"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows of ``pairs`` that no bridge was fitted on, as a mask (n,), and warnings.

    Every bridge's holdout rule is applied and what all of them held out is kept. A bridge without
    a rule may have seen every row: it is warned about, and where no bridge has one a fifth of the
    rows is taken as if it had been held out.

    Raises
    ------
    InputError
        When the rules leave no common row.

    """
    rules = [rule for rule in (getattr(b, "holdout", None) for b in bridges) if rule]
    warnings = []
    if len(rules) < len(bridges):
        warnings.append(
            f"{len(bridges) - len(rules)} of {len(bridges)} bridges carry no holdout rule and may "
            "have been fitted on the very rows they are judged by: their figures may flatter."
        )
    mask = np.ones(len(pairs), dtype=bool)
    for rule in rules or [_FALLBACK]:
        _, test = pairs.split(**rule)
        mask &= np.isin(pairs.rows_source, test.rows_source)
    if mask.sum() < 2:
        raise InputError(
            operation,
            f"{int(mask.sum())} of {len(pairs)} pairs held out from every bridge",
            "at least 2",
            "Bring more pairs, or bridges fitted under the same split.",
        )
    return mask, tuple(warnings)


def provisional(pairs: Any, mask: np.ndarray, *, k: int, metric: str, rng: Seed) -> Truth:
    """Held-out documents as queries; the new encoder's own k nearest other documents as answers."""
    rows = np.flatnonzero(mask)
    if rows.size > MAX_PROVISIONAL:
        rows = np.sort(generator(rng).choice(rows, MAX_PROVISIONAL, replace=False))
    x, y = pairs.x, pairs.y
    found = search(y[rows], y, k, metric=metric, exclude=rows).rows  # type: ignore[arg-type]
    return Truth(
        "provisional",
        Vectors(x, y, y[rows], x[rows]),
        [dict.fromkeys(row, 1.0) for row in found.tolist()],
        rows,
        (
            "No queries were given: held-out documents were asked and the new encoder's own "
            "neighbours counted as right. This shows how well the new encoder is imitated, not "
            "whether it is better than the old one; bring queries to learn that.",
        ),
    )


def asked(
    pairs: Any,
    mask: np.ndarray,
    queries: Any,
    source_queries: Any,
    qrels: Qrels | None,
    *,
    operation: str = "evaluate",
) -> Truth:
    """The queries of the user, answered by judgements or, without any, by their own documents.

    Raises
    ------
    PairingError
        When no query is judged or no relevant document is among the documents searched.
    InputError
        When no known item was held out from fitting.

    """
    names, new, old, warnings = _joined(queries, source_queries)
    place = {str(name): row for row, name in enumerate(pairs.ids.tolist())}
    if qrels is None:
        relevance, kept, more = _known_items(names, place, mask, operation)
    else:
        judged = read_qrels(qrels) if isinstance(qrels, str | Path) else qrels
        relevance, kept, more = _judged(names, place, judged, operation)
    vectors = Vectors(pairs.x, pairs.y, new[kept], None if old is None else old[kept])
    kind: Relevance = "known item" if qrels is None else "human"
    return Truth(kind, vectors, relevance, None, (*warnings, *more))


def _joined(
    queries: Any, source_queries: Any
) -> tuple[list[str], np.ndarray, np.ndarray | None, list[str]]:
    if source_queries is None:
        return [str(name) for name in queries.ids.tolist()], queries.vectors(), None, []
    from isthmus.spaces.pairs import pair

    both = pair(source_queries, queries)
    alone = sum(both.left_over)
    warnings = (
        [f"{alone} queries have vectors of one encoder only and were left out."] if alone else []
    )
    return [str(name) for name in both.ids.tolist()], both.y, both.x, warnings


def _known_items(
    names: list[str], place: dict[str, int], mask: np.ndarray, operation: str
) -> tuple[list[dict[int, float]], np.ndarray, list[str]]:
    rows = np.array([place.get(name, -1) for name in names])
    if (rows < 0).all():
        raise PairingError(
            operation,
            f"queries {_some(names)} and documents {_some(place)}",
            "queries named like the document that answers them",
            "Rename the queries, or give qrels that say which documents are relevant.",
        )
    kept = np.flatnonzero((rows >= 0) & mask[rows])
    if not kept.size:
        raise InputError(
            operation,
            f"{int((rows >= 0).sum())} queries, all for documents the bridges were fitted on",
            "queries for held-out documents",
            "Fit with a holdout, or ask for documents outside the fitting set.",
        )
    warnings = []
    if (rows < 0).any():
        warnings.append(f"{int((rows < 0).sum())} queries name no document and were left out.")
    used = int((rows >= 0).sum()) - kept.size
    if used:
        warnings.append(f"{used} queries for documents not held out from fitting were left out.")
    return [{int(row): 1.0} for row in rows[kept]], kept, warnings


def _judged(
    names: list[str],
    place: dict[str, int],
    qrels: Mapping[Any, Mapping[Any, float]],
    operation: str,
) -> tuple[list[dict[int, float]], np.ndarray, list[str]]:
    judged = {str(q): {str(d): g for d, g in grades.items()} for q, grades in qrels.items()}
    known = [name for name in names if name in judged]
    if not known:
        raise PairingError(
            operation,
            f"judgements for queries {_some(judged)} and vectors of queries {_some(names)}",
            "query ids in common",
        )
    relevance, kept, unseen = [], [], 0
    for position, name in enumerate(names):
        grades = {d: g for d, g in judged.get(name, {}).items() if g > 0}
        found = {place[d]: float(g) for d, g in grades.items() if d in place}
        unseen += len(grades) - len(found)
        if found:
            relevance.append(found)
            kept.append(position)
    if not kept:
        judged_documents = [d for grades in judged.values() for d in grades]
        raise PairingError(
            operation,
            f"judgements of documents {_some(judged_documents)} and documents {_some(place)}",
            "relevant documents among those with both vectors",
        )
    warnings = []
    if unseen:
        warnings.append(
            f"{unseen} relevant documents lack one of the vectors and are not counted, for any "
            "strategy."
        )
    if len(kept) < len(names):
        warnings.append(
            f"{len(names) - len(kept)} of {len(names)} queries have no relevant document here and "
            "were left out."
        )
    return relevance, np.array(kept), warnings


def _some(names: Any) -> str:
    shown = [repr(name) for name, _ in zip(names, range(3), strict=False)]
    return ", ".join(shown) + (", ..." if len(names) > 3 else "")
