"""Manifests: what a generation of a space directory consists of, as strictly checked JSON."""

import json
import re
import warnings
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.core.json_text import clip, loads, unique

VERSION = 1
BLOCK_BYTES = 4 << 20
SHARDS = "shards"
_SIZE_LIMIT = 256 << 20
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,120}")
_MANIFEST = re.compile(r"manifest-([0-9]{6,12})\.json")
DTYPES = ("float16", "float32", "float64")
ID_KINDS = ("range", "int", "string")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a shard: bare name, size in bytes, and the crc32 of each block of 4 MiB."""

    file: str
    bytes: int
    checksums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """An immutable piece of a space: its rows, its vectors and (unless virtual) its ids."""

    rows: int
    vectors: StoredFile
    ids: StoredFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One generation: what its vectors are, where they come from, and the shards they lie in.

    ``norm_policy`` says whether vectors have unit norm (``"unit"``), one other norm
    (``"constant"``) or any (``"free"``); ``ids`` is ``"range"``, ``"int"`` or ``"string"``.
    """

    generation: int
    rows: int
    dim: int
    dtype: str
    ids: str
    shards: tuple[Shard, ...]
    metric: str | None = None
    encoder: str | None = None
    norm_policy: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, Any] | None = None
    version: int = VERSION

    def as_json(self) -> bytes:
        """The manifest as UTF-8 JSON that carries the crc32 of its own canonical form."""
        data = asdict(self)
        return json.dumps(data | {"checksum": _checksum(data)}, indent=1, sort_keys=True).encode()


def manifest_name(generation: int) -> str:
    """The file name of a generation's manifest."""
    return f"manifest-{generation:06d}.json"


def generations(path: Path) -> list[int]:
    """The generations whose manifests lie in ``path``, oldest first, valid or not."""
    found = (_MANIFEST.fullmatch(entry.name) for entry in path.glob("manifest-*.json"))
    numbers = (int(match[1]) for match in found if match)
    # One name a generation: 000001 and 0000001 would be the same one twice.
    return sorted({number for number in numbers if (path / manifest_name(number)).exists()})


def newest(path: Path) -> Manifest:
    """The newest valid manifest of the space directory ``path``.

    Warns when a newer one is damaged; raises FormatError (the newest one's) when none is valid.
    """
    broken: list[FormatError] = []
    for generation in reversed(generations(path)):
        try:
            manifest = parse(path / manifest_name(generation))
        except FormatError as error:
            broken.append(error)
            continue
        if broken:
            warnings.warn(f"{broken[0]} Generation {generation} is used instead.", stacklevel=2)
        return manifest
    raise (
        broken[0]
        if broken
        else FormatError(
            f"open {path.name}", "no manifest", "a space directory with manifest-*.json"
        )
    )


def parse(path: Path) -> Manifest:
    """The manifest in ``path``; raises FormatError on anything that is not exactly one."""
    where = f"read {path.parent.name}/{path.name}"
    if not path.is_file():  # opening a pipe would wait for ever
        raise FormatError(where, "no plain file", "a manifest")
    size = path.stat().st_size
    if size > _SIZE_LIMIT:
        raise FormatError(where, f"{size:,} bytes", f"a manifest of at most {_SIZE_LIMIT:,} bytes")
    try:
        text = path.read_bytes()
        data = loads(text)
        if not isinstance(data, dict) or not unique(data, text):
            raise TypeError("no JSON object of different keys")
        version = data.get("version")
        if version != VERSION:
            raise FormatError(
                where, f"format version {clip(version)}", f"version {VERSION}", "Update isthmus."
            )
        checksum = data.pop("checksum")
        if checksum != _checksum(data):
            raise ValueError("its checksum does not match")
        data["shards"] = tuple(shard_from_json(shard) for shard in data["shards"])
        manifest = Manifest(**data)
        _check(manifest)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            where, f"a damaged manifest ({error!s:.200})", "one written by isthmus"
        ) from error
    if manifest_name(manifest.generation) != path.name:
        raise FormatError(where, f"generation {manifest.generation}", "the one in its name")
    return manifest


def stored_file(data: Any) -> StoredFile:
    """A StoredFile from JSON; raises ValueError on wrong fields and on names that leave the folder.

    >>> stored_file({"file": "../x.npy", "bytes": 0, "checksums": []})
    Traceback (most recent call last):
    ValueError: the file name '../x.npy' is not a bare name
    """
    _fields(data, StoredFile)
    if not isinstance(data["file"], str) or not _NAME.fullmatch(data["file"]):
        raise ValueError(f"the file name {clip(data['file'])} is not a bare name")
    sums = data["checksums"]
    if not isinstance(sums, list) or not all(_is_int(s, 0, 1 << 32) for s in sums):
        raise ValueError(f"checksums of {data['file']!r}")
    if not _is_int(data["bytes"]) or len(sums) != -(-data["bytes"] // BLOCK_BYTES):
        raise ValueError(f"size or number of checksums of {data['file']!r}")
    return StoredFile(data["file"], data["bytes"], tuple(sums))


def shard_from_json(data: Any) -> Shard:
    """A Shard from JSON; raises ValueError on wrong fields."""
    _fields(data, Shard)
    if not _is_int(data["rows"], 1):
        raise ValueError(f"shard rows {clip(data['rows'])}")
    ids = None if data["ids"] is None else stored_file(data["ids"])
    return Shard(data["rows"], stored_file(data["vectors"]), ids)


def _check(m: Manifest) -> None:
    facts = (
        (_is_int(m.generation, 1), "generation"),
        (_is_int(m.dim, 1, 1 << 24), "dim"),
        (m.dtype in DTYPES, "dtype"),
        (m.ids in ID_KINDS, "ids"),
        (len(m.shards) > 0 and _is_int(m.rows, 1), "rows"),
        (m.rows == sum(s.rows for s in m.shards), "rows that are not those of its shards"),
        (all((s.ids is None) == (m.ids == "range") for s in m.shards), "ids of shards"),
        (all(isinstance(t, str | None) for t in (m.metric, m.encoder, m.norm_policy)), "texts"),
        (isinstance(m.provenance, dict), "provenance"),
        (isinstance(m.fingerprint, dict | None), "fingerprint"),
    )
    for holds, what in facts:
        if not holds:
            raise ValueError(f"wrong {what}")
    least = m.dim * np.dtype(m.dtype).itemsize
    for shard in m.shards:
        if shard.vectors.bytes < shard.rows * least:
            raise ValueError(f"{shard.vectors.file!r} too small for its rows")
    names = [f.file for s in m.shards for f in (s.vectors, s.ids) if f]
    if len(set(names)) < len(names):
        raise ValueError("a file named twice")


def _fields(data: Any, kind: Any) -> None:
    if not isinstance(data, dict) or set(data) != set(kind.__slots__):
        raise ValueError(f"fields of a {kind.__name__}")


def _is_int(value: Any, low: int = 0, high: int = 1 << 62) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _checksum(data: dict[str, Any]) -> int:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return zlib.crc32(canonical.encode())
