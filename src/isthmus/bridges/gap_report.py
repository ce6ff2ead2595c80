"""Gap report: how far apart two paired clouds lie in the space they are said to share."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.neighbors import unit
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.alignment import alignment
from isthmus.measures.modality_geometry import modality_geometry
from isthmus.measures.uniformity import uniformity

CARD = Card(
    name="gap_report",
    summary="Gap between two paired clouds of one space: distance, separability, spread.",
    paper=Paper(
        "It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
        "Fahim et al.",
        2024,
    ),
    spaces=0,  # gives several scores at once and fits no map
    cost="n^2 d",
    memory="n d",
    min_rows=2,
)


@dataclass(frozen=True, slots=True)
class GapReport:
    """What ``gap_report`` found.

    Attributes
    ----------
    distance : distance of the centroids on the unit sphere, with what one cloud split in two at
        random would show as its chance level
    separability : share of rows on their own side of a plane fitted without them, 0.5 by chance
    alignment : mean squared distance of partners, 0 at best
    uniformity_a, uniformity_b : spread of either cloud, lower is more even
    """

    distance: Score
    separability: Score
    alignment: Score
    uniformity_a: Score
    uniformity_b: Score

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": "gap", **{name: score.as_dict() for name, score in self._rows()}}

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._rows())
        return "\n".join(f"{name:<{width}}  {score}" for name, score in self._rows())

    def _rows(self) -> list[tuple[str, Score]]:
        names = ("distance", "separability", "alignment", "uniformity_a", "uniformity_b")
        return [(name, getattr(self, name)) for name in names]


@register(CARD)
def gap_report(A: Array, B: Array) -> GapReport:
    r"""Distance, separability, alignment and uniformity of two paired clouds on the unit sphere.

    .. math:: \Delta = \Bigl| \frac1n \sum_i u_i - \frac1n \sum_i v_i \Bigr|,
              \quad u_i = a_i/|a_i|, \; v_i = b_i/|b_i|

    Had both been drawn from one cloud, Δ² would be (tr Σ_u + tr Σ_v)/n on average, Σ the clouds'
    covariances; its root is the chance level. Two clouds whose partners find each other (high
    recall) may still be told apart without an error: that is the gap.

    Parameters
    ----------
    A, B : (n, d) arrays of one kind in one space, partners by row

    Returns
    -------
    GapReport

    Raises
    ------
    InputError
        On unequal shapes, non-finite values, or so few rows that any clouds could be told apart
        (2 n - 2 must exceed the rank).

    References
    ----------
    Fahim et al. 2024; Liang et al. 2022, Mind the Gap, for the distance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 5))
    >>> found = gap_report(x + 3, x - 3)
    >>> bool(found.separability.value > 0.95 and found.distance.value > 5 * found.distance.chance)
    True
    """
    a, b = paired(A, B, operation="gap_report", same_width=True)
    u, v = unit(to_numpy(a)), unit(to_numpy(b))
    n = len(u)
    gap = float(np.linalg.norm(u.mean(axis=0) - v.mean(axis=0)))
    chance = math.sqrt(float(u.var(axis=0, ddof=1).sum() + v.var(axis=0, ddof=1).sum()) / n)
    return GapReport(
        distance=Score(value=gap, method="centroid_distance", n=n, chance=chance),
        separability=modality_geometry(u, v),
        alignment=alignment(a, b),
        uniformity_a=uniformity(a),
        uniformity_b=uniformity(b),
    )
