"""A shard being written: header, rows, ids, checksums, and the record that says it is done."""

import io
import json
import os
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.durable import DurableFile, link_new, locked, read_json, sync_folder
from isthmus.spaces.ids import normal
from isthmus.spaces.manifest import Shard, shard_from_json

if TYPE_CHECKING:
    from isthmus.spaces.directory import SpaceWriter

_ID_GROUP = 65536


class ShardWriter:
    """A shard being written: exactly the rows announced, appended in blocks."""

    def __init__(self, job: "SpaceWriter", index: int, rows: int) -> None:
        self._job, self._index, self.rows = job, index, rows
        self.written = 0
        self._ids: list[np.ndarray] = []
        self.files: list[DurableFile] = []

    def write(self, vectors: np.ndarray, ids: np.ndarray | None = None) -> None:
        """Append vectors (m, dim), cast to the dtype of the space, and their ids (m,).

        Raises InputError on wrong widths, more rows than announced, missing ids, what are no real
        numbers, and numbers too large for the dtype. A block that is refused leaves no trace.
        """
        job = self._job
        where = f"write shard {self._index}"
        if vectors.ndim != 2 or vectors.shape[1] != job.dim:
            raise InputError(where, f"vectors {vectors.shape}", f"(rows, {job.dim})")
        if not np.can_cast(vectors.dtype, job.dtype, "same_kind"):
            raise InputError(where, f"vectors of dtype {vectors.dtype}", "real numbers")
        if self.written + len(vectors) > self.rows:
            raise InputError(
                where, f"{self.written + len(vectors):,} rows", f"the {self.rows:,} announced"
            )
        if (ids is not None) != (job.ids != "range"):
            given = "ids" if ids is not None else "no ids"
            raise InputError(where, given, f"what the ids {job.ids!r} of the space need")
        if ids is not None:
            ids = _checked_ids(where, np.asarray(ids), job.ids, len(vectors))
        with np.errstate(over="raise"):
            try:
                block = np.ascontiguousarray(vectors, dtype=job.dtype.newbyteorder("<"))
            except FloatingPointError as error:
                who = np.arange(self.written, self.written + len(vectors)) if ids is None else ids
                raise _overflow(where, vectors, job.dtype, who) from error
        if len(block):  # an empty one has no bytes to point to
            self.files[0].write(block)
        if ids is not None:
            self._ids.append(ids)
        self.written += len(vectors)

    def begin(self) -> None:
        """Create the file and write the header, which knows the rows to come."""
        job = self._job
        token = f"{self._index:05d}-{os.getpid()}-{secrets.token_hex(4)}"
        with locked(job.path):
            self.files.append(DurableFile(job.staging / f"{token}.npy"))
        head = io.BytesIO()
        shape = (self.rows, job.dim)
        np.lib.format.write_array_header_1_0(
            head,
            {"descr": job.dtype.newbyteorder("<").str, "fortran_order": False, "shape": shape},
        )
        self.files[0].write(head.getvalue())

    def finish(self) -> None:
        """Make the shard durable and record it; raises where another writer's differs."""
        job = self._job
        where = f"write shard {self._index}"
        if self.written != self.rows:
            raise InputError(where, f"{self.written:,} rows", f"{self.rows:,} announced")
        ids = None
        if job.ids != "range":
            name = self.files[0].path.name.removesuffix(".npy")
            with locked(job.path):
                self.files.append(DurableFile(job.staging / f"{name}.ids.parquet"))
            self.files[1].write(_ids_parquet(where, np.concatenate(self._ids), job.ids))
            ids = self.files[1].finish()
        shard = Shard(self.rows, self.files[0].finish(), ids)
        sync_folder(job.staging)
        record = job.record(self._index)
        if record.exists() and not job.complete(self._index):
            record.unlink(missing_ok=True)  # somebody removed what it names
        if not link_new(record, json.dumps(asdict(shard)).encode(), drafts=job.staging):
            for file in self.files:
                file.path.unlink(missing_ok=True)
            theirs = shard_from_json(read_json(record))
            if not _same_content(shard, theirs):
                raise StorageError(
                    f"{where} of {job.path.name}",
                    "a finished shard with other rows in it",
                    "one job at a time in a folder",
                    f"Another writer is at work, or died: finish that, or remove {job.staging}.",
                )


def _checked_ids(where: str, ids: np.ndarray, kind: str, rows: int) -> np.ndarray:
    ids = normal(ids, where=where)
    if ids.shape != (rows,) or (ids.dtype.kind == "i") != (kind == "int"):
        raise InputError(where, f"ids {ids.shape} of {ids.dtype}", f"{rows} ids of kind {kind!r}")
    return ids.copy()


def _ids_parquet(where: str, ids: np.ndarray, kind: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = ids if kind == "int" else ids.astype(object)
    try:
        column = pa.array(values, pa.int64() if kind == "int" else pa.string())
    except UnicodeError as error:
        raise InputError(where, "ids that are no valid Unicode", "valid text") from error
    table = pa.table({"id": column})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, row_group_size=_ID_GROUP, use_dictionary=False, store_schema=False,
        compression="zstd",
    )  # fmt: skip
    return sink.getvalue()


def _overflow(where: str, vectors: np.ndarray, dtype: np.dtype[Any], who: np.ndarray) -> InputError:
    with np.errstate(over="ignore", invalid="ignore"):
        cast = np.asarray(vectors).astype(dtype)
    bad = np.flatnonzero((np.isfinite(vectors) & ~np.isfinite(cast)).any(axis=1))
    return InputError(
        where,
        f"{len(bad)} rows with numbers beyond {np.finfo(dtype).max:.4g} "
        f"(first: {', '.join(map(str, who[bad[:5]]))})",
        f"what {dtype} can hold",
        "Write a wider dtype, or rescale the space.",
    )


def _same_content(one: Shard, other: Shard) -> bool:
    def content(shard: Shard) -> Any:
        ids = shard.ids and (shard.ids.bytes, shard.ids.checksums)
        return shard.rows, shard.vectors.bytes, shard.vectors.checksums, ids

    return bool(content(one) == content(other))
