"""What every sampler of anchors that looks at directions begins with: checked unit rows."""

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit


def usable_directions(
    x: Array, count: int, *, operation: str, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (u, d) float64 of x that are no zero vectors, and their row numbers (u,) int64.

    ``among`` (n,) bool restricts the choice further. InputError unless 1 <= count <= u.
    """
    directions = unit(to_numpy(matrix("x", x, operation=operation)))
    usable = directions.any(axis=1)
    kind = "non-zero rows"
    if among is not None:
        usable &= among
        kind = "non-zero rows to choose from"
    rows = np.flatnonzero(usable)
    if not 1 <= count <= len(rows):
        raise InputError(operation, f"count={count}", f"1 <= count <= {len(rows)} {kind}")
    return (directions if len(rows) == len(directions) else directions[rows]), rows
