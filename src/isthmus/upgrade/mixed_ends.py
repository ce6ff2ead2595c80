"""Ends of a migration: what its two spaces are recognised by, and the bridge between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, to_numpy
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.core.neighbors import unit
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.pairs import Pairs
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.space import Space

#: Rows of a space that are held against a fingerprint.
_SAMPLE = 2000
_BLOCK = 8192
_WHERE = "MixedSearch"


@dataclass(frozen=True, slots=True)
class Ends:
    """The old and the new space of a migration.

    ``old`` and ``new`` are their fingerprints, or None where neither a bridge nor a row tells;
    ``bridge`` leads from old to new when ``forward``, else from new to old; or there is none.
    """

    old: Fingerprint | None
    new: Fingerprint | None
    bridge: Any
    forward: bool

    @classmethod
    def of(
        cls, bridge: Any, old: Space | None, new: Space | None, pairs: Pairs | None = None
    ) -> "Ends":
        """The ends as ``bridge`` knows them, else as measured; ``pairs`` of old and new rows.

        A bridge leads the way in which both its fingerprints recognise the rows; where either way
        does, the one whose translations lie closer to their pairs.

        Raises
        ------
        SpaceMismatch
            When the bridge or the pairs are of other spaces.
        InputError
            When nothing tells which way the bridge leads.
        """
        if bridge is None:
            prints = [None if s is None else s.fingerprint() for s in (old, new)]
            ends = cls(prints[0], prints[1], None, forward=False)
            for wrong in ends._strangers(old, new, pairs):
                raise SpaceMismatch(_WHERE, wrong, "pairs of the old and the new space, in order")
            return ends
        ways = [
            cls(bridge.source, bridge.target, bridge, True),
            cls(bridge.target, bridge.source, bridge, False),
        ]
        wrong = [list(way._strangers(old, new, pairs)) for way in ways]
        fitting = [way for way, why in zip(ways, wrong, strict=True) if not why]
        if not fitting:
            raise SpaceMismatch(
                _WHERE, f"a bridge of other spaces (old to new: {wrong[0][0]}; new to old: "
                f"{wrong[1][0]})", "a bridge between the spaces of the old and the new part",
                "Fit one on rows embedded twice: isthmus.fit(new, old).",
            )  # fmt: skip
        if len(fitting) == 2:
            if pairs is None or not len(pairs):
                raise InputError(
                    _WHERE, "a bridge that may lead either way", "a hint which is the old space",
                    "Pass reference=isthmus.pair(old, new) of some rows embedded twice.",
                )  # fmt: skip
            few = pairs.select(slice(0, _SAMPLE))
            ahead, back = _closeness(bridge, few.x, few.y), _closeness(bridge, few.y, few.x)
            fitting = ways[:1] if ahead >= back else ways[1:]
        return fitting[0]

    def check(self, rows: np.ndarray, *, new: bool, what: str) -> None:
        """Raise SpaceMismatch unless ``rows`` (n, d) may be of the old, or of the new, space."""
        known, other = (self.new, self.old) if new else (self.old, self.new)
        if known is None:
            return
        match = known.matches(rows)
        if match.ok:
            return
        found = None if other is None else other.matches(rows)
        swapped = found is not None and found.ok and found.decided
        here, there = ("new", "old") if new else ("old", "new")
        raise SpaceMismatch(
            _WHERE, f"{what}: {match.reason}", f"vectors of the {here} space",
            f"They look like the {there} space's." if swapped else "",
        )  # fmt: skip

    def _strangers(self, old: Space | None, new: Space | None, pairs: Pairs | None) -> Any:
        """What speaks against these being the ends, one reason each."""
        sides = [("old part", self.old, old), ("new part", self.new, new)]
        if pairs is not None and len(pairs):
            sides += [("reference's old rows", self.old, pairs.source)]
            sides += [("reference's new rows", self.new, pairs.target)]
        for what, known, space in sides:
            if known is None or space is None:
                continue
            if None not in (known.encoder, space.encoder) and known.encoder != space.encoder:
                yield f"the {what} is of encoder {space.encoder!r}, not {known.encoder!r}"
            elif known.dim != space.dim:
                yield f"the {what} has {space.dim} dimensions, not {known.dim}"
            elif not (match := known.matches(_sample(space))):
                yield f"the {what}: {match.reason}"


def in_new_space(space: Space, reference: Pairs) -> np.ndarray:
    """Which rows of ``space`` are nearer, by cosine, to new than to old reference vectors, (n,)."""
    some = reference.select(spread_rows(len(reference), _SAMPLE))
    if not some.x.shape[1] == some.y.shape[1] == space.dim:
        raise InputError(
            _WHERE, f"a reference of {some.x.shape[1]} and {some.y.shape[1]} dimensions",
            f"{space.dim} in either space, as the mixed rows have",
        )  # fmt: skip
    sides = [unit(matrix("reference", side, operation=_WHERE)) for side in (some.x, some.y)]
    told = []
    for block in space.blocks(_BLOCK):
        rows = unit(matrix("the mixed rows", block.vectors, operation=_WHERE))
        told.append((rows @ sides[1].T).max(axis=1) > (rows @ sides[0].T).max(axis=1))
    return np.concatenate(told)


def _sample(space: Space) -> np.ndarray:
    return space.take(spread_rows(len(space), _SAMPLE))


def _closeness(bridge: Any, start: np.ndarray, end: np.ndarray) -> float:
    moved = np.asarray(to_numpy(bridge.transform(start)))
    return float((unit(moved) * unit(end)).sum(axis=1).mean())
