"""View: one way to look at the documents, queries and documents of one space and its metric."""

from functools import cached_property

import numpy as np

from isthmus.core.arrays import row_blocks
from isthmus.core.neighbors import Metric, directions
from isthmus.retrieval.search import search

#: Random documents whose scores say what a score means for a query.
_BACKGROUND = 400
#: Entries gathered at once when single scores are computed.
_ENTRIES = 1 << 23


class View:
    """Queries (q, d) over documents (n, d) by a metric, searched once to a depth.

    ``exclude`` (q,) is a document that each query must not find, or None. Cosine, inner product or
    minus the Euclidean distance: larger scores are closer.

    >>> view = View(np.eye(2), np.eye(2), "cosine", depth=2)
    >>> view.found.tolist(), view.scores(np.array([[1], [0]])).tolist()
    ([[0, 1], [1, 0]], [[0.0], [0.0]])
    """

    def __init__(
        self,
        queries: np.ndarray,
        documents: np.ndarray,
        metric: Metric,
        *,
        depth: int,
        exclude: np.ndarray | None = None,
    ) -> None:
        self.queries, self.documents, self.metric = queries, documents, metric
        self.depth, self.exclude = depth, exclude

    @cached_property
    def found(self) -> np.ndarray:
        """Document rows (q, depth), closest first, ties by lower row."""
        hits = search(
            self.queries, self.documents, self.depth, metric=self.metric, exclude=self.exclude
        )
        return np.asarray(hits.rows)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The scores (q, m) of document rows (q, m), each query's own, in float64."""
        asked, searched = self._sides
        result = np.empty(rows.shape)
        size = max(1, _ENTRIES // max(1, rows.shape[1] * searched.shape[1]))
        for block in row_blocks(len(rows), size):
            near = searched[rows[block]].astype(np.float64)
            if self.metric == "euclidean":
                result[block] = -np.linalg.norm(near - asked[block, None, :], axis=2)
            else:
                result[block] = np.einsum("qmd,qd->qm", near, asked[block])
        return result

    def calibrated(self, rows: np.ndarray) -> np.ndarray:
        """``scores`` in standard deviations above those of random documents, per query.

        z = (s - mean s_r) / sd s_r over 400 random documents r: what makes scores of two spaces, or
        of two queries, mean the same.
        """
        mean, spread = self._background
        result: np.ndarray = (self.scores(rows) - mean) / spread
        return result

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        sides = (self.queries, self.documents)
        if self.metric == "cosine":
            sides = directions(self.queries), directions(self.documents)
        return sides[0].astype(np.float64), sides[1]

    @cached_property
    def _background(self) -> tuple[np.ndarray, np.ndarray]:
        n = len(self.documents)
        some = np.random.default_rng(0).permutation(n)[:_BACKGROUND]
        known = self.scores(np.broadcast_to(some, (len(self.queries), len(some))))
        if self.exclude is not None:
            # A query that is a document must not count its own likeness to itself.
            known = np.where(some == self.exclude[:, None], np.nan, known)
        mean, spread = np.nanmean(known, axis=1), np.nanstd(known, axis=1)
        return mean[:, None], np.where(spread > 0, spread, 1.0)[:, None]
