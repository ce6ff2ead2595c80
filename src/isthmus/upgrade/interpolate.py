"""Spherical interpolation: one query between what two encoders say."""

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit

#: Angles whose sine is smaller than this are as good as none, or as opposite directions.
_FLAT = 1e-6


def slerp(a: np.ndarray, b: np.ndarray, weight: float) -> np.ndarray:
    r"""The direction ``weight`` of the way along the arc from a to b, at the length of a.

    q = |a| (sin((1 - w) ω) a/|a| + sin(w ω) b/|b|) / sin ω, with ω the angle between a and b. Half
    way it is the normalised mean of both directions. The length is a's, so that a Euclidean index
    can compare it with a's documents. Where one row is zero the other's direction is taken;
    between opposite directions there is no one arc, and the nearer end is taken.

    Parameters
    ----------
    a, b : (n, d) arrays
        The queries in one space, row by row the same ones.
    weight : float
        0 gives a, 1 the direction of b.

    Raises
    ------
    InputError
        On different shapes, or a weight outside [0, 1].

    References
    ----------
    Shoemake, *Animating rotation with quaternion curves*, SIGGRAPH 1985, section 3.3.

    Examples
    --------
    >>> slerp(np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(3)
    array([[1.414, 1.414]])
    """
    if a.shape != b.shape or a.ndim != 2 or not 0 <= weight <= 1:
        raise InputError(
            "slerp", f"{a.shape}, {b.shape}, weight={weight}", "equal shapes, weight in [0, 1]"
        )
    one, two = unit(a), unit(b)
    # The half angle from chords keeps its digits where the cosine has lost them.
    angle = 2 * np.arctan2(np.linalg.norm(one - two, axis=1), np.linalg.norm(one + two, axis=1))
    sine = np.sin(angle)
    flat = sine < _FLAT
    safe = np.where(flat, 1.0, sine)
    near = np.float64(weight < 0.5)
    # Along one direction, or across a diameter, the nearer end; a zero row leaves it to the other.
    left = np.where(flat, near, np.sin((1 - weight) * angle) / safe)
    right = np.where(flat, 1 - near, np.sin(weight * angle) / safe)
    lost = ~one.any(axis=1), ~two.any(axis=1)
    left, right = np.where(lost[1], 1.0, left), np.where(lost[0], 1.0, right)
    mixed = unit(left[:, None] * one + right[:, None] * two)
    length = np.linalg.norm(a.astype(np.float64), axis=1)
    result: np.ndarray = mixed * np.where(lost[0], 1.0, length)[:, None]
    return result
