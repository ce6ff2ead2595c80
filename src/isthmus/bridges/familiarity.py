"""How far a source vector lies from what a bridge was fitted on, as a conformal p-value."""

from dataclasses import dataclass

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator

#: Leading directions whose variance is estimated one by one; the others share theirs.
_DIRECTIONS = 64
#: Rows that the distance is fitted on, and rows it is calibrated on, at most.
_FITTED, _CALIBRATED = 4096, 2000
#: Held-out rows below which some of the fitted ones are spared for calibration.
_FEW = 50


@dataclass(frozen=True, slots=True)
class Familiarity:
    r"""A Mahalanobis distance of source vectors, and its values on rows it was not fitted on.

    d²(x) = Σ_k z_k² / λ_k + |x - m - V z|² / σ², with z = Vᵀ (x - m), V the r leading principal
    directions, λ their variances and σ² the mean variance of all others: the log density of
    probabilistic PCA up to constants. The confidence in a vector is the share of calibration rows
    that lie at least as far out, (1 + #{d_i >= d(x)}) / (1 + m). For vectors drawn like those rows
    it is at most α with probability at most α, whatever their distribution.

    Attributes
    ----------
    centre : (dx,) float64
    directions : (dx, r) float64;  deviations : (r + 1,) float64, √λ and σ last
    distances : (m,) float64, ascending, of the calibration rows

    References
    ----------
    Tipping & Bishop 1999, Probabilistic principal component analysis; Vovk et al. 2005,
    Algorithmic learning in a random world, chapter 2 (split conformal p-values).

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(300, 5))
    >>> far = Familiarity.of(rows, rows[:0]).confidence(np.full((1, 5), 9.0))
    >>> bool(far[0] < 0.05)
    True
    """

    centre: np.ndarray
    directions: np.ndarray
    deviations: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, held_out: np.ndarray, *, rng: Seed = 0) -> "Familiarity":
        """Fit on ``rows`` (n, dx) and calibrate on ``held_out`` (m, dx).

        Where fewer than 50 are held out, a fifth of the rows is set aside in their place.
        """
        rows = _some(rows, _FITTED, rng).astype(np.float64)
        if len(held_out) < _FEW:
            order = generator(rng).permutation(len(rows))
            spared = max(len(rows) // 5, 1)
            held_out, rows = rows[order[:spared]], rows[order[spared:]]
        held_out = _some(held_out, _CALIBRATED, rng).astype(np.float64)
        centre = rows.mean(axis=0)
        n, dim = rows.shape
        _, singular, right = np.linalg.svd(rows - centre, full_matrices=False)
        variances = singular**2 / max(n - 1, 1)
        # A direction's variance needs several rows of its own to be more than noise.
        kept = min(_DIRECTIONS, dim, n // 10, int(np.sum(singular > 1e-7 * (singular[:1].sum()))))
        rest = variances[kept:].sum() / max(dim - kept, 1)
        # Where nothing varies, anything that does is far away, by a finite amount.
        floor = 1e-6 * variances.sum() / dim or 1.0
        deviations = np.sqrt(np.append(variances[:kept], max(rest, floor)))
        found = cls(centre, right[:kept].T.copy(), deviations, np.empty(0))
        return cls(centre, found.directions, deviations, np.sort(found.distance(held_out)))

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Mahalanobis distances (n,) of the rows x (n, dx)."""
        gap = np.asarray(x, np.float64) - self.centre
        inner = gap @ self.directions
        outer = np.maximum(np.sum(gap * gap, axis=1) - np.sum(inner * inner, axis=1), 0.0)
        inside = np.sum((inner / self.deviations[:-1]) ** 2, axis=1)
        result: np.ndarray = np.sqrt(inside + outer / self.deviations[-1] ** 2)
        return result

    def confidence(self, x: np.ndarray) -> np.ndarray:
        """Conformal p-values (n,) of the rows x (n, dx), in (0, 1]; small is far out."""
        if x.ndim != 2 or x.shape[1] != len(self.centre):
            raise InputError("confidence", f"x {x.shape}", f"(rows, {len(self.centre)})")
        further = len(self.distances) - np.searchsorted(self.distances, self.distance(x))
        result: np.ndarray = (1 + further) / (1 + len(self.distances))
        return result

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name, for a bridge file."""
        return {
            "centre": self.centre, "directions": self.directions, "deviations": self.deviations,
            "distances": self.distances,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], dim: int) -> "Familiarity":
        """What ``arrays`` gave, checked; raises ValueError where shapes do not fit."""
        found = cls(**arrays)
        kept = len(found.deviations) - 1
        sound = (
            found.centre.shape == (dim,)
            and found.directions.shape == (dim, kept)
            and found.deviations.min(initial=1.0) > 0
            and found.distances.ndim == 1
            and bool((np.diff(found.distances) >= 0).all())
        )
        if not sound:
            raise ValueError("familiarity arrays of impossible shapes")
        return found


def _some(rows: np.ndarray, count: int, rng: Seed) -> np.ndarray:
    if len(rows) <= count:
        return rows
    return rows[np.sort(generator(rng).choice(len(rows), size=count, replace=False))]
