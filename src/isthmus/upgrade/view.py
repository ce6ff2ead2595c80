"""View: one way to look at the documents, queries and documents of one space and its metric."""

from functools import cached_property

import numpy as np

from isthmus.core.arrays import row_blocks
from isthmus.core.neighbors import Metric, directions
from isthmus.retrieval.calibration import REFERENCE, Rarity, all_scores
from isthmus.retrieval.search import search

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
        """``scores`` as rarities among random documents, the same ones in every view.

        What makes scores of two spaces, or of two queries, mean the same
        (``retrieval.calibration``).
        """
        return self._scale.of_scores(self.scores(rows))

    def within(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k of the document ``rows`` (m,) closest to each query, and their rarities, (q, k).

        All rows where there are fewer; nothing is excluded.
        """
        hits = search(self.queries, self.documents[rows], k, metric=self.metric)
        return rows[hits.rows], self._scale.of_scores(hits.scores)

    def asked(self, some: np.ndarray) -> "View":
        """The view of ``some`` of its queries (m,), its documents prepared as an index holds them.

        What is left to do when it is asked is what a query costs.
        """
        queries, documents = self._sides
        metric: Metric = "inner" if self.metric == "cosine" else self.metric
        exclude = None if self.exclude is None else self.exclude[some]
        return View(queries[some], documents, metric, depth=self.depth, exclude=exclude)

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        sides = (self.queries, self.documents)
        if self.metric == "cosine":
            sides = directions(self.queries), directions(self.documents)
        return sides[0].astype(np.float64), sides[1]

    @cached_property
    def _scale(self) -> Rarity:
        some = np.random.default_rng(0).permutation(len(self.documents))[: REFERENCE + 1]
        known = all_scores(self.queries, self.documents[some], self.metric)
        if self.exclude is not None:
            # A query that is a document must not count its own likeness to itself.
            drop = some == self.exclude[:, None]
            drop[~drop.any(axis=1), -1] = True
            known = known[~drop].reshape(len(known), -1)
        return Rarity.of(known)
