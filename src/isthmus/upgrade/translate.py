"""Translate: carry a whole collection across a bridge, out of core, resumable, exactly once.

Shard i of the output holds a fixed range of source rows, so the work is a pure function
(range of rows) -> (shard) with a deterministic name: a rerun after a crash skips the shards that
are complete and ends with the same bytes as a run that was never disturbed. One thread reads and
multiplies, another writes, so that the slower of disk and processor sets the pace.
"""

import contextlib
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.errors import InputError, IsthmusError
from isthmus.spaces.directory import SpaceWriter
from isthmus.spaces.ids import named
from isthmus.spaces.manifest import DTYPES
from isthmus.spaces.open import open
from isthmus.spaces.rejects import write_rejects
from isthmus.spaces.space import Space

#: Rows multiplied at once: 4 to 8 MiB of float32, which stays in the processor's cache.
_BLOCK_BYTES = 6 << 20
#: Translated blocks that may wait for the disk.
_WAITING = 8
#: Rows looked at before anything is written, to tell whether they are the bridge's source.
_PROBE = 2000


def translate(
    source: Any,
    bridge: Bridge | str | Path,
    path: str | Path,
    *,
    dtype: str = "float32",
    drop_invalid: bool = False,
    rows_per_shard: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Space:
    """Translate every vector of ``source`` into the bridge's target space, as a space directory.

    y_i = bridge(x_i) for every row i, in the source's order and under the source's ids. Memory does
    not grow with the number of rows. Interrupted work is taken up again by the same call.

    Parameters
    ----------
    source : Space or path, vectors (n, dx)
    bridge : a Bridge, or the path of its file
    path : folder to write, new or an earlier space directory (which gets a new generation)
    dtype : ``float32``, ``float16`` or ``float64`` of the vectors written, (n, dy)
    drop_invalid : leave out rows with NaN or infinity and list them in ``<path>.rejects.csv``
        (row number, id, reason) instead of refusing
    rows_per_shard : rows of one output file; about 256 MiB when None
    progress : called with the number of rows done so far

    Returns
    -------
    Space of the directory written

    Raises
    ------
    SpaceMismatch
        When the vectors are not of the bridge's source: nothing is written then.
    InputError
        On rows with NaN or infinity, named by id, on numbers that ``dtype`` cannot hold, and on
        duplicate ids: nothing is left then.
    StorageError
        When the disk is full or the target cannot be written; finished shards stay for a rerun.

    >>> import numpy as np, tempfile, isthmus
    >>> x = np.random.default_rng(0).normal(size=(100, 4)) * [4, 3, 2, 1]
    >>> bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal")
    >>> moved = translate(isthmus.open(x), bridge, Path(tempfile.mkdtemp()) / "new")
    >>> bool(np.allclose(moved.vectors(), x[:, ::-1], atol=1e-5))
    True
    """
    space = source if isinstance(source, Space) else open(source)
    bridge = bridge if isinstance(bridge, Bridge) else load(bridge)
    _check_arguments(dtype, rows_per_shard)
    sample = _probe(space, bridge)
    space.check_ids()
    target = Path(path)
    kept = _finite_rows(space) if drop_invalid else None
    provenance = {
        "translated_from": space.encoder or space.name, "method": bridge.name,
        "pairs": bridge.pairs, "rows": len(space) if kept is None else int(kept.sum()),
        "source_checksum": sample, "bridge_checksum": _checksum(_weights(bridge)),
    }  # fmt: skip
    kind = "int" if kept is not None and space.id_kind == "range" else space.id_kind
    writer = SpaceWriter(
        target, dim=bridge.target.dim, dtype=dtype, metric=bridge.target.metric,
        encoder=bridge.target.encoder, provenance=provenance, ids=kind,
        rows_per_shard=rows_per_shard,
    )  # fmt: skip
    with writer:
        try:
            _run(space, bridge, writer, kept, progress)
        except InputError:
            writer.abort()
            raise
        if kept is not None:
            rejected = np.flatnonzero(~kept)
            write_rejects(target, {"row": rejected, "id": space.take_ids(rejected)})
        return writer.commit()


def _check_arguments(dtype: Any, rows_per_shard: int | None) -> None:
    # NumPy's own message for an unknown dtype names neither the choices nor the cure.
    if dtype not in DTYPES:
        raise InputError("translate", f"dtype {dtype!r}", f"one of {', '.join(DTYPES)}")
    if rows_per_shard is not None and rows_per_shard < 1:
        raise InputError("translate", f"rows_per_shard={rows_per_shard}", "at least 1")


def _probe(space: Space, bridge: Bridge) -> str:
    """Refuse a foreign space before anything is written; gives a checksum of the rows looked at."""
    rows = np.unique(np.linspace(0, len(space) - 1, min(_PROBE, len(space))).astype(np.int64))
    sample = space.take(rows)
    # Without this a rerun on a changed source, or with another bridge, would mix the two.
    checksum = _checksum([sample, np.asarray(list(map(str, space.take_ids(rows))))])
    if sample.shape[1] == bridge.source.dim:
        sample = sample[np.isfinite(sample).all(axis=1)]
    if len(sample):
        bridge.check(sample, encoder=space.encoder)
    return checksum


def _checksum(arrays: list[np.ndarray]) -> str:
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)
    return f"{crc:08x}"


def _weights(bridge: Bridge) -> list[np.ndarray]:
    return [np.asarray(getattr(bridge.map, name)) for name in sorted(bridge.map.STATE)]


def _run(
    space: Space,
    bridge: Bridge,
    writer: SpaceWriter,
    kept: np.ndarray | None,
    progress: Callable[[int], None] | None,
) -> None:
    size, total = writer.rows_per_shard, len(space)
    done = set(writer.done())
    starts = [s for s in range(0, total, size) if kept is None or kept[s : s + size].any()]
    with _Disk(writer) as disk:
        for index, start in enumerate(starts):
            stop = min(start + size, total)
            if index not in done:
                rows = stop - start if kept is None else int(kept[start:stop].sum())
                disk.begin(index, rows)
                for ids, vectors, reached in _translated(space, bridge, start, stop, kept):
                    disk.write(vectors, None if writer.ids == "range" else ids)
                    if progress is not None:
                        progress(reached)
            elif progress is not None:
                progress(stop)
        if progress is not None:
            progress(total)


def _translated(
    space: Space, bridge: Bridge, start: int, stop: int, kept: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Blocks of (ids, translated vectors, row reached) of the source rows ``start`` to ``stop``."""
    width = max(space.dim, bridge.target.dim)
    step = max(1, _BLOCK_BYTES // (4 * width))
    for block in space.blocks(step, start, stop):
        ids, vectors, reached = block.ids, block.vectors, block.start + len(block)
        if kept is not None:
            mask = kept[block.start : reached]
            if not mask.any():
                continue
            ids, vectors = ids[mask], vectors[mask]
        if vectors.dtype == np.float16:
            vectors = vectors.astype(np.float32)
        yield ids, _apply(space, bridge, vectors), reached


def _apply(space: Space, bridge: Bridge, vectors: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            result = bridge.transform_block(vectors)
        except InputError as error:
            raise _not_finite(space, vectors) or error from error
        # Anything not finite in the source reaches the result, so one look at that suffices.
        if np.isfinite(result.sum()):
            return result
        if wrong := _not_finite(space, vectors):
            raise wrong
        # Near the end of float32's range sums run over it; the writer refuses what still does.
        return (
            result
            if np.isfinite(result).all()
            else bridge.transform_block(vectors.astype(np.float64))
        )


def _not_finite(space: Space, vectors: np.ndarray) -> InputError | None:
    """The error that counts and names all bad rows of the space when some are among ``vectors``."""
    if np.isfinite(vectors).all():
        return None
    found = space.defects()
    return InputError(
        f"translate {space.name!r}",
        f"NaN or infinity in {found.non_finite:,} of {len(space):,} rows "
        f"(first ids: {named(found.non_finite_ids)})",
        "finite vectors",
        "Leave them out with drop_invalid=True (--drop-invalid).",
    )


def _finite_rows(space: Space) -> np.ndarray:
    kept = np.concatenate([np.isfinite(b.vectors).all(axis=1) for b in space.blocks()])
    if not kept.any():
        raise InputError(f"translate {space.name!r}", "no finite row at all", "finite vectors")
    return kept


class _Disk:
    """The writing thread: takes translated blocks from a bounded queue, in order."""

    def __init__(self, writer: SpaceWriter) -> None:
        self._writer = writer
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(_WAITING)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="isthmus-disk", daemon=True)

    def __enter__(self) -> "_Disk":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._put("stop" if kind is None else "abandon", None)
        self._thread.join()
        if kind is None and self._failed is not None:
            raise self._failed

    def begin(self, index: int, rows: int) -> None:
        """Start shard ``index`` of ``rows`` rows."""
        self._put("begin", (index, rows))

    def write(self, vectors: np.ndarray, ids: np.ndarray | None) -> None:
        """Append a block to the shard begun last; the array belongs to the disk from here on."""
        self._put("write", (vectors, ids))

    def _put(self, what: str, content: Any) -> None:
        # The thread keeps taking after a failure, so this never blocks for good.
        if self._failed is not None and what in ("begin", "write"):
            raise self._failed
        self._queue.put((what, content))

    def _work(self) -> None:
        what = "begin"
        try:
            what, content = self._queue.get()
            while what == "begin":
                index, rows = content
                with self._writer.shard(index, rows) as shard:
                    left = rows
                    while left:
                        what, content = self._queue.get()
                        if what != "write":
                            raise _Abandoned(
                                "translate", "an interruption", "the rest of the shard"
                            )
                        shard.write(*content)
                        left -= len(content[0])
                what, content = self._queue.get()
        except BaseException as error:  # handed to the thread that waits
            self._failed = error
        while what not in ("stop", "abandon"):
            with contextlib.suppress(Exception):
                what, _ = self._queue.get()


class _Abandoned(IsthmusError):
    """Leaves a half-written shard so that it is removed; never seen outside."""
