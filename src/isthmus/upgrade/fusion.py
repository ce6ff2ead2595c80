"""Score fusion, reranking and merging: two views of the same documents, their scores calibrated."""

from collections.abc import Sequence

import numpy as np

from isthmus.core.errors import InputError
from isthmus.upgrade.view import View

#: Shares of the second view that are tried, both ends among them.
WEIGHTS = tuple(i / 10 for i in range(11))


def fused(
    one: View, two: View, *, k: int, weights: Sequence[float] = WEIGHTS
) -> tuple[np.ndarray, ...]:
    """The first k documents (q, k) by (1 - w) r_one + w r_two, for each weight w.

    Both views are searched to their depth; the documents that either found are scored in both and
    each score r is calibrated in its own space (``View.calibrated``). At w = 0 and 1 one view
    decides alone.

    References
    ----------
    Fox, Shaw, *Combination of multiple searches*, TREC-2 1994 (CombSUM).
    """
    return blended(one, two, np.concatenate([one.found, two.found], axis=1), k=k, weights=weights)


def reranked(
    first: View, second: View, *, candidates: int, k: int, weights: Sequence[float] = WEIGHTS
) -> tuple[np.ndarray, ...]:
    """The first k of the first view's ``candidates``, by (1 - w) r_first + w r_second, per w.

    Only the candidates need vectors in the second view's space, which are made when asked for. At
    w = 1 the new scores alone decide: reranking as it is usually done.

    Raises InputError when the first view was not searched that deep.
    """
    if first.found.shape[1] < min(candidates, len(first.documents) - 1):
        raise InputError(
            "rerank", f"{candidates} candidates of {first.found.shape[1]} found", "a deeper search"
        )
    return blended(first, second, first.found[:, :candidates], k=k, weights=weights)


def merged(one: View, two: View, second: np.ndarray, *, k: int) -> np.ndarray:
    """The first k documents (q, k), each by its calibrated score in the one view that holds it.

    ``second`` (n,) marks the documents that ``two`` holds; ``one`` holds the others.
    """
    sides = [
        # One more, for the document that a query must not find.
        view.within(rows, k + 1)
        for view, rows in ((one, np.flatnonzero(~second)), (two, np.flatnonzero(second)))
        if len(rows)
    ]
    rows, scores = (np.concatenate(side, axis=1) for side in zip(*sides, strict=True))
    if one.exclude is not None:
        scores = np.where(rows == one.exclude[:, None], -np.inf, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(rows, order, axis=1))


def blended(
    one: View, two: View, rows: np.ndarray, *, k: int, weights: Sequence[float] = WEIGHTS
) -> tuple[np.ndarray, ...]:
    """The first k of the document ``rows`` (q, m) by (1 - w) r_one + w r_two, (q, k) per weight.

    A document that stands twice among a query's rows counts once.
    """
    again = _repeated(rows)
    left, right = one.calibrated(rows), two.calibrated(rows)
    lists = []
    for weight in weights:
        mixed = np.where(again, -np.inf, (1 - weight) * left + weight * right)
        order = np.argsort(-mixed, axis=1, kind="stable")[:, :k]
        lists.append(np.take_along_axis(rows, order, axis=1))
    return tuple(lists)


def _repeated(rows: np.ndarray) -> np.ndarray:
    """Where a row of (q, m) repeats a document that stands further left."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    same = np.zeros(rows.shape, dtype=bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    result = np.empty_like(same)
    np.put_along_axis(result, order, same, axis=1)
    return result
