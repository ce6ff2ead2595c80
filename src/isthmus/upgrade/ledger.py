"""Ledger: what the journal says was carried across, and how a later pass knows what changed.

A pass reads the source once, in ranges of ascending ids, and notes of each range its last id and a
sum over ids, vectors and payload. A later pass cuts at the same ids, so a range with the same sum
needs no work, and any bit that changed in it shows.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.stores.store import Rows, exact
from isthmus.upgrade import job_journal

Key = int | str
#: A range that grew to this many batches since the earlier pass is cut in pieces.
_GROWN = 4
#: Steps that change what serves; each is noted before it begins and when it is done.
ACTS = ("cutover", "rollback", "drop")


@dataclass(frozen=True, slots=True)
class Range:
    """Rows up to the id ``last``: how many, their sum, and the ids left out as not finite."""

    last: Key
    rows: int
    sum: str
    written: int
    rejected: tuple[Key, ...] = ()


@dataclass(slots=True)
class Ledger:
    """The state of a job as its journal tells it.

    ``number`` and ``stamp`` are those of the newest pass, ``open`` whether it goes on; ``known``
    are the ranges of the pass before, ``ranges`` those of this one with ``rows`` rows. ``since``
    are ids written while the new vectors served, which the shadow alone has. ``begun`` is
    the act that was begun and not finished, ``act`` the last one finished, ``final`` that the old
    vectors are gone.
    """

    number: int = 0
    stamp: str = ""
    open: bool = False
    known: dict[Key, Range] = field(default_factory=dict)
    ranges: dict[Key, Range] = field(default_factory=dict)
    rows: int = 0
    removed: int = 0
    created: bool = False
    indexed: bool = False
    verified: dict[str, Any] | None = None
    since: list[Key] = field(default_factory=list)
    begun: str = ""
    act: str = ""
    final: bool = False

    @classmethod
    def of(cls, steps: Iterable[dict[str, Any]]) -> Self:
        """The state after ``steps``; raises FormatError on a step that isthmus does not write."""
        found = cls()
        for number, step in enumerate(steps, 1):
            try:
                found.take(step)
            except (KeyError, TypeError, ValueError) as error:
                name = step["step"]
                raise FormatError(
                    f"read {job_journal.NAME}", f"a wrong {name!r:.40} in line {number}",
                    "a step as isthmus writes it",
                    "It was written by another version of isthmus, or by hand: remove the file and "
                    "run the job again.",
                ) from error  # fmt: skip
        return found

    def take(self, step: dict[str, Any]) -> None:
        """Add one step."""
        name = step["step"]
        if name == "pass":
            self.known, self.ranges, self.rows = self.ranges, {}, 0
            # Whatever changed, rows without a vector among it, the store's finish has to see.
            self.indexed &= self.verified is not None and self.verified["stamp"] == step["stamp"]
            self.number, self.stamp, self.open = step["number"], step["stamp"], True
            self.act, self.removed, self.verified = "", 0, None
        elif name == "range":
            one = Range(
                step["last"], step["rows"], step["sum"], step["written"], tuple(step["rejected"])
            )
            self.ranges[one.last] = one
            self.rows += one.rows
        elif name == "passed":
            self.open, self.removed = False, step["removed"]
        elif name == "created":
            self.created = True
        elif name == "index":
            self.indexed = True
        elif name == "verified":
            self.verified, self.since = step, []
        elif name == "lost":
            self.forget()
        elif name in ACTS:
            self._act(name, begun=not step["done"], live=step["live"])
            if name == "rollback" and step["done"]:
                self.since = step.get("since", [])
        elif name == "undone":
            self.begun = ""
        elif name != "paused":
            raise ValueError(name)

    def forget(self) -> None:
        """Start anew: what had been carried is not there any more."""
        self.known, self.ranges, self.rows = {}, {}, 0
        self.open, self.indexed, self.verified, self.since = False, False, None, []

    def _act(self, name: str, *, begun: bool, live: bool) -> None:
        self.begun = name if begun else ""
        if begun:
            return
        self.act = name
        if name == "drop":
            self.final = live
            self.forget()
        elif name == "rollback":
            self.verified = None

    @property
    def after(self) -> Key | None:
        """The id behind which the pass goes on."""
        return next(reversed(self.ranges)) if self.open and self.ranges else None

    @property
    def rejected(self) -> list[Key]:
        """Ids left out because their vectors are not finite."""
        return [key for one in self.ranges.values() for key in one.rejected]


def digest(rows: Rows) -> str:
    """A sum over ids, vectors and payload in which any changed bit shows (BLAKE2b, 64 bits)."""
    found = hashlib.blake2b(np.ascontiguousarray(rows.vectors).tobytes(), digest_size=8)
    found.update(json.dumps(rows.ids.tolist()).encode())
    if rows.payload is not None:
        found.update(
            json.dumps(list(map(dict, rows.payload)), sort_keys=True, default=exact).encode()
        )
    return found.hexdigest()


def pieces(batches: Iterable[Rows], bounds: Sequence[Key], rows: int) -> Iterator[tuple[Rows, Key]]:
    """The rows of ``batches`` cut behind the ids ``bounds``, each piece with the last id it covers.

    Beyond the last bound, and before the first one where there is none, pieces have ``rows`` rows.

    >>> ids = np.arange(1, 10)
    >>> batch = Rows(ids, ids[:, None].astype(np.float32))
    >>> [(piece.ids.tolist(), last) for piece, last in pieces([batch], [3, 5], 3)]
    [([1, 2, 3], 3), ([4, 5], 5), ([6, 7, 8], 8), ([9], 9)]
    """
    marks = np.array(bounds)
    held: Rows | None = None
    for batch in batches:
        held = batch if held is None or not len(held) else joined(held, batch)
        while len(held):
            bound = _next(marks, held.ids[0])
            end = rows if bound is None else int(np.searchsorted(held.ids, bound, side="right"))
            if bound is None and len(held) < rows:
                break
            if bound is not None and end == len(held) and held.ids[-1] != bound:
                if len(held) < _GROWN * rows:
                    break
                bound = None  # far more rows than there were: not all need be held at once
            piece = part(held, slice(0, end))
            yield piece, _key(piece.ids[-1] if bound is None else bound)
            held = part(held, slice(end, None))
    if held is not None and len(held):
        bound = _next(marks, held.ids[0])
        yield held, _key(held.ids[-1] if bound is None else bound)


def joined(first: Rows, second: Rows) -> Rows:
    """Both, one after the other."""
    payload = None
    if first.payload is not None and second.payload is not None:
        payload = [*first.payload, *second.payload]
    return Rows(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.vectors, second.vectors]),
        payload,
    )


def part(rows: Rows, which: Any) -> Rows:
    """Some of the rows: a slice, a mask or numbers."""
    payload = rows.payload
    if payload is not None:
        payload = [payload[number] for number in np.arange(len(rows))[which]]
    return replace(rows, ids=rows.ids[which], vectors=rows.vectors[which], payload=payload)


def _next(marks: np.ndarray, key: Any) -> Any:
    """The first of the ascending ``marks`` that is not before ``key``."""
    place = int(np.searchsorted(marks, key)) if len(marks) else 0
    return marks[place] if place < len(marks) else None


def _key(value: Any) -> Key:
    return value.item() if hasattr(value, "item") else value
