"""Space: a keyed, lazily read set of vectors with its provenance."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.columns import Column
from isthmus.spaces.ids import duplicates, kind, named

if TYPE_CHECKING:
    from isthmus.spaces.defects import Defects
    from isthmus.spaces.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a space: number of the first, ids (m,) and vectors (m, dim)."""

    start: int
    ids: np.ndarray
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)


class Space:
    """A keyed set of vectors, read when asked and never more than asked.

    Made by ``isthmus.open``. Attributes: ``name``; ``dim``; ``dtype`` of the vectors handed out and
    ``stored`` as the file keeps them (int8 is handed out as float32 times ``scale``); ``metric``
    and ``encoder`` as declared, or None; ``path``; ``id_kind`` (``"range"`` virtual ids 0 .. n-1,
    ``"int"`` or ``"string"``); ``provenance``, free facts from the manifest; ``opened``, arguments
    with which ``isthmus.open`` gives it again in another process, None where it lies in memory.

    >>> import isthmus
    >>> space = isthmus.open(np.eye(3, dtype="float32"), ids=["a", "b", "c"])
    >>> len(space), space.dim, space.take([2]).tolist()
    (3, 3, [[0.0, 0.0, 1.0]])
    """

    def __init__(
        self,
        vectors: Column,
        ids: Column,
        *,
        name: str,
        stored: np.dtype[Any] | None = None,
        metric: str | None = None,
        encoder: str | None = None,
        scale: float | None = None,
        path: Path | None = None,
        provenance: dict[str, Any] | None = None,
        fingerprint: dict[str, Any] | None = None,
    ) -> None:
        self.vector_column, self.id_column = vectors, ids
        self.name, self.metric, self.encoder, self.scale = name, metric, encoder, scale
        self.path, self.provenance = path, dict(provenance or {})
        self.opened: dict[str, Any] | None = None
        self.dim, self.dtype = vectors.shape[1], vectors.dtype
        self.stored = self.dtype if stored is None else stored
        self.id_kind = kind(ids)
        self._declared = fingerprint

    def __len__(self) -> int:
        return self.vector_column.shape[0]

    def __repr__(self) -> str:
        facts = [f"{len(self):,} x {self.dim} {self.stored}", f"{self.id_kind} ids"]
        facts += [f"{k}={v}" for k in ("encoder", "metric") if (v := getattr(self, k)) is not None]
        return f"<Space {self.name!r}: {', '.join(facts)}>"

    @cached_property
    def ids(self) -> np.ndarray:
        """All ids (n,): int64 or text."""
        return self.id_column.read(0, len(self))

    def vectors(self) -> np.ndarray:
        """All vectors (n, dim) in one C-ordered array of ``dtype``."""
        return self.vector_column.read(0, len(self))

    def take(self, rows: Any) -> np.ndarray:
        """The vectors (m, dim) of the rows numbered ``rows`` (m,), in that order.

        Raises InputError naming row numbers outside 0 .. n-1.
        """
        return self.vector_column.take(self._checked(rows))

    def take_ids(self, rows: Any) -> np.ndarray:
        """The ids (m,) of the rows numbered ``rows``, in that order."""
        return self.id_column.take(self._checked(rows))

    def blocks(self, rows: int = 8192, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Consecutive blocks of at most ``rows`` rows from row ``start`` up to ``stop``.

        One block is in memory at a time (Parquet: one row group), in the order of the file.
        """
        stop = len(self) if stop is None else stop
        if rows < 1 or not 0 <= start <= stop <= len(self):
            raise InputError(
                "blocks",
                f"rows={rows}, start={start}, stop={stop}",
                f"rows >= 1 and 0 <= start <= stop <= {len(self)}",
            )
        for first in range(start, stop, rows):
            end = min(first + rows, stop)
            yield Block(first, self.id_column.read(first, end), self.vector_column.read(first, end))

    def check_ids(self) -> None:
        """Raise InputError naming the first duplicates unless every id is unique; streaming."""
        raise_duplicates(self, duplicates(self.id_column))

    def defects(self, limit: int = 5) -> "Defects":
        """What is wrong with the vectors and ids, in one pass; at most ``limit`` ids named each."""
        from isthmus.spaces.defects import find_defects

        return find_defects(self, limit=limit)

    def fingerprint(self) -> "Fingerprint":
        """What this space is recognised by: as its manifest declares, else measured; cached."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> "Fingerprint":
        from isthmus.spaces.fingerprint import Fingerprint

        if self._declared is not None:
            return Fingerprint.from_dict(self._declared)
        return Fingerprint.of_space(self)

    def _checked(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows, dtype=np.int64).reshape(-1)
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self)):
            wrong = rows[(rows < 0) | (rows >= len(self))]
            raise InputError(
                f"take from {self.name!r}",
                f"row {wrong[0]} and {len(wrong) - 1} more out of range",
                f"row numbers from 0 to {len(self) - 1}",
            )
        return rows


def raise_duplicates(space: Space, rows: np.ndarray) -> None:
    """Raise InputError naming the ids of ``rows``, which repeat earlier ones, if there are any."""
    if len(rows):
        raise InputError(
            f"ids of {space.name!r}",
            f"{len(rows):,} rows that repeat an earlier id "
            f"(first: {named(space.take_ids(rows[:6]))})",
            "one row an id",
            "Drop the repeated rows, or pass other ids: isthmus.open(path, ids=...).",
        )
