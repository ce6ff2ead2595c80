"""Translate: carry a whole collection across a bridge, out of core, resumable, exactly once.

Shard i of the output holds a fixed range of source rows, so the work is a pure function
(range of rows) -> (shard) with a deterministic name: a rerun after a crash skips the shards that
are complete and ends with the same bytes as a run that was never disturbed. One thread reads and
writes in order, the others multiply ahead of it, so that the slower of disk and processor sets the
pace.
"""

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.errors import FormatError, InputError
from isthmus.spaces.directory import SpaceWriter
from isthmus.spaces.ids import named
from isthmus.spaces.manifest import DTYPES, generations
from isthmus.spaces.open import open
from isthmus.spaces.rejects import write_rejects
from isthmus.spaces.space import Space

#: Rows multiplied at once: few enough that source, map and result share a core's own cache.
_BLOCK_BYTES = 3 << 19
#: Blocks in the works for each core, so that a slow write leaves none of them idle.
_AHEAD = 8
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
    not grow with the number of rows. Interrupted work is taken up again by the same call; when it
    is already done, for the same source, bridge and dtype, nothing is written.

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
    if (finished := _finished(target, provenance, dtype)) is not None:
        if progress is not None:
            progress(len(space))
        return finished
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
    ids = np.asarray(list(map(str, space.take_ids(rows))))
    checksum = _checksum([sample, ids, *_state(space)])
    if sample.shape[1] == bridge.source.dim:
        sample = sample[np.isfinite(sample).all(axis=1)]
    if len(sample):
        bridge.check(sample, encoder=space.encoder)
    return checksum


def _state(space: Space) -> Iterator[np.ndarray]:
    """What changes whenever any row does: size and time of every file, or the rows in memory."""
    if space.path is None:
        yield from (block.vectors for block in space.blocks())
        return
    files = sorted(space.path.rglob("*")) if space.path.is_dir() else [space.path]
    for status in (file.stat() for file in files):
        yield np.array([status.st_size, status.st_mtime_ns])


def _finished(target: Path, provenance: dict[str, Any], dtype: str) -> Space | None:
    """The space at ``target`` if it is this very work: a crash may come after the commit."""
    if not generations(target):
        return None
    try:
        found = open(target)
    except FormatError:  # a damaged generation is no reason not to write the next
        return None
    facts = {key: value for key, value in found.provenance.items() if key != "generation"}
    return found if facts == provenance and str(found.stored) == dtype else None


def _checksum(arrays: Iterable[np.ndarray]) -> str:
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
    todo = [(index, start) for index, start in enumerate(starts) if index not in done]
    report = progress or (lambda reached: None)
    cores = os.cpu_count() or 1
    # One BLAS thread a worker: its own threads would wait for one another whenever this one, which
    # reads and writes, takes a core.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        try:
            blocks = _ahead(
                pool, space, bridge, _wanted(space, bridge, todo, size, kept), _AHEAD * cores
            )
            for index, start in todo:
                stop = min(start + size, total)
                rows = stop - start if kept is None else int(kept[start:stop].sum())
                with writer.shard(index, rows) as shard:
                    while rows:
                        ids, vectors, reached = next(blocks)
                        shard.write(vectors, None if writer.ids == "range" else ids)
                        rows -= len(vectors)
                        report(reached)
            report(total)
        finally:
            pool.shutdown(cancel_futures=True)


def _wanted(
    space: Space,
    bridge: Bridge,
    todo: list[tuple[int, int]],
    size: int,
    kept: np.ndarray | None,
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Blocks of (ids, vectors, row reached) of all shards to do; none reaches into the next one."""
    step = max(1, _BLOCK_BYTES // (4 * max(space.dim, bridge.target.dim)))
    for _, start in todo:
        for block in space.blocks(step, start, min(start + size, len(space))):
            ids, vectors, reached = block.ids, block.vectors, block.start + len(block)
            if kept is not None:
                mask = kept[block.start : reached]
                ids, vectors = ids[mask], vectors[mask]
            if len(vectors):
                yield ids, vectors, reached


def _ahead(
    pool: ThreadPoolExecutor,
    space: Space,
    bridge: Bridge,
    blocks: Iterator[tuple[np.ndarray, np.ndarray, int]],
    depth: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """The blocks translated, in order; ``depth`` of them are in the works at any time."""
    pending: deque[tuple[np.ndarray, Future[np.ndarray], int]] = deque()
    for ids, vectors, reached in blocks:
        pending.append((ids, pool.submit(_apply, space, bridge, vectors), reached))
        if len(pending) == depth:
            first = pending.popleft()
            yield first[0], first[1].result(), first[2]
    for ids, future, reached in pending:
        yield ids, future.result(), reached


def _apply(space: Space, bridge: Bridge, vectors: np.ndarray) -> np.ndarray:
    if vectors.dtype == np.float16:
        vectors = vectors.astype(np.float32)
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
