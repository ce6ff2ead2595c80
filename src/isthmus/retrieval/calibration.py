"""Calibration: scores of different spaces on one scale, by how rare they are among documents.

The one scale of the house: fused scores, reranking, a part re-embedded and mixed search all compare
scores by it.
"""

from dataclasses import dataclass

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.neighbors import Metric, unit

#: Reference documents that are enough.
REFERENCE = 1000
#: Share of the reference scores that counts as the tail, and how many at least.
_TAIL, _LEAST = 0.05, 10


@dataclass(frozen=True, slots=True, eq=False)
class Rarity:
    r"""How rare a score is for each of q queries, from the scores of reference documents.

    With u the m-th but one largest of r reference scores and e the mean excess of the m above it,

        rarity(s) = (s - u) / e + log(r / m),

    minus the logarithm of the share of documents that score s or more, if scores beyond u fall off
    exponentially, as those of most distributions do far out. Two spaces that give the *same*
    documents as reference are put on one scale by it: a rarity of 7 is one document in e⁷ in
    either. A mean and a standard deviation do not do that, because spaces differ in how far the
    best scores lie above the bulk, and the best are what a search is about.

    Attributes
    ----------
    threshold, excess : (q,) float64, u and e per query, in units of the score
    offset : log(r / m)

    References
    ----------
    Pickands 1975, Statistical inference using extreme order statistics (the tail's shape, here
    with shape 0); the same use of chance scores as E-values in Karlin and Altschul 1990.

    Examples
    --------
    >>> chance = np.random.default_rng(0).exponential(size=(1, 20_000))
    >>> seen = Rarity.of(chance).of_scores(np.array([[5.0]])).item()
    >>> abs(seen - 5.0) < 0.2  # P(S >= 5) = e⁻⁵
    True
    """

    threshold: np.ndarray
    excess: np.ndarray
    offset: float

    @classmethod
    def of(cls, scores: np.ndarray) -> "Rarity":
        """Measure it on the scores (q, r) of r reference documents, larger for closer ones.

        Raises InputError with fewer than 2 documents or with scores that are not finite.
        """
        if scores.ndim != 2 or scores.shape[1] < 2 or not np.isfinite(scores).all():
            raise InputError(
                "calibration", f"scores of shape {scores.shape}", "finite scores of 2 documents"
            )
        r = scores.shape[1]
        m = min(max(round(_TAIL * r), _LEAST), r // 2)
        top = -np.partition(-scores.astype(np.float64), m, axis=1)[:, : m + 1]
        threshold = top.min(axis=1)
        excess = (top.sum(axis=1) - threshold) / m - threshold
        # A query to which all documents are the same (a zero vector) has no scale: any will do.
        excess[excess <= 1e-12 * np.abs(threshold)] = 1.0
        return cls(threshold, excess, float(np.log(r / m)))

    def of_scores(self, scores: np.ndarray) -> np.ndarray:
        """The rarity (q, k) of scores (q, k), in nats; within a query it keeps their order."""
        beyond = (scores - self.threshold[:, None]) / self.excess[:, None]
        return np.asarray(beyond + self.offset)


def all_scores(queries: np.ndarray, base: np.ndarray, metric: Metric) -> np.ndarray:
    """The scores (q, n) of all rows of ``base`` (n, d), as ``retrieval.search`` gives them."""
    q, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "cosine":
        q, b = unit(q), unit(b)
    scores = q @ b.T
    if metric == "euclidean":
        squares = (q * q).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * scores
        scores = -np.sqrt(np.maximum(squares, 0.0))
    return np.asarray(scores)
