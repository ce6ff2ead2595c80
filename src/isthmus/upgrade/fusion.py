"""Score fusion and reranking: two views of the same documents, their calibrated scores blended."""

from collections.abc import Sequence

import numpy as np

from isthmus.core.errors import InputError
from isthmus.upgrade.view import View

#: Shares of the second view that are tried, the one to take without knowledge first.
WEIGHTS = (0.5, 0.3, 0.7, 0.1, 0.9)
#: The same for reranking, where the second view may also decide alone.
RERANK_WEIGHTS = (1.0, 0.7, 0.5, 0.3)


def fused(
    one: View, two: View, *, k: int, weights: Sequence[float] = WEIGHTS
) -> tuple[np.ndarray, ...]:
    """The first k documents (q, k) by (1 - w) z_one + w z_two, for each weight w.

    Both views are searched to their depth; the documents that either found are scored in both and
    each score is calibrated in its own space (``View.calibrated``).

    References
    ----------
    Fox, Shaw, *Combination of multiple searches*, TREC-2 1994 (CombSUM); Montague, Aslam,
    *Relevance score normalization for metasearch*, CIKM 2001 (zero mean, unit variance).
    """
    return _blended(one, two, np.concatenate([one.found, two.found], axis=1), k, weights)


def reranked(
    first: View, second: View, *, candidates: int, k: int, weights: Sequence[float] = RERANK_WEIGHTS
) -> tuple[np.ndarray, ...]:
    """The first k of the first view's ``candidates``, by (1 - w) z_first + w z_second, per w.

    Only the candidates need vectors in the second view's space, which are made when asked for.

    Raises InputError when the first view was not searched that deep.
    """
    if first.found.shape[1] < min(candidates, len(first.documents) - 1):
        raise InputError(
            "rerank", f"{candidates} candidates of {first.found.shape[1]} found", "a deeper search"
        )
    return _blended(first, second, first.found[:, :candidates], k, weights)


def _blended(
    one: View, two: View, rows: np.ndarray, k: int, weights: Sequence[float]
) -> tuple[np.ndarray, ...]:
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
