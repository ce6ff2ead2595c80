"""NumPy's ``.npz``: a zip of ``.npy`` members; uncompressed ones are read in place."""

import contextlib
import io
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import ArrayColumn, Column, open_binary, truncated
from isthmus.spaces.formats.contents import ID_KEYS, VECTOR_KEYS, Contents, Keys, choose, declared
from isthmus.spaces.formats.npy import HEADER_LIMIT, npy_column, parse_header

_LOCAL = struct.Struct("<4s5H3I2H")
_SCALAR_LIMIT = 4096
_DEFLATE_LIMIT = 1032  # no deflate stream expands further


def read(path: Path, keys: Keys) -> Contents:
    """Vectors under one of the usual keys (or the only matrix), ids under ``ids`` and the like."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise FormatError(
            f"open {path.name}", f"a truncated or broken zip ({error})", "a .npz file"
        ) from error
    where, present = f"open {path.name}", list(members)
    key = choose(where, present, keys.vectors, VECTOR_KEYS, "vectors key")
    id_key = choose(where, present, keys.ids, ID_KEYS, "ids key")
    if key is None:
        rest = [name for name in present if name not in (id_key, "encoder", "metric", "scale")]
        if len(rest) != 1:
            raise FormatError(
                where, f"keys {present}", f"vectors under one of {list(VECTOR_KEYS)}",
                "Name the key: isthmus.open(path, vectors='key').",
            )  # fmt: skip
        key = rest[0]
    vectors = _member(path, members[key])
    ids = None if id_key is None else _member(path, members[id_key])
    return Contents(vectors, ids, declared(where, _scalars(path, members)))


def _scalars(path: Path, members: dict[str, zipfile.ZipInfo]) -> dict[str, object]:
    """The small members without dimensions: numpy.savez(..., encoder="minilm", scale=0.01)."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name, info in members.items():
            if info.file_size < _SCALAR_LIMIT:
                # What cannot be read here is no scalar; what is needed was judged above.
                with contextlib.suppress(ValueError, zipfile.BadZipFile, zlib.error, EOFError):
                    value = np.lib.format.read_array(io.BytesIO(archive.read(info)))
                    if value.ndim == 0:
                        found[name] = value.item()
    return found


def _member(path: Path, info: zipfile.ZipInfo) -> Column:
    if info.flag_bits & 1:
        raise FormatError(f"open {path.name}", f"the encrypted member {info.filename!r}", "a .npz")
    if info.compress_type == zipfile.ZIP_STORED:
        return npy_column(path, _data_offset(path, info), info.file_size)
    if info.file_size > _DEFLATE_LIMIT * info.compress_size + 1024:
        raise FormatError(
            f"open {path.name}",
            f"member {info.filename!r} claiming {info.file_size:,} bytes out of "
            f"{info.compress_size:,}",
            "a size that compression can reach",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            data = archive.read(info)
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FormatError(
            f"open {path.name}",
            f"member {info.filename!r} that cannot be unpacked ({str(error)[:120]})",
            "an undamaged .npz file",
        ) from error
    header = parse_header(data[:HEADER_LIMIT], f"open {path.name}")
    need = header.length + prod(header.shape) * header.dtype.itemsize
    if len(data) < need:
        raise truncated(path, need, len(data))
    flat = np.frombuffer(data, header.dtype, prod(header.shape), header.length)
    return ArrayColumn(flat.reshape(header.shape, order="F" if header.fortran else "C"))


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    with open_binary(path) as file:
        file.seek(info.header_offset)
        head = file.read(_LOCAL.size)
    size = path.stat().st_size
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise FormatError(f"open {path.name}", "a broken zip member header", "a .npz file")
    fields = _LOCAL.unpack(head)
    offset: int = info.header_offset + _LOCAL.size + fields[9] + fields[10]
    if offset + info.file_size > size:
        raise truncated(path, offset + info.file_size, size)
    return offset
