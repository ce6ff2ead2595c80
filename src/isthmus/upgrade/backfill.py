"""Backfill: re-embed a part of the collection, in which order, and what each part brings."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.bridges.clusters import k_means
from isthmus.core.neighbors import directions
from isthmus.core.random import Seed, generator

#: Shares of the collection re-embedded at which the curve is measured.
FRACTIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_CLUSTERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FractionCurve:
    """Quality against the fraction re-embedded in one order; ``area`` under it, by trapezoids.

    The rest of the collection is translated by ``bridge``. At 0 it is the corpus side alone, at 1
    full re-embedding; the area is the mean quality over a steady backfill.
    """

    order: str
    bridge: str
    fractions: tuple[float, ...]
    ndcg: tuple[float, ...]

    @property
    def area(self) -> float:
        """Mean nDCG while the fraction goes from 0 to 1."""
        return float(np.trapezoid(self.ndcg, self.fractions))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "order": self.order, "bridge": self.bridge, "fractions": list(self.fractions),
            "ndcg": list(self.ndcg), "area": self.area,
        }  # fmt: skip


def orders(
    old: np.ndarray,
    *,
    confidence: np.ndarray | None = None,
    traffic: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    rng: Seed = 0,
) -> dict[str, np.ndarray]:
    """Orders in which to re-embed, by name, each a permutation (n,) with what goes first in front.

    traffic: documents that the log hit most often; confidence: those that the bridge knows least;
    class mean: those farthest, by angle, from the mean of their class, or of their cluster where
    no class is known; random: for comparison. Ties keep a random order.

    Parameters
    ----------
    old : (n, d) array
        The documents under the old encoder.
    confidence : (n,) in (0, 1], optional
        As ``Bridge.confidence`` tells it, of each document by a bridge that never saw it.
    traffic : (n,) hits, optional
    labels : (n,) classes, optional
    rng : int or numpy.random.Generator

    References
    ----------
    Ricci et al., *λ-orthogonality regularization for compatible representation learning*, NeurIPS
    2025 (farthest from class mean first).

    Examples
    --------
    >>> found = orders(np.eye(4), traffic=np.array([0, 5, 1, 9]))
    >>> sorted(found), found["traffic"][:2].tolist()
    (['class mean', 'random', 'traffic'], [3, 1])
    """
    random = generator(rng).permutation(len(old))

    def first(badness: np.ndarray) -> np.ndarray:
        return np.asarray(random[np.argsort(-badness[random], kind="stable")])

    found = {}
    if traffic is not None:
        found["traffic"] = first(traffic.astype(np.float64))
    if confidence is not None:
        found["confidence"] = first(-confidence)
    found["class mean"] = first(_from_class_mean(old, labels, rng))
    found["random"] = random
    return found


def part(order: np.ndarray, fraction: float) -> np.ndarray:
    """Which documents (n,) are re-embedded once the first ``fraction`` of ``order`` is.

    >>> part(np.array([2, 0, 1, 3]), 0.5)
    array([ True, False,  True, False])
    """
    result = np.zeros(len(order), dtype=bool)
    result[order[: round(fraction * len(order))]] = True
    return result


def _from_class_mean(old: np.ndarray, labels: np.ndarray | None, rng: Seed) -> np.ndarray:
    rows = directions(old.astype(np.float32))
    if labels is None:
        count = max(2, min(_CLUSTERS, len(rows) // 20))
        centres = k_means(rows, min(count, len(rows)), rng=generator(rng))
        nearest = (rows @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1)
    else:
        _, nearest = np.unique(labels, return_inverse=True)
        centres = np.stack([rows[nearest == i].mean(axis=0) for i in range(nearest.max() + 1)])
    result: np.ndarray = 1.0 - (rows * directions(centres)[nearest]).sum(axis=1)
    return result
