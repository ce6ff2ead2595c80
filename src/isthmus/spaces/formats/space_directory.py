"""The space directory, read: every block of 4 MiB is verified the first time it is touched."""

import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import ChainColumn, Column, FileColumn, fill, open_binary, truncated
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.formats.npy import npy_column
from isthmus.spaces.formats.parquet import parquet_column
from isthmus.spaces.manifest import BLOCK_BYTES, SHARDS, Manifest, Shard, StoredFile, newest


def read(path: Path, keys: Keys) -> Contents:
    """The newest valid generation of a space directory."""
    if keys.vectors is not None or keys.ids is not None:
        raise FormatError(
            f"open {path.name}", f"names {keys}", "no names: a space directory has its own"
        )
    manifest = newest(path)
    folder = path / SHARDS
    vectors = [_vectors(folder, shard, manifest) for shard in manifest.shards]
    ids = None
    if manifest.ids != "range":
        ids = ChainColumn([IdFile(folder, shard, manifest.ids) for shard in manifest.shards])
    facts = {
        "metric": manifest.metric,
        "encoder": manifest.encoder,
        "provenance": manifest.provenance | {"generation": manifest.generation},
        "fingerprint": manifest.fingerprint,
    }
    return Contents(ChainColumn(vectors) if len(vectors) > 1 else vectors[0], ids, facts)


class VerifiedColumn(FileColumn):
    """Vectors of a shard; a block whose checksum differs raises FormatError naming both."""

    def __init__(self, path: Path, offset: int, shard: Shard, dim: int, dtype: Any) -> None:
        super().__init__(path, offset, (shard.rows, dim), dtype)
        self._stored_file = shard.vectors
        self._good = np.zeros(len(shard.vectors.checksums), dtype=bool)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1; blocks not yet verified are read whole, in the same read."""
        low, high = (self.offset + row * self.row_bytes for row in (start, stop))
        first, last = low // BLOCK_BYTES, (high - 1) // BLOCK_BYTES
        if stop <= start or self._good[first : last + 1].all():
            return super().read(start, stop)
        begin = low if self._good[first] else first * BLOCK_BYTES
        end = high if self._good[last] else min((last + 1) * BLOCK_BYTES, self._stored_file.bytes)
        buffer = np.empty(end - begin, dtype=np.uint8)
        with open_binary(self.path) as file:
            fill(file, buffer, begin)
        for block in range(first, last + 1):
            if not self._good[block]:
                at = block * BLOCK_BYTES - begin
                self._verify(block, buffer[at : at + BLOCK_BYTES])
        rows = buffer[low - begin : high - begin].view(self.dtype)
        return rows.reshape(stop - start, *self.shape[1:])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows; blocks they touch are verified first."""
        low = self.offset + rows * self.row_bytes
        first, last = low // BLOCK_BYTES, (low + self.row_bytes - 1) // BLOCK_BYTES
        spans = np.arange(1 + (last - first).max(initial=0))
        touched = np.unique(np.minimum(first[:, None] + spans, last[:, None]))
        unknown = touched[~self._good[touched]]
        if len(unknown):
            with open_binary(self.path) as file:
                for block in unknown.tolist():
                    self._verify(block, _block(file, self._stored_file, block))
        return super().take(rows)

    def _verify(self, block: int, data: np.ndarray) -> None:
        check_block(self.path, self._stored_file, block, data)
        self._good[block] = True


class IdFile:
    """Ids of a shard; the file is verified whole when first read."""

    scattered = False

    def __init__(self, folder: Path, shard: Shard, kind: str) -> None:
        assert shard.ids is not None
        self._stored, self._kind = shard.ids, kind
        self._path = _inside(folder, shard.ids)
        self.shape: tuple[int, ...] = (shard.rows,)
        self.dtype = np.dtype(np.int64 if kind == "int" else object)

    @cached_property
    def _column(self) -> Column:
        check_file(self._path, self._stored)
        column = parquet_column(self._path, "id")
        if column.shape != self.shape or column.dtype != self.dtype:
            raise FormatError(
                f"read {self._path.name}", f"ids {column.shape} of {column.dtype}",
                f"{self.shape} of {self.dtype}, as the manifest says",
                "Restore the shard from a copy.",
            )  # fmt: skip
        return column

    def read(self, start: int, stop: int) -> np.ndarray:
        """The ids of rows start .. stop-1."""
        return self._column.read(start, stop)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The ids of these rows."""
        return self._column.take(rows)


def check_file(path: Path, stored: StoredFile) -> None:
    """Raise FormatError unless ``path`` has the size and every checksum that were recorded."""
    with open_binary(path) as file:
        _check_size(path, stored, os.fstat(file.fileno()).st_size)
        for block in range(len(stored.checksums)):
            check_block(path, stored, block, _block(file, stored, block))


def _check_size(path: Path, stored: StoredFile, size: int) -> None:
    if size < stored.bytes:
        raise truncated(path, stored.bytes, size)
    if size > stored.bytes:
        raise FormatError(
            f"read {path.name}", f"a file of {size:,} bytes", f"the {stored.bytes:,} first written",
            "Restore the shard from a copy, or write the space again.",
        )  # fmt: skip


def _block(file: Any, stored: StoredFile, block: int) -> np.ndarray:
    data = np.empty(min(BLOCK_BYTES, stored.bytes - block * BLOCK_BYTES), dtype=np.uint8)
    fill(file, data, block * BLOCK_BYTES)
    return data


def check_block(path: Path, stored: StoredFile, block: int, data: Any) -> None:
    """Raise FormatError naming shard and block when the checksum of ``data`` differs."""
    if zlib.crc32(data) != stored.checksums[block]:
        raise FormatError(
            f"read {path.name}",
            f"a damaged block {block} of {len(stored.checksums)} "
            f"(bytes {block * BLOCK_BYTES:,} to {block * BLOCK_BYTES + len(data):,})",
            "the checksum that was written",
            "Restore the shard from a copy, or write the space again.",
        )


def _vectors(folder: Path, shard: Shard, manifest: Manifest) -> Column:
    path = _inside(folder, shard.vectors)
    column = npy_column(path, 0, shard.vectors.bytes)
    expected = (shard.rows, manifest.dim)
    if (
        column.fortran
        or column.shape != expected
        or column.stored != np.dtype(manifest.dtype).newbyteorder("<")
    ):
        raise FormatError(
            f"read {path.name}", f"{column.shape} of {column.stored}",
            f"{expected} of {manifest.dtype}", "Restore the shard from a copy.",
        )  # fmt: skip
    return VerifiedColumn(path, column.offset, shard, manifest.dim, column.stored)


def _inside(folder: Path, stored: StoredFile) -> Path:
    path = folder / stored.file
    if os.path.realpath(path) != str(Path(os.path.realpath(folder.parent)) / SHARDS / stored.file):
        raise FormatError(
            f"read {path.name}", "a link out of the space directory", "a plain file in shards/",
            "Put a copy of the shard in the place of the link.",
        )  # fmt: skip
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise FormatError(
            f"read {path.name}", "a missing shard", "every shard", "Restore the shard from a copy."
        ) from error
    _check_size(path, stored, size)
    return path
