"""A store as columns, so that ``isthmus.open(address)`` gives a Space like any other."""

from typing import Any

import numpy as np

from isthmus.core.errors import StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.formats.contents import Contents
from isthmus.spaces.stores import connect
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.store import BATCH, Store


class StoreColumn:
    """The vectors of a store, in ascending order of its ids, fetched a batch at a time."""

    dtype = np.dtype(np.float32)
    scattered = True

    def __init__(self, store: Store, ids: np.ndarray, dim: int) -> None:
        self.store, self.ids = store, ids
        self.shape: tuple[int, ...] = (len(ids), dim)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1."""
        return self._fetched(self.ids[start:stop])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, in that order; one asked for twice is fetched once."""
        once, back = np.unique(rows, return_inverse=True)
        return self._fetched(self.ids[once])[back]

    def stamp(self) -> str:
        """What changes whenever a row of the store does."""
        return self.store.stamp()

    def _fetched(self, ids: np.ndarray) -> np.ndarray:
        out = np.empty((len(ids), self.shape[1]), dtype=np.float32)
        for start in range(0, len(ids), BATCH):
            got = self.store.fetch(ids[start : start + BATCH]).vectors
            if got.shape[1] != self.shape[1]:
                raise StorageError(
                    f"read {self.store.address.redacted}", f"vectors of {got.shape[1]} dimensions",
                    f"{self.shape[1]}, as when it was opened",
                    "The collection was replaced meanwhile: run the command again.",
                )  # fmt: skip
            out[start : start + BATCH] = got
        return out


def read(address: Address) -> Contents:
    """What the collection at ``address`` holds: ids now, vectors when asked for."""
    store = connect(address)
    try:
        return contents(store)
    except BaseException:  # nobody else holds it
        store.close()
        raise


def contents(store: Store) -> Contents:
    """What ``store`` holds, through its open handle."""
    facts, ids = store.facts(), store.ids()
    provenance = {"store": store.address.redacted}
    if facts.index is not None:
        provenance["index"] = facts.index
    declared: dict[str, Any] = {"provenance": provenance}
    if facts.metric is not None:
        declared["metric"] = facts.metric
    return Contents(StoreColumn(store, ids, facts.dim), ArrayColumn(ids), declared)
