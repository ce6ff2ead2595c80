"""Whatever lies where a bridge is expected: a typed error, at once, and no memory taken."""

import contextlib
import json
import pickle
import random
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

import isthmus
from isthmus.bridges import file
from isthmus.core.errors import FormatError, SpaceMismatch

GO = ("translate", "old.npz", "-o", "moved", "-b")


class Bomb:
    def __reduce__(self):
        return open, ("exploded", "w")


def no_bridge(kind, here):
    header = lambda length, text=b"": struct.pack("<Q", length) + text  # noqa: E731
    huge = b'{"w":{"dtype":"F32","shape":[500000000000],"data_offsets":[0,2000000000000]}}'
    if kind == "pickle":
        return pickle.dumps(Bomb())
    if kind == "object array":
        np.save(here / "o.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
        return (here / "o.npy").read_bytes()
    if kind == "torch":
        with zipfile.ZipFile(here / "t.zip", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
        return (here / "t.zip").read_bytes()
    return {
        "empty": b"",
        "seven bytes": b"1234567",
        "text": b"hello, this is not a bridge\n" * 5,
        "zeros": bytes(4096),
        "random": np.random.default_rng(0).bytes(5000),
        "a header of 1 TB": header(10**12) + b"{}" * 100,
        "a header of 2^64": b"\xff" * 200,
        "a tensor of 1 TB": header(len(huge), huge),
        "other tensors": save({"w": np.ones((3, 3), np.float32)}),
        "not our text": save({"w": np.ones(3)}, metadata={"isthmus": "not json"}),
        "deep": header(8 << 20, b"[" * (8 << 20)),
        "deep description": save({"w": np.ones(3)}, metadata={"isthmus": "[" * 100_000}),
        "a list": header(2, b"[]"),
        "no format": save({"w": np.ones(3)}, metadata={"isthmus": "{}"}),
        "next format": save({"w": np.ones(3)}, metadata={"isthmus": '{"format": 2}'}),
    }[kind]


KINDS = ["pickle", "object array", "torch", "empty", "seven bytes", "text", "zeros", "random"]
KINDS += ["a header of 1 TB", "a header of 2^64", "a tensor of 1 TB", "other tensors"]
KINDS += ["not our text", "deep", "deep description", "a list", "no format", "next format"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_bridge(refused, here, kind):
    (here / "x").write_bytes(no_bridge(kind, here))
    size = (here / "x").stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            isthmus.load(here / "x")
        # What is taken is in proportion to what is there, never to what the header says.
        assert tracemalloc.get_traced_memory()[1] < 20 * size + 3e6
    finally:
        tracemalloc.stop()
    said = refused(5, "FormatError", *GO, "x")
    assert "load bridge" in said
    assert not (here / "exploded").exists()


def test_no_file_at_all(refused, here):
    refused(6, "StorageError", *GO, "nowhere")
    (here / "folder").mkdir()
    (here / "folder" / "x").write_text("")
    refused(6, "StorageError", *GO, "folder")


def mutants(data, count):
    """Bridge files with something wrong in the header, or of the wrong length."""
    draw = random.Random(11)
    end = 8 + int.from_bytes(data[:8], "little")
    for number in range(count):
        kind = number % 5
        head, body = bytearray(data[:end]), data[end:]
        at = draw.randrange(len(head))
        if kind == 0:
            head[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            head[at] = draw.randrange(256)
        elif kind == 2:
            del head[at : at + draw.randrange(1, 40)]
        elif kind == 3:
            head[at:at] = bytes(draw.choices(b'0123456789-e."[]{},:tfn', k=draw.randrange(1, 9)))
        else:
            yield data[: draw.randrange(len(data))]
            continue
        if kind in (2, 3) and number % 2:  # a length that fits, so that more is parsed
            head[:8] = struct.pack("<Q", len(head) - 8)
        yield bytes(head) + body


ODD = [None, True, -1, 0, 1, 10**30, 1e308, "", "x", [], {}, [[]], [1, 2], {"a": 1}, "\x00"]


def forgeries(data, count):
    """Well-formed files that say something odd in one place of their description."""
    draw = random.Random(13)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    for number in range(count):
        forged = json.loads(json.dumps(header))
        text = json.loads(forged["__metadata__"]["isthmus"])
        node = text if number % 3 else forged
        while True:
            key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.7:
                node = node[key]
                continue
            if draw.random() < 0.2 and isinstance(node, dict):
                del node[key]
            else:
                node[key] = draw.choice(ODD)
            break
        # Whoever forges a file can add up.
        tensors = {name: spec for name, spec in forged.items() if name != "__metadata__"}
        text["header_crc32"] = file.header_crc(text, tensors)
        if isinstance(forged.get("__metadata__"), dict):
            forged["__metadata__"]["isthmus"] = json.dumps(text)
        raw = json.dumps(forged).encode()
        yield struct.pack("<Q", len(raw)) + raw + body


METHODS = ["orthogonal", "affine", "low_rank", "relative"]


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_bridge_is_refused_or_the_same(here, x, y, method):
    fitted = isthmus.fit(x, y, method=method)
    data = fitted.save(here / "m").read_bytes()
    wanted = isthmus.load(here / "m")
    refused = 0
    started = time.perf_counter()
    for mutant in mutants(data, 120):
        (here / "m").write_bytes(mutant)
        try:
            found = isthmus.load(here / "m")
        except FormatError:
            refused += 1
            continue
        assert (found.as_dict(), found.source) == (wanted.as_dict(), wanted.source)
        np.testing.assert_array_equal(found.transform(x[:5]), wanted.transform(x[:5]))
    assert refused > 90
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("method", METHODS)
def test_a_forged_bridge_is_refused_or_usable(here, x, y, method):
    data = isthmus.fit(x, y, method=method).save(here / "m").read_bytes()
    refused = used = 0
    for forged in forgeries(data, 120):
        (here / "m").write_bytes(forged)
        try:
            loaded = isthmus.load(here / "m")
        except FormatError:
            refused += 1
            continue
        used += 1
        with np.errstate(all="ignore"):  # a forged scale may well be absurd
            assert loaded.transform(x[:5]).shape == (5, y.shape[1])
        str(loaded)
        loaded.save(here / "again")
        with contextlib.suppress(SpaceMismatch):  # a forged fingerprint may well be foreign
            loaded.check(x)
    assert refused > 25
    assert used > 3


def test_flipped_weights_are_noticed(refused, here):
    data = bytearray((here / "b.isthmus").read_bytes())
    data[-20] ^= 1
    (here / "b.isthmus").write_bytes(data)
    assert "do not match their checksum" in refused(5, "FormatError", *GO, "b.isthmus")
