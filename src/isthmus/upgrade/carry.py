"""Carry: passes over a collection until its shadow is exactly what the bridge makes of it."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from isthmus.bridges.bridge import Bridge
from isthmus.core.errors import InputError, StorageError
from isthmus.core.random import generator
from isthmus.spaces.files import atomic_write
from isthmus.spaces.ids import hashed, named
from isthmus.spaces.sampling import random_rows
from isthmus.spaces.stores.store import Facts, Rows, Store
from isthmus.upgrade.job_journal import Journal
from isthmus.upgrade.ledger import Key, Ledger, digest, part, pieces

#: Rows mapped in one product, always as many.
_BLOCK = 256
#: Passes of one run over a collection that never stays still.
PASSES = 4
_SAMPLE = 1000
#: How far a vector may lie from the bridge's, as a share of its length, and still be that one.
_ROUNDING = 1e-5
#: In the folder of a job that fills another collection: hashes of the ids that it put there.
CARRIED = "carried.npy"


class Readable(Protocol):
    """What vectors are carried from: a store, or a file that is read like one."""

    def facts(self) -> Facts:
        """As a store's."""

    def ids(self) -> np.ndarray:
        """As a store's."""

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """As a store's."""

    def stamp(self) -> str:
        """As a store's."""

    def scan(self, rows: int = 4096, *, after: Any = None, payload: bool = False) -> Iterator[Rows]:
        """As a store's."""

    def close(self) -> None:
        """As a store's."""


def mapped(bridge: Bridge, x: np.ndarray, *, unit: bool = False) -> np.ndarray:
    """``bridge`` of finite vectors (m, dx) as float32 (m, dy), whatever rows lie beside a row.

    ``unit`` scales them to length 1, as an index by inner product needs where cosine is meant.

    Products round a row differently by their shape and, on some processors, by where in them it
    stands. So the rows are mapped by equal blocks, the last one filled up, and in float64, whose
    rounding is gone in float32: a number in a hundred million or so may still fall the other way.
    """
    out = np.empty((len(x), bridge.target.dim), dtype=np.float32)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        rows = len(block)
        if rows < _BLOCK:
            block = np.concatenate([block, np.repeat(block[-1:], _BLOCK - rows, axis=0)])
        out[start : start + rows] = bridge.transform_block(block.astype(np.float64))[:rows]
    if unit:
        # Summed row by row, so that here too a row's bits do not depend on the others.
        length = np.sqrt(np.einsum("ij,ij->i", out, out, dtype=np.float64))
        out /= np.where(length > 0, length, 1.0).astype(np.float32)[:, None]
    return out


class Carrier:
    """One run: from ``source`` through ``bridge`` into ``shadow``, noting every step.

    ``finish`` builds the shadow's index; ``paused`` is asked between ranges; ``progress`` is told
    how many rows of the pass are done, and ``tell`` what begins where no rows are counted.
    """

    def __init__(
        self,
        source: Readable,
        shadow: Store,
        bridge: Bridge,
        journal: Journal,
        *,
        batch: int,
        payload: bool,
        drop_invalid: bool,
        unit: bool,
        finish: Callable[[], None] | None,
        paused: Callable[[], bool],
        progress: Callable[[int], None],
        tell: Callable[[str], None],
        carried: Path | None = None,
    ) -> None:
        self.source, self.shadow, self.bridge, self.journal = source, shadow, bridge, journal
        self.batch, self.payload, self.drop_invalid = batch, payload, drop_invalid
        self.finish, self.paused, self.progress, self.tell = finish, paused, progress, tell
        self.unit, self.carried = unit, carried
        #: Ids in the shadow that are none of this job's.
        self.foreign = np.empty(0, dtype=np.int64)
        self.ledger = Ledger.of(journal.steps)

    def run(self) -> bool:
        """Passes until nothing changed since the last one began, then the proof; False on a pause.

        Raises
        ------
        StorageError
            When the collection never stays still, or the shadow is not what was written to it.
        InputError
            On vectors that are not finite, named by id.
        """
        for _ in range(PASSES):
            if not self.ledger.open:
                self.note("pass", number=self.ledger.number + 1, stamp=self.source.stamp())
            if not self._pass():
                self.note("paused")
                return False
            if self.finish is not None and not self.ledger.indexed:
                self.tell("moving the vectors in and building their index")
                self.finish()
                self.note("index")
            self.tell("proving it")
            if self._verify():
                return True
        raise StorageError(
            "upgrade", f"a collection that changed during each of {PASSES} passes",
            "one that stays as it is for one pass",
            "Everything so far is kept. Pause what writes to it, run the same command again, which "
            "writes only what changed, then cut over.",
        )  # fmt: skip

    def note(self, step: str, **facts: Any) -> None:
        """Write a step down, here and on the disk."""
        self.journal.add(step, **facts)
        self.ledger.take(self.journal.steps[-1])

    def _still(self) -> bool:
        return self.source.stamp() == self.ledger.stamp

    def _pass(self) -> bool:
        ledger, known = self.ledger, self.ledger.known
        self.progress(ledger.rows)
        for rows, last in self._ranges():
            if self.paused():
                return False
            found, before = digest(rows), known.get(last)
            if before is not None and before.sum == found:
                written, rejected = 0, list(before.rejected)
            else:
                written, rejected = self._write(rows)
            self.note(
                "range", last=last, rows=len(rows), sum=found, written=written, rejected=rejected
            )
            self.progress(ledger.rows)
        removed = self._remove_others()
        self.note("passed", removed=removed)
        return True

    def _ranges(self) -> Iterator[tuple[Rows, Key]]:
        """The ranges that the pass has still to see.

        Rows may vanish while a store that cannot stream fetches them; then the scan begins again
        behind the last range done, as long as it gets further or the collection goes on changing.
        """
        seen = self.ledger.stamp
        while True:
            after = self.ledger.after
            bounds = [key for key in self.ledger.known if after is None or key > after]  # type: ignore[operator]
            batches = self.source.scan(self.batch, after=after, payload=self.payload)
            try:
                yield from pieces(batches, bounds, self.batch)
            except StorageError:
                if (now := self.source.stamp()) == seen:
                    raise
                seen = now
            else:
                return

    def _write(self, rows: Rows) -> tuple[int, list[Any]]:
        """Map and write ``rows``; how many were, and the ids of those that cannot be."""
        finite = np.isfinite(rows.vectors).all(axis=1)
        rejected = rows.ids[~finite]
        if len(rejected) and not self.drop_invalid:
            raise InputError(
                "upgrade", f"NaN or infinity in {len(rejected):,} of {len(rows):,} rows "
                f"(first ids: {named(rejected)})", "finite vectors",
                "Mend them and run again, or leave such rows out with --drop-invalid.",
            )  # fmt: skip
        kept = rows if finite.all() else part(rows, finite)
        if len(kept):
            with np.errstate(over="ignore", invalid="ignore"):
                moved = mapped(self.bridge, kept.vectors, unit=self.unit)
            self.shadow.upsert(Rows(kept.ids, moved, kept.payload))
            self.ledger.indexed = False
        return len(kept), rejected.tolist()

    def _expected(self) -> np.ndarray:
        ids, rejected = self.source.ids(), self.ledger.rejected
        return ids[~np.isin(ids, rejected)] if rejected else ids

    def _remove_others(self) -> int:
        """Remove from the shadow what the source has no more, and write what the shadow lacks."""
        expected, have = self._expected(), self.shadow.ids()
        others = self._ours(np.setdiff1d(have, expected))
        for start in range(0, len(others), self.batch):
            self.shadow.delete(others[start : start + self.batch])
        lacking = np.setdiff1d(expected, have)
        # While the source changes another pass comes anyway, and rows may go as they are fetched.
        if len(lacking) and self._still():
            for start in range(0, len(lacking), self.batch):
                ids = lacking[start : start + self.batch]
                self._write(self.source.fetch(ids, payload=self.payload))
        return len(others)

    def _ours(self, others: np.ndarray) -> np.ndarray:
        """Those of the ids that the source has not which this job may remove from the shadow.

        Where users were told of another collection they may write to it: there only what an earlier
        pass carried is this job's. What was written beside new vectors that served is nobody's to
        lose.
        """
        written = others[np.isin(others, self.ledger.since)] if self.ledger.since else others[:0]
        if len(written):
            raise StorageError(
                "upgrade", f"{len(written):,} rows written after the cutover that the collection "
                f"has no old vectors of (first ids: {named(written)})",
                "rows that both have",
                "They are in the shadow alone. Write them to the collection, with old vectors, or "
                "drop the shadow if they may be lost; then run again.",
            )  # fmt: skip
        if self.carried is None or not self.carried.exists():
            return others
        known = np.isin(hashed(others, seed=0), np.load(self.carried, allow_pickle=False))
        self.foreign = others[~known]
        return others[known]

    def _verify(self) -> bool:
        """Prove that the shadow holds what it should, and note it; False when the source moved."""
        expected, have = self._expected(), self.shadow.ids()
        have = have[~np.isin(have, self.foreign)] if len(self.foreign) else have
        same = np.array_equal(expected, have)
        chosen = random_rows(len(expected), _SAMPLE, generator(0))
        sample = expected[chosen] if same else expected[:0]
        equal = close = np.ones(0, dtype=bool)
        if len(sample):
            want = mapped(self.bridge, self.source.fetch(sample).vectors, unit=self.unit)
            got = self.shadow.fetch(sample).vectors
            if self.shadow.facts().normalised:
                want = want / np.linalg.norm(want, axis=1, keepdims=True)
            equal = (want == got).all(axis=1)
            far = np.linalg.norm(want.astype(np.float64) - got, axis=1)
            close = far <= _ROUNDING * np.linalg.norm(want.astype(np.float64), axis=1)
        if not self._still():
            return False
        if not same:
            raise _wrong(f"{len(have):,} ids that are not the {len(expected):,} of the source")
        if not close.all():
            raise _wrong(
                f"{int((~close).sum()):,} of {len(sample):,} vectors that are not the bridge's "
                f"(first ids: {named(sample[~close])})"
            )
        if self.carried is not None:
            held = io.BytesIO()
            np.save(held, hashed(expected, seed=0))
            atomic_write(self.carried, held.getvalue(), operation="note the ids carried")
        self.note(
            "verified", rows=len(expected), sample=len(sample), identical=int(equal.sum()),
            stamp=self.ledger.stamp,
        )  # fmt: skip
        return True


def _wrong(what: str) -> StorageError:
    return StorageError(
        "verify the shadow", what, "exactly what the job wrote",
        "Something else writes to it, or the store lost rows: drop the job and run it again.",
    )  # fmt: skip
