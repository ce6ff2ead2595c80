"""The binary COPY format, against an encoder that packs field by field."""

import json
import struct
from uuid import UUID

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError
from isthmus.spaces.stores.pgvector_copy import decoded, encoded, values

V = np.array([[1.5, -2.0, 0.25], [3.0, 1e-30, -0.0]], np.float32)
CODES = {"int2": "h", "int4": "i", "int8": "q"}
UUIDS = ["00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000002"]


def by_hand(ids, vectors, id_type, payload=None):
    out = b""
    for k, (key, vector) in enumerate(zip(ids, vectors, strict=True)):
        if id_type in CODES:
            key = struct.pack(">" + CODES[id_type], key)
        else:
            key = UUID(key).bytes if id_type == "uuid" else key.encode()
        sent = struct.pack(f">hh{len(vector)}f", len(vector), 0, *vector)
        fields = [key, sent] + ([] if payload is None else [json.dumps(payload[k]).encode()])
        out += struct.pack(">h", len(fields))
        out += b"".join(struct.pack(">i", len(field)) + field for field in fields)
    return out


def rows_of(ids, vectors, id_type, payload=None):
    return [
        by_hand(ids[k : k + 1], vectors[k : k + 1], id_type, payload and payload[k : k + 1])
        for k in range(len(ids))
    ]


CASES = [
    ([-(1 << 15), 7], "int2"), ([-(1 << 31), 7], "int4"), ([-(1 << 63), (1 << 63) - 1], "int8"),
    (["a", "ä b"], "text"), (["", "longer than the other"], "varchar"), (UUIDS, "uuid"),
]  # fmt: skip


@pytest.mark.parametrize("payload", [None, [{"a": 1}, {"b": "ä", "c": None}]])
@pytest.mark.parametrize(("ids", "id_type"), CASES)
def test_rows_are_those_packed_by_hand(ids, id_type, payload):
    found = encoded(np.array(ids), V, id_type, payload)
    assert found == by_hand(ids, V, id_type, payload)


@pytest.mark.parametrize("payload", [None, [{"a": 1}, {"b": "ä"}]])
@pytest.mark.parametrize(("ids", "kind"), [([-3, 1 << 40], "int"), (["ä", ""], "string")])
def test_rows_come_back_to_the_last_bit(ids, kind, payload):
    id_type = "int8" if kind == "int" else "text"
    rows = rows_of(ids, V, id_type, payload)
    keys, vectors, carried = decoded(rows, kind, payload=payload is not None)
    assert keys.tolist() == ids
    assert vectors.tobytes() == V.tobytes()
    assert carried == payload


def test_no_rows_are_no_bytes():
    assert encoded(np.empty(0, np.int64), np.empty((0, 3), np.float32), "int8") == b""
    assert values([]).shape == (0, 0)


def test_vectors_of_several_lengths_are_refused():
    rows = [by_hand([1], V[:1], "int8"), by_hand([2], V[:1, :2], "int8")]
    with pytest.raises(FormatError, match=r"vectors of \[2, 3\] dimensions"):
        decoded(rows, "int", payload=False)


@pytest.mark.parametrize(
    ("ids", "id_type", "said"),
    [
        ([1, 1 << 15], "int2", "the id 32768; expected -32768 to 32767"),
        ([-(1 << 31) - 1, 5], "int4", "the id -2147483649; expected"),
        (["a"], "int8", "ids of dtype .*; expected integers"),
        ([1], "text", "ids of dtype int64; expected text"),
        (["no uuid"], "uuid", "expected ids that are uuid"),
    ],
)
def test_an_id_that_the_column_cannot_hold_is_named(ids, id_type, said):
    with pytest.raises(InputError, match=said):
        encoded(np.array(ids), V[: len(ids)], id_type)


@pytest.mark.parametrize("row", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"x"}])
def test_payload_that_is_no_json_is_refused(row):
    with pytest.raises(InputError, match="expected plain JSON values"):
        encoded(np.array([1]), V[:1], "int8", [row])
