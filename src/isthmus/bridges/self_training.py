"""Self-training: matches make a map, the map makes matches, with the spectrum of both spaces.

What ``self_learning`` and ``unpaired`` share. It works on unit rows about the mean, in float32.
"""

from dataclasses import dataclass

import numpy as np

from isthmus.bridges.matching import mutual_matches
from isthmus.core.linalg import symmetric_eigen

#: Exponents of the canonical correlations, from one round to the next: steep at first, when only
#: the directions that agree most can be trusted, and flat at last.
STEEP = 2.0
#: Eigenvalues are whitened with this share of their mean added.
_SHRINK = 1.0
#: Fewer new matches than this share of all mean that a fixed point is reached.
_STILL = 0.01


def about_mean(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (d,) and x - mean as unit rows, float32; rows at the mean stay zero."""
    mean = x.mean(axis=0)
    return mean, unit_rows(x - mean)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows at length one in float32; zero rows stay zero."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))[:, None]
    return np.divide(x, length, out=np.zeros(x.shape), where=length > 0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Side:
    """One space: unit rows (n, d) and the shrunk whitening S^(-1/2) (d, d) of all of them."""

    rows: np.ndarray
    whiten: np.ndarray
    white: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "Side":
        """Rows made ready, about their own mean."""
        rows = rows - rows.mean(axis=0)
        values, vectors = symmetric_eigen((rows.T @ rows / len(rows)).astype(np.float64))
        scale = (values + _SHRINK * values.mean()) if values[0] > 0 else np.ones_like(values)
        whiten = (vectors / np.sqrt(scale)) @ vectors.T
        return cls(rows, whiten.astype(np.float32), rows @ whiten.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Matches:
    """Matched rows i, j with their scores, and how many of them the round before had too."""

    i: np.ndarray
    j: np.ndarray
    score: np.ndarray
    kept: float


def shared(
    x: Side, y: Side, i: np.ndarray, j: np.ndarray, *, steep: float = STEEP, most: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    r"""All rows of both sides in the directions that the pairs i, j share, unit rows, float32.

    C = x̃_iᵀ ỹ_j = U S Vᵀ on whitened rows; x̃ U S^(q/2) and ỹ V S^(q/2), whose inner product is
    x̃ U S^q Vᵀ ỹ: q = 0 is Procrustes on whitened rows, q = 1 the bilinear score of the pairs.
    """
    u, s, vt = np.linalg.svd(x.white[i].T @ y.white[j], full_matrices=False)
    if s[0] == 0:
        return x.white[:, :1] * 0, y.white[:, :1] * 0
    weight = ((s / s[0]) ** (steep / 2))[:most]
    return (
        unit_rows(x.white @ (u[:, :most] * weight)),
        unit_rows(y.white @ (vt[:most].T * weight)),
    )


def self_train(
    x: Side,
    y: Side,
    i: np.ndarray,
    j: np.ndarray,
    *,
    seeds: tuple[np.ndarray, np.ndarray],
    rounds: int,
    steep: float = STEEP,
) -> Matches:
    """Rounds of matching from the start i, j; known pairs ``seeds`` take part in every one.

    Artetxe et al. 2018, with canonical correlations in place of one re-weighting. It stops early
    where the matches hardly change.
    """
    old = np.full(len(x.rows), -1)
    found = Matches(i, j, np.ones(len(i), np.float32), 0.0)
    for _ in range(rounds):
        a, b = shared(x, y, i, j, steep=steep)
        mi, mj, score = mutual_matches(a, b)
        kept = float(np.mean(old[mi] == mj)) if len(mi) else 0.0
        free = ~np.isin(mi, seeds[0]) & ~np.isin(mj, seeds[1])
        found = Matches(mi[free], mj[free], score[free], kept)
        i, j = np.r_[seeds[0], mi[free]], np.r_[seeds[1], mj[free]]
        if kept > 1 - _STILL or not len(i):
            break
        old = np.full(len(x.rows), -1)
        old[mi] = mj
    return found


def refound(x: Side, y: Side, found: Matches, rng: np.random.Generator) -> float:
    """Share of all rows of the smaller side that are matched, and again without having been asked.

    The matches are split at random; the map of either half looks for the pairs of the other, and
    the share of them it finds is multiplied by the share of rows matched at all. Matches of a wrong
    map are made by the map that they made: about half of all rows have one, but few are found by
    the others.
    """
    if len(found.i) < 4:
        return 0.0
    first = rng.permutation(len(found.i)) < len(found.i) // 2
    again = []
    for half in (first, ~first):
        i, j, _ = mutual_matches(*shared(x, y, found.i[half], found.j[half]))
        chosen = np.full(len(x.rows), -1)
        chosen[i] = j
        again.append(float(np.mean(chosen[found.i[~half]] == found.j[~half])))
    matched = len(found.i) / min(len(x.rows), len(y.rows))
    return matched * float(np.mean(again))
