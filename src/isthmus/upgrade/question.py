"""Question: what is asked of a change of encoder, opened and checked before anything is measured.

The same for the quick check of given bridges (``evaluate``) and for the decision (``plan``).
"""

from typing import Any

import numpy as np

from isthmus.core.arrays import check_finite
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.core.neighbors import METRICS, Metric
from isthmus.core.random import Seed
from isthmus.spaces.open import open
from isthmus.spaces.pairs import Pairs
from isthmus.spaces.space import Space
from isthmus.upgrade.truth import Qrels, Truth, asked, provisional


def opened(given: Any) -> Space:
    """A space as it is, or a path or array as a space."""
    return given if isinstance(given, Space) else open(given)


def metric_of(space: Space, *, operation: str) -> Metric:
    """The metric a space is searched by: as declared, or cosine; InputError on an unknown one."""
    metric = space.metric or "cosine"
    if metric not in METRICS:
        raise InputError(
            operation, f"{space.name!r} with metric {metric!r}", f"one of {', '.join(METRICS)}"
        )
    return metric  # type: ignore[return-value]


def check_rows(name: str, rows: np.ndarray, ids: np.ndarray, *, operation: str) -> None:
    """Raise InputError naming the ids (n,) of the rows (n, d) that are not finite."""
    try:
        check_finite(name, rows, operation=operation)
    except InputError as error:
        bad = ids[~np.isfinite(rows).all(axis=1)]
        raise InputError(
            operation,
            f"{name} with NaN or infinity in {len(bad)} of {len(rows)} rows (first ids: "
            f"{', '.join(repr(i) for i in bad[:5].tolist())})",
            "finite numbers",
            error.cure,
        ) from error


def question(
    pairs: Pairs,
    mask: np.ndarray,
    queries: Any,
    old_queries: Any,
    qrels: Qrels | None,
    *,
    k: int,
    rng: Seed,
    operation: str,
    old_name: str,
) -> Truth:
    """Queries with their answers, by the best relevance that is given; see ``truth``.

    ``mask`` (n,) marks the pairs that no bridge was fitted on, and ``old_name`` is what the caller
    calls ``old_queries``. Raises InputError on answers without queries, a wrong dim or rows that
    are not finite, and what ``asked`` raises.
    """
    if queries is None:
        if old_queries is not None or qrels is not None:
            lone = old_name if qrels is None else "qrels"
            raise InputError(
                operation,
                f"{lone} without queries",
                "queries under the new encoder too",
                "Pass queries=..., or nothing to be judged by the new encoder's neighbours.",
            )
        return provisional(
            pairs, mask, k=k, metric=metric_of(pairs.target, operation=operation), rng=rng
        )
    asking = opened(queries)
    asking_old = None if old_queries is None else opened(old_queries)
    for name, given, side in (
        ("queries", asking, pairs.target),
        (old_name, asking_old, pairs.source),
    ):
        if given is None:
            continue
        if given.dim != side.dim:
            raise InputError(
                operation,
                f"{name} of {given.dim} dimensions",
                f"{side.dim}, those of {side.name!r}",
                f"queries are under the new encoder, {old_name} under the old one.",
            )
        check_rows(name, given.vectors(), given.ids, operation=operation)
    return asked(pairs, mask, asking, asking_old, qrels, operation=operation)


def strange(
    truth: Truth, ends: tuple[Any, Any], *, operation: str, old_name: str
) -> tuple[str, ...]:
    """Warn about queries that do not look like what their encoder made of the documents.

    Questions differ from documents, so this alone is no error; from the wrong encoder it is.
    """
    old, new = ends
    found = []
    sides = (
        ("queries", "new", truth.vectors.new_queries, new, old),
        (old_name, "old", truth.vectors.old_queries, old, new),
    )
    for name, age, rows, own, other in sides:
        if rows is None:
            continue
        match = own.matches(rows)
        if match:
            continue
        swapped = other.dim == rows.shape[1] and other.matches(rows)
        if swapped and swapped.decided:
            raise SpaceMismatch(
                operation,
                f"{name} that look like the other encoder's vectors",
                f"queries under the {age} encoder",
                f"queries are under the new encoder, {old_name} under the old one.",
            )
        found.append(
            f"{name} do not look like documents under the {age} encoder; make sure that it made "
            "them."
        )
    return tuple(found)
