"""Hostile files, 11,000 of them: read right or refused, in a second, in ten times their size.

Of memory 128 KiB come on top, whatever the size: what a reader needs besides. Sound and mutated
files of 8 kB took up to 64 kB beyond the ten times, smaller ones up to 6 kB in all.
"""

import contextlib
import json
import os
import signal
import time
import tracemalloc
import warnings
from collections import Counter

import numpy as np
import pytest
from mutations import BOMBS, forged, hostile_bridge, hostile_manifest, noise

import isthmus
from isthmus import runtime
from isthmus.core.errors import FormatError, IsthmusError
from isthmus.spaces.directory import write_space

BRIDGES, MANIFESTS, SHARDS, PARTS = 5000, 5000, 1000, 4
SECONDS, TIMES, FREE = 1.0, 10, 1 << 17
#: Seconds on the wall, where other work on the machine counts too: for what waits and burns none.
PATIENCE = 10.0
ROWS = np.random.default_rng(0).normal(size=(240, 6)) * np.linspace(3, 0.5, 6)


class Hang(BaseException):
    """Raised in a reader that outstays PATIENCE; no ``except Exception`` holds it back."""


@pytest.fixture(autouse=True)
def alarm():
    def ring(number, frame):
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, before)


def judge(read, path, sound, *, size=None):
    """How reading ``path`` ended: ``read`` or ``refused``, or else what was wrong with it.

    Threads that earlier tests left (Ray's) count in time and memory too; what a file costs, it
    costs again.
    """
    outcome = judged(read, path, sound, size=size)
    if outcome.startswith(("hang", "bloat")):
        return judged(read, path, sound, size=size)
    return outcome


def judged(read, path, sound, *, size):
    size = path.stat().st_size if size is None else size
    tracemalloc.start()
    start = time.process_time()
    error = None
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        found = read(path)
    except Hang:
        error = f"hang: {PATIENCE} s of waiting"
    except IsthmusError as refusal:
        if len(str(refusal)) > 3000:
            error = "an endless message"
    except Exception as crash:  # whatever it is, it must not come out of a reader
        error = f"crash: {type(crash).__name__} {crash!s:.80}"
    else:
        error = "read" if sound(found) else "wrong: read as something else"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.process_time() - start
    spent = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if seconds > SECONDS:
        return f"hang: {seconds:.1f} s"
    if spent > TIMES * size + FREE:
        return f"bloat: {spent:,} bytes for {size:,}"
    return error or "refused"


@pytest.fixture(scope="module")
def bridges(tmp_path_factory):
    """Bridge files as bytes: linear ones, one that is none, one with an origin."""
    folder, made = tmp_path_factory.mktemp("bridges"), []
    for method, x in (
        ("orthogonal", ROWS), ("affine", ROWS), ("affine", ROWS + 1e5), ("low_rank", ROWS),
        ("kernel_ridge", ROWS),
    ):  # fmt: skip
        bridge = isthmus.fit(x, ROWS[:, ::-1] * 2 + 1, method=method)
        made.append(bridge.save(folder / "b").read_bytes())
    return made


def truth(data, folder):
    (folder / "honest").write_bytes(data)
    return isthmus.load(folder / "honest").transform(ROWS[:5])


def same_map(honest, mended):
    """Whether a loaded map is the honest one, or at least, where all was mended, a map at all."""

    def sound(bridge):
        call = bridge.transform if hasattr(bridge, "transform") else bridge
        dim = bridge.source.dim if hasattr(bridge, "transform") else bridge.dim_source
        try:
            with np.errstate(all="ignore"):
                moved = call(ROWS[:5] if dim == 6 else np.ones((5, dim)))
        except IsthmusError:  # numbers too large to work with
            return mended
        if mended:
            return moved.ndim == 2 and len(moved) == 5
        return moved.shape == honest.shape and np.allclose(moved, honest, rtol=1e-9)

    return sound


def fuzz_bridges(read, bridges, folder, seed, count):
    """Outcomes of ``count`` mutated bridge files."""
    rng, outcomes, path = np.random.default_rng(seed), Counter(), folder / "hostile"
    honest = [truth(data, folder) for data in bridges]
    for _ in range(count):
        one, two = rng.integers(len(bridges), size=2)
        data, mended = hostile_bridge(bridges[one], bridges[two], rng)
        path.write_bytes(data)
        for reader in read:
            outcomes[judge(reader, path, same_map(honest[one], mended))] += 1
    return outcomes


def bad(outcomes):
    return {what: n for what, n in outcomes.items() if what not in ("read", "refused")}


@pytest.mark.parametrize("seed", range(PARTS))
def test_bridge_files(bridges, tmp_path, seed, faults):
    readers = (isthmus.load, runtime.load)
    outcomes = fuzz_bridges(readers, bridges, tmp_path, seed, BRIDGES // PARTS)
    faults("fuzzed bridge files", BRIDGES // PARTS)
    assert not bad(outcomes)
    assert outcomes["refused"] > 2 * outcomes["read"] > 20


@pytest.fixture
def spaces(tmp_path):
    """Two space directories with a file beside their shards that no manifest may name."""
    secret = np.full((80, 6), 7.0, np.float32)
    made = []
    for name, ids in (("text", [f"i{k}" for k in range(240)]), ("range", None)):
        space = write_space(
            tmp_path / name, ROWS.astype(np.float32), ids, rows_per_shard=80, encoder="m",
            metric="cosine", provenance={"from": "test"},
            fingerprint=isthmus.open(ROWS).fingerprint().as_dict() if ids is None else None,
        )  # fmt: skip
        np.save(space.path / "secret.npy", secret)
        made.append(space.path)
    return made


def read_space(path):
    """All that a space directory holds; ``path`` is its manifest."""
    space = isthmus.open(path.parent)
    space.fingerprint()
    return space.vectors(), space.ids


def is_ours(found):
    known = {row.tobytes() for row in ROWS.astype(np.float32)}
    return len(found[0]) == len(found[1]) and all(row.tobytes() in known for row in found[0])


def fuzz_manifests(read, spaces, seed, count):
    """Outcomes of ``count`` mutated manifests."""

    def damaged(manifest, honest, rng):
        manifest.write_bytes(hostile_manifest(honest[manifest], rng)[0])
        return manifest

    return fuzz_spaces(read, spaces, seed, count, damaged)


def fuzz_shards(read, spaces, seed, count):
    """Outcomes of ``count`` shards mutated below honest manifests."""

    def damaged(manifest, honest, rng):
        shards = [file for file in honest if file != manifest]
        broken = shards[int(rng.integers(len(shards)))]
        broken.write_bytes(damaged_shard(honest[broken], rng))
        return broken

    return fuzz_spaces(read, spaces, seed, count, damaged)


def fuzz_spaces(read, spaces, seed, count, damaged):
    rng, outcomes = np.random.default_rng(seed), Counter()
    for path in spaces:
        manifest = path / "manifest-000001.json"
        files = [manifest, *sorted((path / "shards").iterdir())]
        honest = {file: file.read_bytes() for file in files}
        for _ in range(count // len(spaces)):
            broken = damaged(manifest, honest, rng)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                size = sum(file.stat().st_size for file in files)
                outcomes[judge(read, manifest, is_ours, size=size)] += 1
            broken.write_bytes(honest[broken])
    return outcomes


def damaged_shard(data, rng):
    if data[:6] != b"\x93NUMPY" or rng.random() < 0.3:
        return noise(data, rng)
    head, body = data[:128], data[128:]
    old, new = [
        (b"(80, 6)", b"(9999999999, 6)"), (b"(80, 6)", b"(6, 80)"), (b"'<f4'", b"'|O'"),
        (b"'<f4'", b"'>f4'"), (b"'<f4'", b"'a4'"), (b"'<f4'", b"'V999999999'"),
        (b"False", b"True"), (b"{'descr'", b"[" * 40 + b"{'descr'"), (b"(80, 6)", b"(80, -6)"),
    ][int(rng.integers(9))]  # fmt: skip
    return head.replace(old, new)[:128].ljust(128) + body


@pytest.mark.parametrize("seed", range(PARTS))
def test_manifests(spaces, seed, faults):
    outcomes = fuzz_manifests(read_space, spaces, 100 + seed, MANIFESTS // PARTS)
    faults("fuzzed manifests", MANIFESTS // PARTS)
    assert not bad(outcomes)
    assert outcomes["refused"] > 2 * outcomes["read"] > 20


@pytest.mark.parametrize("seed", range(PARTS))
def test_shards(spaces, seed, faults):
    outcomes = fuzz_shards(read_space, spaces, 200 + seed, SHARDS // PARTS)
    faults("fuzzed shards", SHARDS // PARTS)
    assert not bad(outcomes)
    assert outcomes["refused"] > 2 * outcomes["read"]


def kinds(outcomes):
    return {what.partition(":")[0] for what in bad(outcomes)}


def parts(path):
    """Header, description and body of a file, by a reader that trusts it to have them."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header.pop("__metadata__")["isthmus"]), data[8 + length :]


def load_trusting_shapes(path):
    """Wrong: makes room for what the header declares before it looks whether it is there."""
    try:
        header, _, body = parts(path)
        made = {name: np.empty(spec["shape"]) for name, spec in header.items()}
        for name, spec in header.items():
            begin, end = spec["data_offsets"]
            made[name] = np.frombuffer(body[begin:end]).reshape(made[name].shape)
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise FormatError("load", "anything", "a bridge") from error
    return isthmus.load(path)


def load_without_checksums(path):
    """Wrong: mends the checksums of whatever it is given."""
    try:
        header, said, body = parts(path)
        path.write_bytes(forged(said, header, body))
    except Exception as error:
        raise FormatError("load", "anything", "a bridge") from error
    return isthmus.load(path)


def load_with_python_s_json(path):
    """Wrong: parses what it is given, whatever that costs."""
    try:
        parts(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError("load", "anything", "a bridge") from error
    return isthmus.load(path)


@pytest.mark.parametrize(
    ("wrong", "found"),
    [(load_trusting_shapes, {"bloat"}), (load_without_checksums, {"wrong"}),
     (load_with_python_s_json, {"crash", "bloat"})],
)  # fmt: skip
def test_wrong_readers_of_bridges_are_caught(bridges, tmp_path, wrong, found):
    assert found <= kinds(fuzz_bridges((wrong,), bridges, tmp_path, 0, 250))


def read_anything(path):
    """Wrong: follows whatever names a manifest gives, out of the folder too."""
    try:
        said = json.loads(path.read_bytes())
        files = [path.parent / "shards" / shard["vectors"]["file"] for shard in said["shards"]]
        rows = np.concatenate([np.load(file) for file in files])
        return rows, np.arange(said["rows"])
    except (ValueError, LookupError, TypeError, OSError, AttributeError, RecursionError) as error:
        raise FormatError("open", "anything", "a manifest") from error


def test_a_reader_that_leaves_the_folder_is_caught(spaces):
    assert "wrong" in kinds(fuzz_manifests(read_anything, spaces, 0, 60))


def test_a_slow_a_waiting_and_a_wordy_reader_are_caught(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"x")

    def slow(_):
        until = time.process_time() + 1.1 * SECONDS
        while time.process_time() < until:
            pass

    def wordy(_):
        raise FormatError("load", "x" * 10_000, "less")

    def waiting(_):
        with contextlib.suppress(Exception):
            (tmp_path / "pipe").open("rb").read()

    os.mkfifo(tmp_path / "pipe")
    assert judge(slow, path, bool).startswith("hang")
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "PATIENCE", 0.2)
        assert judge(waiting, path, bool).startswith("hang: 0.2 s of waiting")
    assert judge(wordy, path, bool) == "an endless message"


@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_every_bomb_in_every_place_it_could_be_put(bridges, spaces, tmp_path, number):
    bomb, path = BOMBS[number], tmp_path / "b"
    data, length = bridges[0], int.from_bytes(bridges[0][:8], "little")
    header = data[8 : 8 + length]
    for text in (bomb, header.replace(b'"F64"', bomb, 1), header.replace(b"[6,6]", bomb)):
        path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
        for read in (isthmus.load, runtime.load):
            assert judge(read, path, lambda _: False) == "refused"
    manifest = spaces[0] / "manifest-000001.json"
    honest = manifest.read_bytes()
    for text in (bomb, honest.replace(b'"test"', bomb), honest.replace(b"240", bomb)):
        manifest.write_bytes(text)
        assert judge(read_space, manifest, lambda _: False) == "refused"


def test_a_pipe_in_place_of_a_manifest_does_not_wait(spaces):
    manifest = spaces[0] / "manifest-000002.json"
    os.mkfifo(manifest)
    with pytest.warns(UserWarning, match="no plain file.*Generation 1 is used"):
        assert len(isthmus.open(spaces[0])) == len(ROWS)
