"""Hostile files made from honest ones: seeded mutations of bridge files and of manifests."""

import copy
import json
import struct
import zlib

import numpy as np

from isthmus.bridges import file
from isthmus.spaces import manifest

LONG = "A" * 50_000
#: What a field is replaced by. Texts that only the file's raw bytes can hold are put in after.
HOSTILE = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, 10**18, 10**300, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "x", "../secret.npy", "/etc/passwd", "a\0b", "é", "\U0001f600" * 50, LONG,
    [], [[]], [0, 10**12], [-1, 5], [2**40, 2**40], {}, {"a": 1}, [0] * 300, "float64", "object",
]  # fmt: skip
#: Texts put where a value stood: each costs far more in memory, or in time, than in the file.
BOMBS = [
    b"[" * 50_000, b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b"[" + b"[]," * 40_000 + b"[]]", b"[" + b"{}," * 40_000 + b"{}]",
    b"[" + b'{"a":1},' * 20_000 + b"1]", b"[" + b"-6," * 60_000 + b"0]",
    b"[" + b'"ab",' * 40_000 + b"0]", b"9" * 4000, b"9" * 100_000, b"0." + b"1" * 100_000,
    b"1e" + b"9" * 1000, b'"' + b"x" * 200_000 + b'"', b'"' + b"\\ud83d\\ude00" * 10_000 + b'"',
    b'"' + b"x" * 100_000 + b'\\ud83d\\ude00"', b'"\\u0000"', b"NaN", b"-Infinity", b"",
    b'{"dim":1,"dim":2}', b'"\xff\xfe"',
    b"{" + b",".join(b'"%d":0' % k for k in range(30_000)) + b"}",
]  # fmt: skip


def noise(data, rng):
    """Bytes changed, lost, added or moved, by somebody who mends nothing."""
    data = bytearray(data)
    kind, at = int(rng.integers(6)), int(rng.integers(len(data)))
    span = int(rng.integers(1, 64))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[at : at + span] = rng.bytes(span)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data += rng.bytes(span)
    elif kind == 4:
        other = int(rng.integers(len(data)))
        piece, there = data[at : at + span], data[other : other + span]
        data[at : at + len(there)], data[other : other + len(piece)] = there, piece
    else:
        del data[at : at + span]
    return bytes(data)


def damage(value, rng):
    """One field somewhere inside ``value`` replaced, removed, renamed, doubled or swapped."""
    value = copy.deepcopy(value)
    spots = list(_spots(value))
    where, key = spots[int(rng.integers(len(spots)))]
    kind = int(rng.integers(8))
    if kind == 0:
        del where[key]
    elif kind == 1 and isinstance(where, dict):
        where[str(HOSTILE[int(rng.integers(len(HOSTILE)))])[:40]] = where.pop(key)
    elif kind == 2:
        there, other = spots[int(rng.integers(len(spots)))]
        where[key], there[other] = copy.deepcopy(there[other]), copy.deepcopy(where[key])
    elif kind == 3 and isinstance(where, list):
        where.insert(key, copy.deepcopy(where[key]))
    elif kind == 4 and type(where[key]) is int:
        where[key] += int(rng.choice([-1, 1, 8, -8, 2**20, 10**9]))
    else:
        where[key] = HOSTILE[int(rng.integers(len(HOSTILE)))]
    return value


def _spots(value):
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(inside):
        yield value, key
        if isinstance(item, dict | list) and item:
            yield from _spots(item)


def bomb(text, rng):
    """A value of the JSON ``text`` (bytes) replaced by one of the bombs."""
    at = max(text.find(mark, int(rng.integers(len(text)))) for mark in (b":", b",")) + 1
    ends = [end for end in (text.find(mark, at) for mark in (b",", b"}", b"]")) if end > 0]
    return text[:at] + BOMBS[int(rng.integers(len(BOMBS)))] + text[min(ends) :]


def hostile_bridge(data, other, rng):
    """A mutated bridge file, and whether its checksums were mended."""
    kind = int(rng.integers(10))
    length = int.from_bytes(data[:8], "little")
    head, body = data[8 : 8 + length], data[8 + length :]
    if kind < 3:
        return noise(data, rng), False
    if kind == 3:
        wrong = int(rng.choice([0, 1, length - 1, length + 1, 2**24, 2**32, 2**63 - 1]))
        return struct.pack("<Q", wrong) + data[8:], False
    if kind == 4:
        head = bomb(head, rng)
        return struct.pack("<Q", len(head)) + head + body, False
    header = json.loads(head)
    text = header.pop("__metadata__")["isthmus"]
    said = json.loads(text)
    if kind == 5:  # tensors that are not what they say, of another file, too large or not finite
        words = bytearray(body)
        at = int(rng.integers(len(body) // 8)) * 8
        words[at : at + 8] = struct.pack("<d", float(rng.choice([np.nan, np.inf, 1e308, -1e300])))
        body = (
            bytes(words) if rng.random() < 0.6 else other[8 + int.from_bytes(other[:8], "little") :]
        )
    elif kind in (6, 7):
        header = damage(header, rng)
    elif kind == 8:
        said = damage(said, rng)
    return forged(said, header, body, bomb if kind == 9 else None, rng), True


def forged(said, header, body, last=None, rng=None):
    """A bridge file whose checksums fit whatever it says."""
    said = dict(said) if isinstance(said, dict) else {}
    said |= {"crc32": zlib.crc32(body)} if "crc32" in said else {}
    said["header_crc32"] = file.header_crc(said, header)
    text = json.dumps(said, sort_keys=True).encode()
    text = last(text, rng) if last else text
    whole = {"__metadata__": {"isthmus": text.decode("latin-1")}, **header}
    head = json.dumps(whole, separators=(",", ":")).encode()
    return struct.pack("<Q", len(head)) + head + body


def hostile_manifest(data, rng):
    """A mutated manifest, and whether its checksum was mended."""
    kind = int(rng.integers(8))
    if kind < 2:
        return noise(data, rng), False
    if kind == 2:
        return bomb(data, rng), False
    said = json.loads(data)
    del said["checksum"]
    if kind == 3:
        shard = said["shards"][int(rng.integers(len(said["shards"])))]
        name = ["../secret.npy", "..", "/etc/passwd", "shards/../../secret.npy", "a" * 5000]
        shard["vectors"]["file"] = name[int(rng.integers(len(name)))]
    elif kind == 4:
        rng.shuffle(said["shards"])
        said["shards"] = said["shards"] * int(rng.integers(1, 3))
    else:
        said = damage(said, rng)
    mended = said | {"checksum": manifest._checksum(said)} if isinstance(said, dict) else said
    return json.dumps(mended, indent=1, sort_keys=True).encode(), True
