"""How far a source vector lies from what a bridge was fitted on, as a conformal p-value."""

from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import row_blocks
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.space import Space

#: Confidence below which a translation is doubtful.
DOUBTFUL = 0.05
#: Rows of a whole space that are asked: enough to tell 5 % from 10 %, at next to no cost.
_ASKED = 500
#: Fitted rows kept for reference, and rows that distances are calibrated on, at most.
_KEPT, _CALIBRATED = 2000, 2000
#: Nearest reference rows whose mean distance counts.
_NEAREST = 5
#: Held-out rows below which some of the fitted ones are spared for calibration.
_FEW = 50
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Familiarity:
    r"""Rows that a bridge was fitted on, and how far from them rows of the same space lie.

    d(x) is the mean Euclidean distance from x to its 5 nearest of up to 2,000 fitted rows. The
    confidence in a vector is the share of calibration rows that lie at least as far out,
    (1 + #{d_i >= d(x)}) / (1 + m). For vectors drawn like those rows it is at most α with
    probability at most α, whatever their distribution. Neighbours and not a Mahalanobis distance:
    vectors of another space with a like spectrum look typical to the latter, and lie between the
    clusters of this one.

    Attributes
    ----------
    rows : (r, dx) float32, fitted source rows
    distances : (m,) float64, ascending, of the calibration rows

    References
    ----------
    Sun et al. 2022, Out-of-distribution detection with deep nearest neighbors; Vovk et al. 2005,
    Algorithmic learning in a random world, chapter 2 (split conformal p-values).

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(300, 5))
    >>> far = Familiarity.of(rows, rows[:0]).confidence(np.full((1, 5), 9.0))
    >>> bool(far[0] < 0.05)
    True
    """

    rows: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, held_out: np.ndarray, *, rng: Seed = 0) -> "Familiarity":
        """Keep some of ``rows`` (n, dx) and calibrate on ``held_out`` (m, dx).

        Where fewer than 50 are held out, a fifth of the rows is set aside in their place.
        """
        order = generator(rng).permutation(len(rows))
        if len(held_out) < _FEW and len(rows) > 1:
            spared = max(len(rows) // 5, 1)
            held_out, order = rows[order[:spared]], order[spared:]
        kept = rows[np.sort(order[:_KEPT])].astype(np.float32)
        held_out = held_out[generator(rng).permutation(len(held_out))[:_CALIBRATED]]
        return cls(kept, np.sort(cls(kept, np.empty(0)).distance(held_out)))

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Mean distances (n,) of the rows x (n, dx) to their nearest reference rows."""
        count = min(_NEAREST, len(self.rows))
        # A common shift, so that a mean far from zero costs no digits.
        centre = self.rows.mean(axis=0, dtype=np.float64)
        known = self.rows - centre
        lengths = np.sum(known * known, axis=1)
        result = np.empty(len(x))
        for block in row_blocks(len(x), _BLOCK):
            new = np.asarray(x[block], np.float64) - centre
            squares = lengths - 2 * new @ known.T
            nearest = np.partition(squares, count - 1, axis=1)[:, :count]
            nearest += np.sum(new * new, axis=1)[:, None]
            result[block] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
        return result

    def confidence(self, x: np.ndarray) -> np.ndarray:
        """Conformal p-values (n,) of the rows x (n, dx), in (0, 1]; small is far out."""
        if x.ndim != 2 or x.shape[1] != self.rows.shape[1]:
            raise InputError("confidence", f"x {x.shape}", f"(rows, {self.rows.shape[1]})")
        further = len(self.distances) - np.searchsorted(self.distances, self.distance(x))
        result: np.ndarray = (1 + further) / (1 + len(self.distances))
        return result

    def doubtful(self, space: Space) -> tuple[int, int]:
        """How many rows of ``space`` have a confidence below ``DOUBTFUL``, of how many asked.

        500 spread evenly or, where reading such costs as much as reading all (Parquet), the last.
        """
        rows = spread_rows(len(space), _ASKED)
        if not space.vector_column.scattered:
            rows = np.arange(len(space))[-_ASKED:]
        x = space.take(rows)
        x = x[np.isfinite(x).all(axis=1)]
        return int((self.confidence(x) < DOUBTFUL).sum()), len(x)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name, for a bridge file."""
        return {"rows": self.rows, "distances": self.distances}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], dim: int) -> "Familiarity":
        """What ``arrays`` gave, checked; raises ValueError where shapes do not fit."""
        found = cls(**arrays)
        sound = (
            found.rows.ndim == 2
            and found.rows.shape[1] == dim
            and len(found.rows) > 0
            and found.distances.ndim == 1
            and bool((np.diff(found.distances) >= 0).all())
        )
        if not sound:
            raise ValueError("familiarity arrays of impossible shapes")
        return found
