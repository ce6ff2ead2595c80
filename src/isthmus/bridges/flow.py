"""Transport by a learned velocity: what the bridges that integrate one share."""

from collections.abc import Callable
from typing import Any

from isthmus.core.arrays import Array, namespace

#: From positions (n, d) and a time in [0, 1] to velocities (n, d).
Velocity = Callable[[Array, float], Array]


def transport(
    velocity: Velocity, x: Array, steps: int, *, order: int = 2, path: list[Array] | None = None
) -> Array:
    """Positions at time 1 of rows that start at x (n, d) at time 0: Euler or midpoint steps.

    Positions after every step are added to ``path``.
    """
    dt = 1.0 / steps
    for step in range(steps):
        t = step * dt
        slope = velocity(x, t)
        if order == 2:
            slope = velocity(x + slope * (dt / 2), t + dt / 2)
        x = x + slope * dt
        if path is not None:
            path.append(x)
    return x


def with_time(x: Array, *columns: Any) -> Array:
    """Rows of x (n, d) with a column for every number and the columns of every further array."""
    xp = namespace(x)
    parts = [x]
    for column in columns:
        if hasattr(column, "shape"):
            parts.append(column)
        else:
            parts.append(xp.full_like(x[:, :1], float(column)))
    return xp.concat(parts, axis=1)
