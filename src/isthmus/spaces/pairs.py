"""Pairs: the rows of two spaces that carry the same id."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, PairingError
from isthmus.spaces.ids import hashed, join, named
from isthmus.spaces.open import open
from isthmus.spaces.space import Space, raise_duplicates


class Pairs:
    """Rows of two spaces with one id each: ``rows_source[i]`` belongs to ``rows_target[i]``.

    Made by ``isthmus.pair``. ``source`` and ``target`` are the spaces; ``rows_source`` and
    ``rows_target`` (n,) row numbers in them, in the order of the source; ``left_over`` how many
    rows of the source and of the target found no partner.
    """

    def __init__(
        self,
        source: Space,
        target: Space,
        rows_source: np.ndarray,
        rows_target: np.ndarray,
        *,
        left_over: tuple[int, int] = (0, 0),
    ) -> None:
        self.source, self.target = source, target
        self.rows_source, self.rows_target = rows_source, rows_target
        self.left_over = left_over

    def __len__(self) -> int:
        return len(self.rows_source)

    def __repr__(self) -> str:
        return (
            f"<Pairs {self.source.name!r} -> {self.target.name!r}: {len(self):,} pairs, "
            f"left over {self.left_over[0]:,} and {self.left_over[1]:,}>"
        )

    @cached_property
    def ids(self) -> np.ndarray:
        """The ids (n,) of the pairs."""
        return self.source.take_ids(self.rows_source)

    @cached_property
    def x(self) -> np.ndarray:
        """The source vectors (n, dx), loaded and kept."""
        return _gather(self.source, self.rows_source)

    @cached_property
    def y(self) -> np.ndarray:
        """The target vectors (n, dy), loaded and kept."""
        return _gather(self.target, self.rows_target)

    def blocks(self, rows: int = 8192) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks ``(x, y)`` of (m, dx) and (m, dy), at most ``rows`` pairs each, in order.

        Streams; only a side that must decode a row group per row (Parquet) and whose rows are out
        of order is loaded whole, once.
        """
        if rows < 1:
            raise InputError("blocks", f"rows={rows}", "rows >= 1")
        x, y = self._sides_stream
        for first in range(0, len(self), rows):
            part = slice(first, first + rows)
            yield (
                _gather(self.source, self.rows_source[part]) if x else self.x[part],
                _gather(self.target, self.rows_target[part]) if y else self.y[part],
            )

    def select(self, which: Any) -> "Pairs":
        """The pairs numbered (or masked by) ``which``, in that order."""
        return Pairs(
            self.source,
            self.target,
            self.rows_source[which],
            self.rows_target[which],
            left_over=self.left_over,
        )

    def split(
        self, test: float = 0.2, *, seed: int = 0, groups: Any = None
    ) -> "tuple[Pairs, Pairs]":
        """Train and test pairs: a pair is test when hash(id, seed) / 2^64 < ``test``.

        The side of an id depends on the id and the seed alone, so it is the same in every subset,
        order and format of the set. ``groups`` (n,), text or integers, are hashed in place of the
        ids where given, which keeps every group whole.

        Raises InputError when ``test`` is not inside (0, 1), groups do not fit, or a side is empty.

        >>> train, test = pair(np.eye(100), np.eye(100)).split(0.3)
        >>> len(train) + len(test)
        100
        """
        if not 0 < test < 1:
            raise InputError("split", f"test={test}", "a share inside (0, 1)")
        keys = self.ids if groups is None else np.asarray(groups)
        if keys.shape != (len(self),):
            raise InputError(
                "split", f"groups of shape {keys.shape} for {len(self)} pairs", "one group a pair"
            )
        chosen = hashed(keys, seed=seed) < np.uint64(test * 2.0**64)
        if chosen.all() or not chosen.any():
            raise InputError(
                "split",
                f"{len(self)} pairs in {len(np.unique(keys[:1000]))} groups, test={test}",
                "enough of them to leave both sides some",
                "Take more pairs, another share, or another seed.",
            )
        return self.select(~chosen), self.select(chosen)

    def finite(self) -> "tuple[Pairs, Pairs]":
        """The pairs whose vectors are finite on both sides, and the rejected others.

        >>> kept, rejected = pair(np.array([[1.0], [np.nan]]), np.ones((2, 1))).finite()
        >>> len(kept), rejected.ids.tolist()
        (1, [1])
        """
        good = self._finite
        return self.select(good), self.select(~good)

    def check_finite(self) -> None:
        """Raise InputError with the count and the first ids unless every pair is finite."""
        bad = np.flatnonzero(~self._finite)
        if len(bad):
            raise InputError(
                f"pairs of {self.source.name!r} and {self.target.name!r}",
                f"NaN or infinity in {len(bad):,} of {len(self):,} "
                f"(first ids: {named(self.ids[bad[:6]])})",
                "finite vectors on both sides",
                "Leave them out: pairs.finite(), or --drop-invalid of fit and translate.",
            )

    @cached_property
    def zero_vectors(self) -> tuple[int, int]:
        """How many source and how many target vectors of the pairs are zero."""
        return self._scan[1]

    @property
    def _finite(self) -> np.ndarray:
        return self._scan[0]

    @cached_property
    def _scan(self) -> tuple[np.ndarray, tuple[int, int]]:
        """Which pairs are finite, (n,), and the number of zero vectors on either side."""
        finite, zeros, start = np.ones(len(self), dtype=bool), [0, 0], 0
        for block in self.blocks():
            for side, vectors in enumerate(block):
                bad, zero = _suspects(vectors)
                finite[start + bad] = False
                zeros[side] += len(zero)
            start += len(block[0])
        return finite, (zeros[0], zeros[1])

    @property
    def streams(self) -> bool:
        """Whether no side must be loaded whole for its rows to be read in this order."""
        return all(self._sides_stream)

    @property
    def _sides_stream(self) -> tuple[bool, bool]:
        x, y = (
            space.vector_column.scattered or bool((np.diff(rows) > 0).all())
            for space, rows in ((self.source, self.rows_source), (self.target, self.rows_target))
        )
        return x, y


def pair(source: Any, target: Any) -> Pairs:
    """The rows of ``source`` and ``target`` (spaces, paths or arrays) that carry the same id.

    Two sets without ids pair by position and must be equally long. Pairs keep the order of the
    source. 64-bit keys of the ids are in memory, never the vectors.

    Raises PairingError when ids are of different kinds or none is common, and InputError naming the
    first ids that occur twice in one set.

    >>> both = pair(open(np.eye(3), ids=["a", "b", "c"]), open(np.eye(2), ids=["c", "a"]))
    >>> both.ids.tolist(), both.rows_target.tolist(), both.left_over
    (['a', 'c'], [1, 0], (1, 0))
    """
    source = source if isinstance(source, Space) else open(source)
    target = target if isinstance(target, Space) else open(target)
    where = f"pair {source.name!r} with {target.name!r}"
    _check_kinds(where, source, target)
    if source.id_kind == target.id_kind == "range":
        rows = np.arange(len(source), dtype=np.int64)
        return Pairs(source, target, rows, rows)
    joined = join(source.id_column, target.id_column)
    raise_duplicates(source, joined.again_source)
    raise_duplicates(target, joined.again_target)
    rows_source, rows_target = joined.rows_source, joined.rows_target
    if not len(rows_source):
        raise PairingError(
            where,
            f"no common id (first ids: {named(_first(source))} against {named(_first(target))})",
            "some ids in both",
            "Check that both sets name their rows alike, or pass ids: isthmus.open(path, ids=...).",
        )
    left_over = (len(source) - len(rows_source), len(target) - len(rows_target))
    return Pairs(source, target, rows_source, rows_target, left_over=left_over)


def _check_kinds(where: str, source: Space, target: Space) -> None:
    kinds = {source.id_kind, target.id_kind}
    if kinds == {"range"} and len(source) != len(target):
        raise PairingError(
            where,
            f"{len(source):,} and {len(target):,} rows without ids",
            "ids, or equally many rows to pair by position",
            "Pass ids for both: isthmus.open(path, ids=...).",
        )
    if "string" in kinds and len(kinds) > 1:
        examples = f"{named(_first(source)[:1])} against {named(_first(target)[:1])}"
        without = [s.name for s in (source, target) if s.id_kind == "range"]
        raise PairingError(
            where,
            f"integer against text ids ({examples})",
            "ids of one kind",
            f"{without[0]!r} has no ids of its own: pass them, isthmus.open(path, ids=...)."
            if without
            else "Make both text: isthmus.open(path, ids=space.ids.astype(str)).",
        )


def _first(space: Space) -> np.ndarray:
    return space.id_column.read(0, min(6, len(space)))


def _suspects(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that are not finite, and of those that are zero."""
    # A row's sum is NaN or infinite if the row is, and 0 if the row is: one product at the speed
    # of memory leaves few rows to look at.
    wide = vectors.astype(np.float32) if vectors.dtype == np.float16 else vectors
    with np.errstate(over="ignore", invalid="ignore"):
        sums = wide @ np.ones(wide.shape[1], dtype=wide.dtype)
    odd = np.flatnonzero(~np.isfinite(sums) | (sums == 0))
    rows = vectors[odd]
    return odd[~np.isfinite(rows).all(axis=1)], odd[~rows.any(axis=1)]


def _gather(space: Space, rows: np.ndarray) -> np.ndarray:
    """The rows; consecutive ones by one range read, which no format does slower."""
    first = int(rows[0]) if len(rows) else 0
    if len(rows) and int(rows[-1]) - first + 1 == len(rows) and bool((np.diff(rows) == 1).all()):
        return space.vector_column.read(first, first + len(rows))
    return space.take(rows)
