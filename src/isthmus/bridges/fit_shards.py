"""Moments of pairs, by map and tree-reduce: each part on its own, then merged two by two.

Merging is exact and associative (see ``core.moments``), so the sum equals one pass up to rounding.
The parts and the order of merging depend on the number of pairs alone: every engine gives the
same bytes, with any number of workers.
"""

import contextlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from isthmus.core.engine import Engine
from isthmus.core.moments import Keeps, Moments
from isthmus.spaces.open import open, opening
from isthmus.spaces.pairs import Pairs
from isthmus.spaces.space import Space

#: Pairs of one part: seconds of work, and moments a hundredth the size of the rows they sum up.
_PART = 1 << 18


def shard_moments(pairs: Pairs, *, keeps: Keeps, engine: Engine | None = None) -> Moments:
    """The moments of all pairs, summed over parts that ``engine`` works on.

    In one pass here when ``engine`` is None, or when a side must be loaded whole to be read at all
    (Parquet in another order than its partner).

    Raises
    ------
    InputError
        On rows that are not finite; and when the engine's workers are other processes and a side
        lies in the memory of this one.

    >>> import numpy as np
    >>> from isthmus.core.engine import Threads
    >>> from isthmus.spaces.pairs import pair
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> parts = shard_moments(pair(x, 2 * x), keeps="all", engine=Threads())
    >>> bool(np.allclose(parts.scatter_xy, 2 * parts.scatter_xx))
    True
    """
    if engine is None or not pairs.streams:
        return Moments.from_blocks(pairs.blocks(), keeps=keeps)
    source: Any = pairs.source
    target: Any = pairs.target
    if engine.separate:
        call = secrets.token_hex(8)
        source, target = (_Reference.of(end, call, engine) for end in (source, target))
    spans = (slice(start, start + _PART) for start in range(0, len(pairs), _PART))
    parts = (
        _Part(source, target, pairs.rows_source[span], pairs.rows_target[span], keeps)
        for span in spans
    )
    with contextlib.closing(engine.map(_part_moments, parts)) as moments:
        return tree_sum(moments)


def tree_sum(parts: Iterable[Moments]) -> Moments:
    """Σ of ``parts``, merged two by two as they come; log₂ of their number are held at a time."""
    held: list[tuple[int, Moments]] = []
    for part in parts:
        size = 1
        while held and held[-1][0] == size:
            size, part = 2 * size, held.pop()[1].merge(part)
        held.append((size, part))
    total = Moments() if not held else held.pop()[1]
    while held:
        total = held.pop()[1].merge(total)
    return total


@dataclass(frozen=True, slots=True)
class _Reference:
    """How a worker opens a space: once a ``call``, for files may change between two."""

    call: str
    arguments: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, space: Space, call: str, engine: Engine) -> "_Reference":
        return cls(call, tuple(opening(space, operation=f"fit on {engine}").items()))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the pairs: both spaces, or how to open them, and the rows (m,) of either."""

    source: Space | _Reference
    target: Space | _Reference
    rows_source: np.ndarray
    rows_target: np.ndarray
    keeps: Keeps


def _part_moments(part: _Part) -> Moments:
    source, target = (
        end if isinstance(end, Space) else _reopened(end) for end in (part.source, part.target)
    )
    pairs = Pairs(source, target, part.rows_source, part.rows_target)
    return Moments.from_blocks(pairs.blocks(), keeps=part.keeps)


@lru_cache(maxsize=2)
def _reopened(reference: _Reference) -> Space:
    return open(**dict(reference.arguments))
