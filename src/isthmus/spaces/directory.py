"""The space directory: what Isthmus writes, shard by shard, resumable, committed all at once.

On disk: ``shards/00000.npy``, ids beside in ``shards/00000.ids.parquet`` (unless they are the
virtual 0 .. n-1), and ``manifest-000001.json`` per generation. An unfinished job lies in
``writing/``: its description, and per finished shard a record, whose creation is the moment the
shard is done. Commit moves the shards in place and links the next manifest.
"""

import contextlib
import itertools
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from isthmus.core.arrays import to_numpy
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.durable import (
    keep_alive,
    link_new,
    locked,
    read_json,
    storing,
    sync_folder,
)
from isthmus.spaces.ids import normal
from isthmus.spaces.manifest import (
    DTYPES,
    ID_KINDS,
    SHARDS,
    Manifest,
    Shard,
    StoredFile,
    generations,
    manifest_name,
    parse,
    shard_from_json,
)
from isthmus.spaces.open import open
from isthmus.spaces.shard import ShardWriter
from isthmus.spaces.space import Block, Space
from isthmus.spaces.staging import check_target, discard, holds, read_job, remove_leftovers

_SHARD_BYTES = 256 << 20


class SpaceWriter:
    """Writes a space directory shard by shard; a rerun goes on where the last run ended.

    Attributes: ``path``; ``dim``; ``dtype``; ``ids``; ``rows_per_shard``, a size for shards of
    about 256 MiB unless given; ``generation``, the one that ``commit`` will make.

    A second writer with the same arguments joins the same job (after a crash, or from another
    process at the same time); with other arguments it is refused. Parts already written by others
    are kept where they are equal.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "space"
    >>> with SpaceWriter(folder, dim=2) as writer:
    ...     with writer.shard(0, rows=3) as shard:
    ...         shard.write(np.ones((3, 2)))
    ...     writer.commit()
    <Space 'space': 3 x 2 float32, range ids>
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        dim: int,
        dtype: Any = "float32",
        metric: str | None = None,
        encoder: str | None = None,
        norm_policy: str | None = None,
        provenance: dict[str, Any] | None = None,
        ids: str = "range",
        rows_per_shard: int | None = None,
        resumable: bool = True,
    ) -> None:
        self.path, self.dim, self.dtype, self.ids = Path(path), int(dim), np.dtype(dtype), ids
        where = f"write {self.path.name or self.path}"
        if self.dtype.name not in DTYPES or ids not in ID_KINDS or self.dim < 1:
            raise InputError(
                where, f"dim={dim}, dtype={dtype}, ids={ids!r}",
                f"dim >= 1, a dtype of {list(DTYPES)}, ids of {list(ID_KINDS)}",
            )  # fmt: skip
        fitting = min(max(1, _SHARD_BYTES // (self.dim * self.dtype.itemsize)), 1 << 20)
        self.rows_per_shard = rows_per_shard or fitting
        self._facts = _plain(
            where,
            {
                "metric": metric,
                "encoder": encoder,
                "norm_policy": norm_policy,
                "dim": self.dim,
                "dtype": self.dtype.name,
                "ids": ids,
                "provenance": provenance or {},
            },
        )
        self._created = not self.path.exists()
        self._committed: Manifest | None = None
        check_target(self.path, where)
        name = "writing" if resumable else f"writing-{os.getpid()}-{secrets.token_hex(4)}"
        self.staging = self.path / name
        self._alive = -1
        with storing(where):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                with locked(self.path):
                    remove_leftovers(self.path)
                    self.staging.mkdir(exist_ok=True)
                    self._alive = keep_alive(self.staging)
                    self._join_job(where)
            except BaseException:
                if not (self.staging / "job.json").exists():
                    self.abort()
                self.close()
                raise

    def __getstate__(self) -> dict[str, Any]:
        """A writer sent to another process writes shards of the same job there."""
        folders = {"path": self.path.absolute(), "staging": self.staging.absolute()}
        return self.__dict__ | folders | {"_alive": -1}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()

    def record(self, index: int) -> Path:
        """Where the record of a finished shard is kept until commit."""
        return self.staging / f"{index:05d}.json"

    @contextlib.contextmanager
    def shard(self, index: int, rows: int) -> Iterator[ShardWriter]:
        """Write shard ``index`` of ``rows`` rows; durable and done when the block is left.

        On any error, and on Ctrl-C, what was written of it is removed and the shard is not done.
        """
        if index < 0 or rows < 1:
            raise InputError("shard", f"index={index}, rows={rows}", "index >= 0 and rows >= 1")
        shard = ShardWriter(self, index, rows)
        with storing(f"write shard {index} of {self.path.name}"):
            try:
                shard.begin()
                yield shard
                shard.finish()
            except BaseException:
                for file in shard.files:
                    file.discard()
                raise
            for file in shard.files:
                file.close()

    def done(self) -> list[int]:
        """The indices of finished shards, ascending, also those of earlier runs."""
        if self._committed is not None:
            return list(range(len(self._committed.shards)))
        found = sorted(int(p.stem) for p in self.staging.glob("*.json") if p.stem.isdecimal())
        return [index for index in found if self.complete(index)]

    def commit(self, fingerprint: dict[str, Any] | None = None) -> Space:
        """Make the finished shards the next generation, at once, and open it.

        Raises StorageError when another writer committed this generation first, and InputError
        when shards are missing in between.
        """
        where = f"commit {self.path.name or self.path}"
        with storing(where), locked(self.path):
            if self._committed is None:
                self._commit(where, fingerprint)
            self._close_alive()
            discard(self.staging)
        return open(self.path)

    def abort(self) -> None:
        """Remove everything this job wrote; what was committed before stays."""
        self._close_alive()
        discard(self.staging)
        if self._created and self.path.exists():
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def close(self) -> None:
        """Let go of the job; finished shards stay for the next run."""
        self._close_alive()

    def _commit(self, where: str, fingerprint: dict[str, Any] | None) -> None:
        taken = generations(self.path)
        if taken and taken[-1] >= self.generation:
            raise StorageError(
                where,
                f"generation {self.generation}, which another writer committed first",
                "a generation not yet taken",
                "Open the folder to see what it holds, or write to another one.",
            )
        indices = self.done()
        if not indices or indices != list(range(len(indices))):
            raise InputError(where, f"finished shards {indices[:20]}", "all from 0 on")
        folder = self.path / SHARDS
        folder.mkdir(exist_ok=True)
        moved: list[tuple[Path, Path]] = []
        manifest_path = self.path / manifest_name(self.generation)
        try:
            shards = [self._place(where, index, moved) for index in indices]
            self._drop_orphans(shards)
            sync_folder(folder)
            manifest = Manifest(
                generation=self.generation,
                rows=sum(shard.rows for shard in shards),
                shards=tuple(shards),
                fingerprint=fingerprint,
                **self._facts,
            )
            if not link_new(manifest_path, manifest.as_json(), drafts=self.staging):
                raise StorageError(
                    where, f"{manifest_path.name}, taken meanwhile", "a generation not yet taken"
                )
        except BaseException:
            if not manifest_path.exists():  # back to where a rerun finds them
                for draft, final in moved:
                    final.replace(draft)
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise

    def _places(self, index: int, shard: Shard) -> Iterator[tuple[str, StoredFile, Path, Path]]:
        folder, number = self.path / SHARDS, f"{self._first + index:05d}"
        for part, ending in (("vectors", ".npy"), ("ids", ".ids.parquet")):
            stored: StoredFile | None = getattr(shard, part)
            if stored is not None:
                yield part, stored, self.staging / stored.file, folder / f"{number}{ending}"

    def complete(self, index: int) -> bool:
        """Whether every file that the record of shard ``index`` names is there, in full size."""
        try:
            shard = shard_from_json(read_json(self.record(index)))
        except ValueError:  # a damaged record: without it that shard is written anew
            return False
        return all(
            any(path.exists() and path.stat().st_size == stored.bytes for path in places)
            for _, stored, *places in self._places(index, shard)
        )

    def _place(self, where: str, index: int, moved: list[tuple[Path, Path]]) -> Shard:
        shard = shard_from_json(read_json(self.record(index)))
        placed: dict[str, Any] = {}
        for part, stored, draft, final in self._places(index, shard):
            if draft.exists():
                draft.replace(final)
                moved.append((draft, final))
            elif not holds(final, stored):  # moved by a commit that died, or lost
                self.record(index).unlink(missing_ok=True)
                raise StorageError(
                    where, f"shard {index} gone", "its file", "Run again to write that shard anew."
                )
            placed[part] = replace(stored, file=final.name)
        return replace(shard, **placed)

    def _drop_orphans(self, shards: list[Shard]) -> None:
        """Remove what writers that died while committing had moved in place."""
        keep = {f.file for shard in shards for f in (shard.vectors, shard.ids) if f}
        for entry in (self.path / SHARDS).iterdir():
            number = entry.name.partition(".")[0]
            if number.isdecimal() and int(number) >= self._first and entry.name not in keep:
                entry.unlink()

    def _join_job(self, where: str) -> None:
        taken = generations(self.path)
        self.generation = taken[-1] + 1 if taken else 1
        self._first = 0
        if taken:
            used = [p.name.partition(".")[0] for p in (self.path / SHARDS).glob("*")]
            self._first = 1 + max((int(n) for n in used if n.isdecimal()), default=-1)
        own = {"rows_per_shard": self.rows_per_shard, **self._facts}
        job = self.staging / "job.json"
        if job.exists():
            found = read_job(job)
            if found["facts"] != own:
                self._close_alive()
                raise StorageError(
                    where,
                    "an unfinished job with other settings in the folder",
                    "the same settings to go on with it",
                    f"Finish it with its own settings, or remove {self.staging}.",
                )
            if found["generation"] not in taken:
                self.generation, self._first = found["generation"], found["first"]
                return
            # The job was committed and its writer died before tidying up.
            self._committed = parse(self.path / manifest_name(found["generation"]))
            self.generation = found["generation"]
            return
        state = {"facts": own, "generation": self.generation, "first": self._first}
        link_new(job, json.dumps(state).encode(), drafts=self.staging)

    def _close_alive(self) -> None:
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1


def _plain(where: str, facts: dict[str, Any]) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads(json.dumps(facts, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(where, f"provenance that is no JSON ({error})", "plain data") from error
    return plain


def write_space(
    path: str | os.PathLike[str],
    vectors: Any,
    ids: Any = None,
    *,
    dtype: Any = None,
    rows_per_shard: int | None = None,
    fingerprint: dict[str, Any] | None = None,
    **facts: Any,
) -> Space:
    """Write vectors into a space directory as its next generation, and open it.

    ``vectors`` is an array (n, dim) with ``ids`` (n,) or None, a ``Space``, or an iterable of
    blocks: arrays (m, dim), pairs ``(ids, vectors)``, or ``Block``. ``dtype`` is by default that of
    the vectors; ``facts`` are ``metric``, ``encoder``, ``norm_policy`` and ``provenance``.
    When anything fails nothing remains, and what was committed before stays as it was.
    """
    blocks = _blocks(vectors, ids)
    first_ids, first = next(blocks, (None, np.empty(0)))
    if first.ndim != 2:
        raise InputError(f"write {Path(path).name}", f"vectors {first.shape}", "blocks of (n, dim)")
    if isinstance(vectors, Space):
        facts = {"metric": vectors.metric, "encoder": vectors.encoder} | facts
    kind = "range" if first_ids is None else ("string", "int")[first_ids.dtype.kind == "i"]
    writer = SpaceWriter(
        path, dim=first.shape[1], dtype=first.dtype if dtype is None else dtype, ids=kind,
        rows_per_shard=rows_per_shard, resumable=False, **facts,
    )  # fmt: skip
    try:
        parts = _parts(itertools.chain([(first_ids, first)], blocks), writer.rows_per_shard)
        for index, part in enumerate(parts):
            with writer.shard(index, sum(len(v) for _, v in part)) as shard:
                for block_ids, block in part:
                    shard.write(block, block_ids)
        return writer.commit(fingerprint)
    except BaseException:
        writer.abort()
        raise


def _blocks(vectors: Any, ids: Any) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
    if not isinstance(vectors, Space) and hasattr(vectors, "shape"):
        vectors = open(vectors, ids=ids)
    if isinstance(vectors, Space):
        virtual = vectors.id_kind == "range"
        for block in vectors.blocks():
            yield (None if virtual else block.ids), block.vectors
        return
    if ids is not None:
        raise InputError("write space", "ids beside an iterable", "blocks of (ids, vectors)")
    for block in vectors:
        if isinstance(block, Block):
            yield normal(block.ids, where="write space"), block.vectors
        elif isinstance(block, tuple):
            given, rows = block
            own = None if given is None else normal(to_numpy(given), where="write space")
            yield own, to_numpy(rows)
        else:
            yield None, to_numpy(block)


def _parts(
    blocks: Iterable[tuple[np.ndarray | None, np.ndarray]], rows: int
) -> Iterator[list[tuple[np.ndarray | None, np.ndarray]]]:
    """Blocks gathered, and cut, into shards of exactly ``rows`` rows; the last may be smaller."""
    part: list[tuple[np.ndarray | None, np.ndarray]] = []
    room = rows
    for ids, vectors in blocks:
        at = 0
        while at < len(vectors):
            end = min(at + room, len(vectors))
            part.append((None if ids is None else ids[at:end], vectors[at:end]))
            room -= end - at
            at = end
            if not room:
                yield part
                part, room = [], rows
    if part:
        yield part
