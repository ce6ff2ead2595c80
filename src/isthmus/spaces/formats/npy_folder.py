"""Folders of ``.npy`` shards, plain or in the LAION layout, with ids in Parquet beside them.

LAION: ``img_emb/img_emb_0.npy`` with ``metadata/metadata_0.parquet``. Plain: ``0.npy``, ``1.npy``
with ``0.parquet``, ``0.ids.parquet`` or ``metadata_0.parquet`` beside them, or without ids.
"""

import re
from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import ChainColumn, Column
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.formats.npy import npy_column
from isthmus.spaces.formats.parquet import open_parquet, parquet_column
from isthmus.spaces.formats.tables import id_name


def read(path: Path, keys: Keys) -> Contents:
    """The shards in the order of their numbers, one after the other."""
    folder = _folder(path)
    shards = sorted(folder.glob("*.npy"), key=_natural)
    parts = [npy_column(shard, 0, shard.stat().st_size) for shard in shards]
    where = f"open {path.name}"
    for shard, part in zip(shards, parts, strict=True):
        if part.shape[1:] != parts[0].shape[1:] or len(part.shape) != 2:
            raise FormatError(
                where, f"{shard.name} of shape {part.shape}",
                f"shards (rows, dim) as wide as {shards[0].name} {parts[0].shape}",
            )  # fmt: skip
        if part.dtype != parts[0].dtype:
            raise FormatError(
                where, f"{shard.name} of {part.dtype}", f"{parts[0].dtype} as in {shards[0].name}"
            )
    return Contents(_chain(list(parts)), _ids(where, shards, list(parts), keys))


def _folder(path: Path) -> Path:
    if any(path.glob("*.npy")):
        return path
    found = sorted({shard.parent for shard in path.glob("*_emb/*.npy")})
    if len(found) == 1:
        return found[0]
    raise FormatError(
        f"open {path.name}", f"folders {[f.name for f in found]}", "one set of vectors",
        f"Open one of them: isthmus.open('{path.name}/{found[0].name}').",
    )  # fmt: skip


def _ids(where: str, shards: list[Path], parts: list[Column], keys: Keys) -> Column | None:
    tables = [_table(shard) for shard in shards]
    if not any(tables):
        if keys.ids is not None:
            raise FormatError(where, f"no Parquet beside the shards for {keys.ids!r}", "metadata")
        return None
    columns: list[Column] = []
    for shard, table, part in zip(shards, tables, parts, strict=True):
        if table is None:
            raise FormatError(where, f"no metadata for {shard.name}", "metadata for every shard")
        name = id_name(f"open {table.name}", open_parquet(table).schema_arrow, keys)
        if name is None:
            return None
        columns.append(parquet_column(table, name))
        if columns[-1].shape[0] != part.shape[0]:
            raise FormatError(
                where, f"{columns[-1].shape[0]:,} rows in {table.name}",
                f"the {part.shape[0]:,} of {shard.name}",
            )  # fmt: skip
    return _chain(columns)


def _table(shard: Path) -> Path | None:
    number = (re.findall(r"\d+", shard.stem) or [""])[-1]
    names = [f"{shard.stem}.parquet", f"{shard.stem}.ids.parquet", f"metadata_{number}.parquet"]
    places = [shard.parent / name for name in names]
    places.append(shard.parent.parent / "metadata" / f"metadata_{number}.parquet")
    return next((place for place in places if place.exists()), None)


def _natural(path: Path) -> tuple[list[int], str]:
    return [int(n) for n in re.findall(r"\d+", path.stem)], path.name


def _chain(parts: list[Column]) -> Column:
    if len({np.dtype(part.dtype).kind in "iu" for part in parts}) > 1:
        raise FormatError("open shards", "integer ids in one shard and text in another", "one kind")
    return parts[0] if len(parts) == 1 else ChainColumn(parts)
