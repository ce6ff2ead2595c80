"""Principal coordinates: a space as its rotations, shifts and scales leave it."""

from dataclasses import dataclass

import numpy as np

from isthmus.core.linalg import symmetric_eigen

#: Directions with less than this share of the largest variance are rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Coordinates:
    """z = (x - mean) V / s: principal axes V by falling variance, scaled to mean variance one.

    Each axis points where the third moment of its coordinate is positive, so a rotated, shifted or
    rescaled copy of a space has the same coordinates, as long as variances differ.

    Attributes
    ----------
    mean : (d,);  axes : (d, k), orthonormal columns;  scale : s > 0

    Examples
    --------
    >>> x = np.random.default_rng(0).gamma(1.0, size=(200, 3)) * [3, 2, 1]
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> moved = x @ turn * 5 + 1
    >>> bool(np.allclose(Coordinates.of(x).of_rows(x), Coordinates.of(moved).of_rows(moved)))
    True
    """

    mean: np.ndarray
    axes: np.ndarray
    scale: float

    @classmethod
    def of(cls, rows: np.ndarray, most: int | None = None) -> "Coordinates":
        """The coordinates of ``rows`` (n, d) in float64, at most ``most`` of them, at least one."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        variances, axes = symmetric_eigen(centred.T @ centred / len(rows))
        kept = max(int(np.sum(variances > _NOTHING * variances[0])), 1)
        kept = kept if most is None else min(kept, most)
        axes = axes[:, :kept]
        skew = np.sum((centred @ axes) ** 3, axis=0)
        scale = float(np.sqrt(variances[:kept].mean()))
        return cls(mean, axes * np.where(skew < 0, -1.0, 1.0), scale if scale > 0 else 1.0)

    def of_rows(self, x: np.ndarray) -> np.ndarray:
        """Coordinates (n, k) of the rows x (n, d)."""
        result: np.ndarray = (x - self.mean) @ (self.axes / self.scale)
        return result

    def rows_of(self, z: np.ndarray) -> np.ndarray:
        """The rows (n, d) at coordinates z (n, k)."""
        result: np.ndarray = z @ (self.axes.T * self.scale) + self.mean
        return result
