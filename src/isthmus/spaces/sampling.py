"""Taking rows of an array of any kind before the rest of it is touched."""

from typing import Any

import numpy as np

from isthmus.core import arrays
from isthmus.core.arrays import matrix, namespace, to_numpy
from isthmus.core.errors import InputError


def with_rows(vectors: Any, *, operation: str) -> tuple[Any, int]:
    """``vectors`` as an array of some kind and how many rows it has, 0 when it is no matrix."""
    try:
        namespace(vectors)
    except InputError:  # no array yet: lists, data frames
        vectors = matrix("vectors", vectors, operation=operation, finite=False)
    return vectors, int(vectors.shape[0]) if len(vectors.shape) == 2 else 0


def take(vectors: Any, rows: np.ndarray, *, operation: str) -> np.ndarray:
    """The ``rows`` of ``vectors`` (n, d) as a finite float64 NumPy matrix."""
    if len(vectors.shape) == 2 and len(rows) < vectors.shape[0]:
        vectors = arrays.take(vectors, rows)
    x = matrix("vectors", vectors, operation=operation)
    return np.asarray(to_numpy(x), dtype=np.float64)


def spread_rows(n: int, limit: int) -> np.ndarray:
    """At most ``limit`` of ``n`` row numbers, evenly spread."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, limit)).astype(np.int64))


def random_rows(n: int, limit: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``limit`` of ``n`` row numbers, chosen at random, rising."""
    return np.arange(n) if n <= limit else np.sort(rng.choice(n, size=limit, replace=False))
