"""What a strategy costs: once, per query, and what it needs to be there."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_TIMED, _BATCH, _FLOAT = 20, 64, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Counted for the whole old collection, whatever sample of it was measured.

    ``embed`` documents to embed anew before serving; ``bytes`` of vectors to write; ``rebuild``
    whether the index is built anew; ``embed_per_query`` documents to embed while answering, those
    that earlier queries of the log asked for not counted again, and ``partly`` whether candidates
    were looked for in a part of the collection only, which makes it too small; ``searches`` per
    query; ``seconds`` added to a query's time over the status quo, measured on this machine: map
    and interpolation, further exact searches of the sample, scoring candidates in both spaces,
    calibrating and sorting, but no encoder, and the first search counts as the status quo's even
    where it is of another width; ``needs`` what must be there for it.
    """

    embed: int = 0
    bytes: int = 0
    rebuild: bool = False
    embed_per_query: float = 0.0
    partly: bool = False
    searches: int = 1
    seconds: float = 0.0
    needs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def vector_bytes(rows: int, dim: int) -> int:
    """Bytes of ``rows`` float32 vectors of ``dim`` numbers."""
    return rows * dim * _FLOAT


def seconds_each(call: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    """Median seconds of ``call`` on one row (1, d) at a time, over up to 20 of ``rows`` (n, d)."""
    call(rows[:1])  # what is loaded or compiled on first use is no cost of a query
    taken = []
    for i in range(min(_TIMED, len(rows))):
        start = time.perf_counter()
        call(rows[i : i + 1])
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def seconds_in_batch(call: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    """Seconds a row of ``call`` on up to 64 of ``rows`` (n, ...) at once, the best of three."""
    batch, taken = rows[:_BATCH], []
    for _ in range(3):
        start = time.perf_counter()
        call(batch)
        taken.append(time.perf_counter() - start)
    return min(taken) / len(batch)


def new_per_query(candidates: np.ndarray) -> float:
    """Documents to embed per query of a log, each once: distinct entries of (q, n) over q.

    >>> new_per_query(np.array([[1, 2], [2, 3]]))
    1.5
    """
    return len(np.unique(candidates)) / len(candidates)
