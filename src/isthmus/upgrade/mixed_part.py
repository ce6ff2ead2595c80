"""Part: the rows of a collection that are in one space, which come and go."""

from typing import Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.ids import named


class Part:
    """Vectors (n, d) under ids (n,) in one block; adding and removing m rows costs m rows.

    The last row takes the place of a removed one, so rows are in no particular order. It is empty
    and of no width until rows are added.

    >>> part = Part()
    >>> part.add(np.array(["a", "b", "c"]), np.eye(3))
    >>> part.remove(["a"]).tolist(), part.ids.tolist(), "a" in part
    ([[1.0, 0.0, 0.0]], ['c', 'b'], False)
    """

    def __init__(self) -> None:
        self._ids, self._vectors = np.empty(0, np.int64), np.empty((0, 0), np.float32)
        self._slots: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: Any) -> bool:
        return key in self._slots

    @property
    def ids(self) -> np.ndarray:
        """The ids (n,), a view that the next change outdates."""
        return self._ids[: len(self)]

    @property
    def vectors(self) -> np.ndarray:
        """The vectors (n, d), a view that the next change outdates."""
        return self._vectors[: len(self)]

    def check(self, vectors: np.ndarray) -> None:
        """Raise InputError unless ``vectors`` (m, d) are as wide as what is here."""
        if len(self) and vectors.shape[1] != self._vectors.shape[1]:
            raise InputError(
                "MixedSearch", f"vectors of {vectors.shape[1]} dimensions",
                f"{self._vectors.shape[1]}, as the rows already there",
            )  # fmt: skip

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add the rows of ``vectors`` (m, d) under ``ids`` (m,); InputError when one is known."""
        self.check(vectors)
        start, keys = len(self), ids.tolist()
        if len(set(keys)) < len(keys) or not self._slots.keys().isdisjoint(keys):
            raise InputError("MixedSearch", "an id twice", "one row an id")
        end = start + len(keys)
        kind = np.result_type(self._ids, ids) if start else ids.dtype
        real = np.result_type(self._vectors, vectors) if start else vectors.dtype
        # What an emptied part once held says nothing of the width or kind of what comes.
        if not start or end > len(self._vectors) or real != self._vectors.dtype:
            # Room for half as much again, so that a migration copies every row a few times only.
            room = end + end // 2 if start else end
            self._vectors = _grown(self.vectors, (room, vectors.shape[1]), real)
            self._ids = _grown(self.ids, (room,), kind)
        elif kind != self._ids.dtype:  # a longer text than any before
            self._ids = self._ids.astype(kind)
        self._vectors[start:end], self._ids[start:end] = vectors, ids
        self._slots |= {key: start + at for at, key in enumerate(keys)}

    def remove(self, ids: Any) -> np.ndarray:
        """Take away the rows under ``ids`` (m,); gives their vectors (m, d).

        InputError, and nothing is taken, when one is not here or is named twice.
        """
        keys = np.asarray(ids).tolist()
        strange = [key for key in keys if key not in self._slots]
        if strange or len(set(keys)) < len(keys):
            came = f"ids that are not there ({named(strange)})" if strange else "an id twice"
            raise InputError("MixedSearch", came, "ids of its rows, each once")
        gone = np.empty((len(keys), self._vectors.shape[1]), self._vectors.dtype)
        for at, key in enumerate(keys):
            last = len(self) - 1
            slot = self._slots.pop(key)
            gone[at] = self._vectors[slot]
            if slot != last:
                self._vectors[slot], self._ids[slot] = self._vectors[last], self._ids[last]
                self._slots[self._ids[slot].item()] = slot
        return gone


def _grown(array: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    grown = np.empty(shape, dtype)
    if len(array):
        grown[: len(array)] = array
    return grown
