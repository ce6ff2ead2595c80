"""Translate: carry a whole collection across a bridge, out of core, resumable, exactly once.

Shard i of the output holds a fixed range of source rows, so the work is a pure function
(range of rows) -> (shard) with a deterministic name: a rerun after a crash skips the shards that
are complete and ends with the same bytes as a run that was never disturbed, on any engine. On
threads, one reads and writes in order and the others multiply ahead of it, so that the slower of
disk and processor sets the pace; on other engines each worker reads, multiplies and writes a shard
of its own, on one core.
"""

import contextlib
import secrets
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.arrays import widened
from isthmus.core.engine import Engine, Threads
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.directory import SpaceWriter
from isthmus.spaces.durable import locked
from isthmus.spaces.ids import named
from isthmus.spaces.manifest import DTYPES, generations
from isthmus.spaces.open import open, opening
from isthmus.spaces.rejects import write_rejects
from isthmus.spaces.space import Space
from isthmus.spaces.staging import JOB_BRIDGE, remove_leftovers

#: Rows multiplied at once: few enough that source, map and result share a core's own cache.
_BLOCK_BYTES = 3 << 19
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
    engine: Engine | None = None,
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
    engine : where the work runs, of ``isthmus.engine``; the threads of this process when None.
        The bytes written are the same on all. Workers in other processes open the source
        themselves, so it must lie in a file or folder, not in memory

    Returns
    -------
    Space of the directory written

    Raises
    ------
    SpaceMismatch
        When the vectors are not of the bridge's source: nothing is written then.
    InputError
        On rows with NaN or infinity, named by id, on numbers that ``dtype`` cannot hold, and on
        duplicate ids: nothing is left then. On a source in memory and an engine that has another.
    StorageError
        When the disk is full, the target cannot be written, or workers die time and again;
        finished shards stay for a rerun.

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
    engine = Threads() if engine is None else engine
    report = progress or (lambda reached: None)
    if engine.separate:
        opening(space, operation=f"translate on {engine}")
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
        report(len(space))
        return finished
    kind = "int" if kept is not None and space.id_kind == "range" else space.id_kind
    writer = SpaceWriter(
        target, dim=bridge.target.dim, dtype=dtype, metric=bridge.target.metric,
        encoder=bridge.target.encoder, provenance=provenance, ids=kind,
        rows_per_shard=rows_per_shard,
    )  # fmt: skip
    with writer:
        try:
            pieces = _pieces(writer.rows_per_shard, len(space), kept, set(writer.done()))
            run = _dispatch if engine.separate else _write
            with contextlib.closing(run(space, bridge, writer, pieces, engine)) as steps:
                for reached in steps:
                    report(reached)
            report(len(space))
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
    # An encoder that is declared needs no look at the vectors; only it can fail here.
    bridge.check(np.zeros((1, bridge.source.dim)), encoder=space.encoder)
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
    """What changes when any row does: a store's stamp, sizes and times of files, or the rows."""
    if (stamp := getattr(space.vector_column, "stamp", None)) is not None:
        yield np.frombuffer(stamp().encode(), np.uint8)
        return
    if space.path is None:
        yield from (block.vectors for block in space.blocks())
        return
    files = sorted(space.path.rglob("*")) if space.path.is_dir() else [space.path]
    for file in files:
        # A job at work in the same folder is no change of what was committed there.
        if file.relative_to(space.path).parts[:1] != ("writing",):
            status = file.stat()
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


@dataclass(frozen=True, slots=True)
class _Piece:
    """The source rows start .. stop-1, of which those ``kept`` (all, when None) make one shard."""

    index: int
    start: int
    stop: int
    kept: np.ndarray | None

    @property
    def rows(self) -> int:
        return self.stop - self.start if self.kept is None else int(self.kept.sum())


@dataclass(frozen=True)
class _Job:
    """What a worker in another process needs: where both ends lie, and the writer it joins.

    Workers of a cluster outlive a call, and open both ends once for each ``call``.
    """

    call: str
    source: tuple[tuple[str, Any], ...]
    state: str
    bridge: Path
    writer: SpaceWriter = field(compare=False)


def _pieces(size: int, total: int, kept: np.ndarray | None, done: set[int]) -> list[_Piece]:
    """The shards still to be written, in order."""
    pieces, index = [], 0
    for start in range(0, total, size):
        mine = None if kept is None else kept[start : start + size]
        if mine is None or mine.any():
            if index not in done:
                pieces.append(_Piece(index, start, min(start + size, total), mine))
            index += 1
    return pieces


def _write(
    space: Space, bridge: Bridge, writer: SpaceWriter, pieces: list[_Piece], engine: Engine
) -> Generator[int, None, None]:
    """Write a shard a piece, multiplying on ``engine``; gives the rows of the source reached."""
    apply = partial(_apply, space, bridge)
    with contextlib.closing(engine.map(apply, _blocks(space, bridge, pieces))) as blocks:
        for piece in pieces:
            rows = piece.rows
            with writer.shard(piece.index, rows) as shard:
                while rows:
                    ids, vectors, reached = next(blocks)
                    shard.write(vectors, None if writer.ids == "range" else ids)
                    rows -= len(vectors)
                    yield reached


def _dispatch(
    space: Space, bridge: Bridge, writer: SpaceWriter, pieces: list[_Piece], engine: Engine
) -> Generator[int, None, None]:
    """Have the shards written by workers in other processes, which take all they need from disk."""
    if pieces:
        source = tuple(opening(space, operation=f"translate on {engine}").items())
        file = bridge.save(writer.staging.absolute() / JOB_BRIDGE)
        job = _Job(secrets.token_hex(8), source, _checksum(_state(space)), file, writer)
        try:
            with contextlib.closing(engine.map(partial(_elsewhere, job), pieces)) as steps:
                yield from steps
        except BaseException:
            # Workers are stopped where they stand; what they had begun must not fill the disk.
            with locked(writer.path):
                remove_leftovers(writer.path)
            raise


def _elsewhere(job: _Job, piece: _Piece) -> int:
    """Write the shard of one piece, in another process; gives the rows of the source reached."""
    space, bridge = _ends(job)
    for _ in _write(space, bridge, job.writer, [piece], Threads(1)):
        pass
    return piece.stop


@lru_cache(maxsize=1)
def _ends(job: _Job) -> tuple[Space, Bridge]:
    space = open(**dict(job.source))
    if _checksum(_state(space)) != job.state:
        raise StorageError(
            f"translate {space.name!r}", "a worker that finds other files than its driver",
            "one source, unchanged while it is read, under one path everywhere",
            "Run again; on a cluster, keep the source where every node sees it.",
        )  # fmt: skip
    return space, load(job.bridge)


def _blocks(
    space: Space, bridge: Bridge, pieces: list[_Piece]
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Blocks of (ids, vectors, row reached) of all pieces; none reaches into the next one."""
    step = max(1, _BLOCK_BYTES // (4 * max(space.dim, bridge.target.dim)))
    for piece in pieces:
        for block in space.blocks(step, piece.start, piece.stop):
            ids, vectors, reached = block.ids, block.vectors, block.start + len(block)
            if piece.kept is not None:
                mask = piece.kept[block.start - piece.start : reached - piece.start]
                ids, vectors = ids[mask], vectors[mask]
            if len(vectors):
                yield ids, vectors, reached


def _apply(
    space: Space, bridge: Bridge, block: tuple[np.ndarray, np.ndarray, int]
) -> tuple[np.ndarray, np.ndarray, int]:
    ids, vectors, reached = block
    return ids, _moved(space, bridge, vectors), reached


def _moved(space: Space, bridge: Bridge, vectors: np.ndarray) -> np.ndarray:
    vectors = widened(vectors)
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
