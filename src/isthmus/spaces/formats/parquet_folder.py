"""Folders of Parquet files of one schema, in the order of their numbers."""

import re
from pathlib import Path

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import ChainColumn, Column
from isthmus.spaces.formats import parquet
from isthmus.spaces.formats.contents import Contents, Keys


def read(path: Path, keys: Keys) -> Contents:
    """The files, one after the other."""
    files = sorted(path.glob("*.parquet"), key=lambda p: (_numbers(p), p.name))
    parts = [parquet.read(file, keys) for file in files]
    vectors = [part.vectors for part in parts if part.vectors.shape[0]]
    ids: list[Column] = [p.ids for p in parts if p.ids is not None and p.vectors.shape[0]]
    alike = {(v.shape[1], v.dtype) for v in vectors}
    kinds = {column.dtype for column in ids}
    if len(alike) > 1 or len(kinds) > 1 or len(ids) not in (0, len(vectors)):
        raise FormatError(
            f"open {path.name}",
            f"files that differ in width, dtype or ids ({sorted(map(str, alike | kinds))})",
            "files of one schema",
        )
    if not vectors:
        return parts[0]
    return Contents(ChainColumn(vectors), ChainColumn(ids) if ids else None, parts[0].facts)


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.stem)]
