"""The binary COPY format of PostgreSQL for rows of an id, a vector and perhaps one JSON text.

A stream is a header, then rows, then an int16 of -1. A row is an int16 number of fields, each an
int32 length and its bytes, all big-endian; a vector is int16 dimensions, int16 unused, float32
values. Source: PostgreSQL documentation, COPY, Binary Format; pgvector, vector_send.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from isthmus.core.errors import FormatError, InputError

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
#: Integer types of ids by how COPY writes them; every other id is text or a uuid.
INTEGERS = {"int2": ">i2", "int4": ">i4", "int8": ">i8"}
_LENGTH = struct.Struct(">i")


def encoded(
    ids: np.ndarray, vectors: np.ndarray, id_type: str, payload: Sequence[Mapping] | None = None
) -> bytes:
    """Rows of ``ids`` (m,) and float32 ``vectors`` (m, dim), with a third field if ``payload``.

    >>> encoded(np.array([7]), np.ones((1, 1), np.float32), "int4").hex(" ", 4)
    '0002 00000004 00000007 00000008 00010000 3f800000'
    """
    rows, dim = vectors.shape
    field = np.dtype(
        [("length", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("values", ">f4", (dim,))]
    )
    keys = _keys(ids, id_type)
    if payload is None and isinstance(keys, np.ndarray):
        row = np.dtype([("fields", ">i2"), ("size", ">i4"), ("id", keys.dtype), ("vector", field)])
        out = np.zeros(rows, row)
        out["fields"], out["size"], out["id"] = 2, keys.itemsize, keys
        _fill(out["vector"], vectors)
        return out.tobytes()
    block = np.zeros(rows, field)
    _fill(block, vectors)
    data, size = block.tobytes(), field.itemsize
    if isinstance(keys, np.ndarray):
        # Not key by key: a scalar of an array forgets its byte order.
        keys = [one.tobytes() for one in keys.reshape(-1, 1)]
    parts = []
    for number, key in enumerate(keys):
        parts += [
            struct.pack(">hi", 2 if payload is None else 3, len(key)), key,
            data[number * size : (number + 1) * size],
        ]  # fmt: skip
        if payload is not None:
            text = _json(payload[number])
            parts += [_LENGTH.pack(len(text)), text]
    return b"".join(parts)


def decoded(
    rows: list[bytes], kind: str, *, payload: bool
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]] | None]:
    """Ids, vectors (m, dim) and payloads of ``rows`` that hold an int8 or text, a vector, a JSON.

    Raises
    ------
    FormatError
        On vectors of several lengths.

    """
    if kind == "int" and not payload and len({len(row) for row in rows}) == 1:
        dim = (len(rows[0]) - 22) // 4
        row = np.dtype([("skip", "V6"), ("id", ">i8"), ("head", "V8"), ("vector", ">f4", (dim,))])
        block = np.frombuffer(b"".join(rows), row)
        return block["id"].astype(np.int64), block["vector"].astype(np.float32), None
    keys, vectors, carried = [], [], []
    for data in rows:
        (size,) = _LENGTH.unpack_from(data, 2)
        keys.append(bytes(data[6 : 6 + size]))
        start = 6 + size
        (size,) = _LENGTH.unpack_from(data, start)
        vectors.append(data[start + 4 : start + 4 + size])
        if payload:
            carried.append(json.loads(bytes(data[start + 8 + size :])))
    ids = (
        np.frombuffer(b"".join(keys), ">i8").astype(np.int64) if kind == "int"
        else np.array([key.decode() for key in keys], dtype=str)
    )  # fmt: skip
    return ids, values(vectors), carried if payload else None


def values(sent: Sequence[Any]) -> np.ndarray:
    """Vectors (m, dim) float32 from what ``vector_send`` gives of each."""
    sizes = {len(one) for one in sent}
    if len(sizes) > 1:
        raise FormatError(
            "read vectors", f"vectors of {sorted((size - 4) // 4 for size in sizes)} dimensions",
            "one length", "Keep those of each length in a column of their own.",
        )  # fmt: skip
    size = sizes.pop() if sizes else 4
    block = np.frombuffer(b"".join(sent), np.uint8).reshape(len(sent), size)
    return np.ascontiguousarray(block[:, 4:]).view(">f4").astype(np.float32)


def _fill(block: np.ndarray, vectors: np.ndarray) -> None:
    dim = vectors.shape[1]
    block["length"], block["dim"], block["values"] = 4 + 4 * dim, dim, vectors


def _keys(ids: np.ndarray, id_type: str) -> np.ndarray | list[bytes]:
    """Ids as COPY writes them; raises InputError on what the column cannot hold."""
    where = f"write ids of type {id_type}"
    if id_type in INTEGERS:
        wanted = np.dtype(INTEGERS[id_type])
        bounds = np.iinfo(wanted)
        if ids.dtype.kind not in "iu":
            raise InputError(where, f"ids of dtype {ids.dtype}", "integers")
        if len(ids) and (ids.min() < bounds.min or ids.max() > bounds.max):
            wrong = ids[(ids < bounds.min) | (ids > bounds.max)]
            raise InputError(where, f"the id {wrong[0]}", f"{bounds.min} to {bounds.max}")
        return ids.astype(wanted)
    if ids.dtype.kind in "iu":
        raise InputError(where, f"ids of dtype {ids.dtype}", "text")
    try:
        if id_type == "uuid":
            return [UUID(key).bytes for key in ids.tolist()]
        return [key.encode() for key in ids.tolist()]
    except ValueError as error:
        raise InputError(where, str(error), f"ids that are {id_type}") from None


def _json(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(row), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError("write a payload", str(error), "plain JSON values") from None
