"""A file of vectors read like a store: what a job can carry from, though never into."""

import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.open import open
from isthmus.spaces.stores.store import BATCH, Facts, Rows


class FileSource:
    """The space at ``path`` by ascending ids; its vectors as float32, and no payload."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.space = open(path)
        self.space.check_ids()

    def facts(self) -> Facts:
        """Rows, width and metric as the file declares them."""
        kind = "string" if self.space.id_kind == "string" else "int"
        return Facts(
            rows=len(self.space), dim=self.space.dim, metric=self.space.metric, id_kind=kind
        )

    def ids(self) -> np.ndarray:
        """All ids (n,), ascending."""
        return self.space.ids[self._order]

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, in that order; StorageError naming those that are not there."""
        known = self.ids()
        place = np.searchsorted(known, ids)
        found = known[np.minimum(place, len(known) - 1)] == ids
        if not found.all():
            raise StorageError(
                f"read {self.space.name!r}", f"no vector for {named(ids[~found])}", "ids it holds"
            )
        return Rows(ids, self.space.take(self._order[place]).astype(np.float32))

    def stamp(self) -> str:
        """Sizes and times of its files."""
        files = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        facts = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return f"{zlib.crc32(repr(facts).encode()):08x}"

    def scan(
        self, rows: int = BATCH, *, after: Any = None, payload: bool = False
    ) -> Iterator[Rows]:
        """All rows by ascending id, those beyond ``after`` only; InputError on ``rows`` below 1."""
        if rows < 1:
            raise InputError(f"scan {self.path.name}", f"batches of {rows}", "1 row or more")
        ids = self.ids()
        start = 0 if after is None else int(np.searchsorted(ids, after, side="right"))
        for first in range(start, len(ids), rows):
            some = slice(first, first + rows)
            yield Rows(ids[some], self.space.take(self._order[some]).astype(np.float32))

    def close(self) -> None:
        """Files are opened when read."""

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.space.ids, kind="stable")
