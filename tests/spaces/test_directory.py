import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces import durable
from isthmus.spaces.directory import SpaceWriter, write_space

V = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
IDS = np.array([f"é{k}" for k in range(30)])


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def no_sync():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable.os, "fsync", lambda fd: None)
        yield


@given(
    rows=st.integers(1, 60),
    shard=st.integers(1, 70),
    block=st.integers(1, 70),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    ids=st.sampled_from(["range", "int", "string"]),
)
@settings(max_examples=40, deadline=None)
def test_round_trip(no_sync, tmp_path_factory, rows, shard, block, dtype, ids):
    path = tmp_path_factory.mktemp("space")
    vectors = np.random.default_rng(rows).standard_normal((rows, 3)).astype(dtype)
    keys = {"range": None, "int": np.arange(rows) * 5 - 7, "string": np.arange(rows).astype(str)}[
        ids
    ]
    cuts = range(0, rows, block)
    blocks = [(None if keys is None else keys[c : c + block], vectors[c : c + block]) for c in cuts]
    space = write_space(path / "s", iter(blocks), rows_per_shard=shard)
    assert (space.dtype, space.id_kind) == (np.dtype(dtype), ids)
    np.testing.assert_array_equal(space.vectors(), vectors)
    assert space.ids.tolist() == list(range(rows) if keys is None else keys)
    wanted = np.random.default_rng(0).integers(0, rows, 10)
    np.testing.assert_array_equal(isthmus.open(path / "s").take(wanted), vectors[wanted])
    again = write_space(path / "t", space, rows_per_shard=shard)
    assert tree(again.path) == tree(space.path)


def test_any_tool_opens_the_shards(tmp_path):
    import pyarrow.parquet as pq

    path = write_space(tmp_path / "s", V, IDS, rows_per_shard=20).path
    names = sorted(tree(path))
    assert names == ["manifest-000001.json"] + [
        f"shards/0000{k}.{end}" for k in (0, 1) for end in ("ids.parquet", "npy")
    ]
    np.testing.assert_array_equal(np.load(path / "shards/00001.npy"), V[20:])
    assert pq.read_table(path / "shards/00001.ids.parquet")["id"].to_pylist() == IDS[20:].tolist()
    np.testing.assert_array_equal(isthmus.open(path / "shards").vectors(), V)


def test_facts_travel(tmp_path):
    facts = {"metric": "cosine", "encoder": "m", "norm_policy": "unit", "provenance": {"a": [1]}}
    space = write_space(tmp_path / "s", V, **facts)
    assert (space.metric, space.encoder) == ("cosine", "m")
    assert space.provenance == {"a": [1], "generation": 1}
    copy = write_space(tmp_path / "t", space)
    assert (copy.metric, copy.encoder) == ("cosine", "m")


@pytest.mark.parametrize("bits", [1, 0x80])
@pytest.mark.parametrize("at", [0, 100, 5_000_000, -1])
def test_a_flipped_bit_is_named(tmp_path, at, bits):
    wide = np.zeros((1000, 2500), np.float32)
    path = write_space(tmp_path / "s", wide).path
    file = path / "shards" / "00000.npy"
    data = bytearray(file.read_bytes())
    data[at] ^= bits
    file.write_bytes(data)
    block = range(len(data))[at] // (4 << 20)
    for touch in (
        lambda s: s.vectors(),
        lambda s: s.take([0, 499, 999]),
        lambda s: list(s.blocks(rows=300)),
    ):
        with pytest.raises(FormatError, match=rf"00000\.npy: .*(damaged block {block} |header)"):
            touch(isthmus.open(path))
    if block == 1:  # untouched blocks are served
        assert len(isthmus.open(path).take([0, 999])) == 2


def test_damaged_ids_are_named(tmp_path):
    path = write_space(tmp_path / "s", V, IDS).path
    file = path / "shards" / "00000.ids.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 4
    file.write_bytes(data)
    with pytest.raises(FormatError, match=r"00000\.ids\.parquet.*damaged block 0"):
        isthmus.open(path).ids  # noqa: B018


@pytest.mark.parametrize("name", ["00001.npy", "00001.ids.parquet"])
def test_truncated_and_missing_shards_are_named(tmp_path, name):
    path = write_space(tmp_path / "s", V, IDS, rows_per_shard=20).path
    file = path / "shards" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(FormatError, match=f"{name}: got a truncated"):
        isthmus.open(path).ids  # noqa: B018
    file.unlink()
    with pytest.raises(FormatError, match=f"{name}: got a missing shard"):
        isthmus.open(path).ids  # noqa: B018


def test_a_second_generation_leaves_the_first_alone(tmp_path):
    path = write_space(tmp_path / "s", V, rows_per_shard=20).path
    before = tree(path)
    open_one = isthmus.open(path)
    second = write_space(path, V * 2, rows_per_shard=10)
    np.testing.assert_array_equal(second.vectors(), V * 2)
    np.testing.assert_array_equal(open_one.vectors(), V)
    after = tree(path)
    assert before.items() <= after.items()
    assert "shards/00004.npy" in after
    assert second.provenance["generation"] == 2


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_space_is_not_touched(tmp_path, kind):
    target = tmp_path / "mine"
    if kind == "folder":
        target.mkdir()
        (target / "letter.txt").write_text("dear")
    else:
        target.write_text("dear")
    before = tree(tmp_path)
    with pytest.raises(StorageError, match="nothing was touched"):
        write_space(target, V)
    assert tree(tmp_path) == before


def test_read_only_targets(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "s")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match="Read-only file system"):
        write_space(tmp_path / "s", V)
    assert tree(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_folders_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        write_space(tmp_path / "s", V)


@pytest.mark.parametrize("allowed", [0, 300, 700, 1100, 1700])
def test_a_full_disk_keeps_the_generation_before(tmp_path, monkeypatch, allowed):
    path = write_space(tmp_path / "s", V, IDS).path
    before = tree(path)
    real, left = os.write, [allowed]

    def write(fd, data):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(fd, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(durable.os, "write", write)
    with pytest.raises(StorageError, match="No space left on device"):
        write_space(path, V * 2, IDS, rows_per_shard=10)
    monkeypatch.undo()
    assert tree(path) == before
    assert sorted(p.name for p in path.iterdir()) == ["manifest-000001.json", "shards"]
    np.testing.assert_array_equal(isthmus.open(path).vectors(), V)


@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_a_failing_disk_leaves_nothing(tmp_path, monkeypatch, failing):
    def fail(*_args, **_options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable.os, failing, fail)
    with pytest.raises(StorageError, match="Input/output error"):
        write_space(tmp_path / "s", V)
    monkeypatch.undo()
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("resumable", [True, False])
def test_a_commit_that_fails_can_be_repeated(tmp_path, monkeypatch, resumable):
    path = write_space(tmp_path / "s", V).path
    before = tree(path)
    writer = SpaceWriter(path, dim=4, ids="string", resumable=resumable)
    with writer.shard(0, 30) as shard:
        shard.write(V * 2, IDS)
    staged = tree(path)

    def fail(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "link", fail)
        with pytest.raises(StorageError, match="No space left"):
            writer.commit()
    assert tree(path) == staged
    np.testing.assert_array_equal(isthmus.open(path).vectors(), V)
    if resumable:
        np.testing.assert_array_equal(writer.commit().vectors(), V * 2)
    else:
        writer.abort()
        assert tree(path) == before


def test_a_file_size_limit_is_a_storage_error(tmp_path):
    code = f"""
import resource, signal, numpy as np
from isthmus.core.errors import StorageError
from isthmus.spaces.directory import SpaceWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writer = SpaceWriter({str(tmp_path / "s")!r}, dim=4)
with writer.shard(0, 10) as shard:
    shard.write(np.ones((10, 4)))
try:
    with writer.shard(1, 100_000) as shard:
        shard.write(np.ones((100_000, 4)))
except StorageError as error:
    print(error)
assert writer.done() == [0]
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "write shard 1 of s: got File too large" in done.stdout
    names = sorted(p.name for p in (tmp_path / "s" / "writing").iterdir())
    assert len(names) == 3  # job.json, the record of shard 0 and its vectors
    assert names[1:] == ["00000.json", "job.json"]


JOB = """
import sys, time, numpy as np
from isthmus.spaces.directory import SpaceWriter
rows = np.arange(5 * 4000 * 8, dtype=np.float32).reshape(-1, 8)
with SpaceWriter(sys.argv[1], dim=8, ids="string", rows_per_shard=4000) as writer:
    for index in range(5):
        if index in writer.done():
            continue
        with writer.shard(index, 4000) as shard:
            for start in range(index * 4000, (index + 1) * 4000, 500):
                shard.write(rows[start : start + 500], np.arange(start, start + 500).astype(str))
                print(index, flush=True)
                time.sleep(float(sys.argv[2]))
    print("commit", flush=True)
    writer.commit()
"""


def test_killed_and_resumed_is_byte_identical(tmp_path):
    subprocess.run([sys.executable, "-c", JOB, tmp_path / "calm", "0"], check=True)
    for lines in (1, 19):
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, tmp_path / "hit", "0.005"], stdout=subprocess.PIPE
        )
        for _ in range(lines):
            job.stdout.readline()
        job.send_signal(signal.SIGKILL)
        job.wait()
        job.stdout.close()
        with pytest.raises(FormatError, match="still being written, or whose writer died"):
            isthmus.open(tmp_path / "hit")
    kept = list((tmp_path / "hit" / "writing").glob("0000?.json"))
    assert len(kept) >= 2  # the work of killed runs counts
    subprocess.run([sys.executable, "-c", JOB, tmp_path / "hit", "0"], check=True)
    assert tree(tmp_path / "hit") == tree(tmp_path / "calm")
    assert {p.name for p in (tmp_path / "hit").iterdir()} == {"manifest-000001.json", "shards"}


@pytest.mark.parametrize("after", range(12))
def test_dying_anywhere_in_commit_is_resumable(tmp_path, monkeypatch, after):
    class Killed(BaseException):
        pass

    def job(path):
        writer = SpaceWriter(path, dim=4, ids="string", rows_per_shard=15)
        for index in {0, 1} - set(writer.done()):
            with writer.shard(index, 15) as shard:
                shard.write(V[15 * index : 15 * index + 15], IDS[15 * index : 15 * index + 15])
        return writer

    job(tmp_path / "calm").commit()
    writer = job(tmp_path / "hit")
    calls = [0]

    def step(real):
        def call(*args, **options):
            calls[0] += 1
            if calls[0] > after:  # from here on nothing happens any more, as after kill -9
                raise Killed
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch:
        for where, name in [
            (Path, "replace"),
            (Path, "unlink"),
            (os, "link"),
            (os, "fsync"),
            (os, "rename"),
        ]:
            patch.setattr(where, name, step(getattr(where, name)))
        patch.setattr("shutil.rmtree", step(__import__("shutil").rmtree))
        try:
            writer.commit()
            died = False
        except Killed:
            died = True
        writer.close()
    assert died == (after < 10)  # so many steps there are
    if not died:
        return
    again = job(tmp_path / "hit")
    space = again.commit()
    np.testing.assert_array_equal(space.vectors(), V)
    assert tree(tmp_path / "hit") == tree(tmp_path / "calm")


def test_everything_is_on_the_disk_before_it_is_named(tmp_path, monkeypatch):
    events = []

    def watch(name, what):
        real = getattr(os, name)

        def call(*args):
            events.append((name, what(*args)))
            return real(*args)

        monkeypatch.setattr(durable.os, name, call)

    watch("fsync", lambda fd: Path(f"/proc/self/fd/{fd}").resolve().name)
    watch("link", lambda source, target: (Path(source).name, Path(target).name))
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see which file is synced")
    write_space(tmp_path / "s", V, IDS)
    for at, (name, what) in enumerate(events):
        if name == "link":
            assert ("fsync", what[0]) in events[:at]
    links = {what[1]: at for at, (name, what) in enumerate(events) if name == "link"}
    before_record = [what for name, what in events[: links["00000.json"]] if name == "fsync"]
    assert any(what.endswith(".npy") for what in before_record)
    assert any(what.endswith(".ids.parquet") for what in before_record)
    # Once for the job's description, and once for the names of the shard's files.
    assert sum(what.startswith("writing") for what in before_record) == 2
    assert ("fsync", "shards") in events[: links["manifest-000001.json"]]
    assert ("fsync", "s") in events[links["manifest-000001.json"] :]


def test_leaving_a_shard_early_undoes_it(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=4)
    with pytest.raises(KeyboardInterrupt), writer.shard(0, 30) as shard:  # noqa: PT012
        shard.write(V[:10])
        raise KeyboardInterrupt
    assert writer.done() == []
    assert [p.name for p in writer.staging.iterdir()] == ["job.json"]
    with (
        pytest.raises(InputError, match="10 rows; expected 30 announced"),
        writer.shard(0, 30) as s,
    ):
        s.write(V[:10])
    with (  # noqa: PT012
        pytest.raises(InputError, match=r"31 rows; expected the 30 announced"),
        writer.shard(0, 30) as s,
    ):
        s.write(V)
        s.write(V[:1])
    with pytest.raises(InputError, match="finished shards"):
        writer.commit()
    writer.abort()
    assert not (tmp_path / "s").exists()


def test_refused_blocks(tmp_path):
    writer = SpaceWriter(tmp_path / "s", dim=4, ids="int", dtype="float16")
    for vectors, ids, message in [
        (V[:, :3], np.arange(30), r"\(30, 3\)"),
        (V, None, "no ids"),
        (V, np.arange(29), r"\(29,\)"),
        (V, IDS, "kind 'int'"),
        (V * 1e6, np.arange(30), r"30 rows with numbers beyond 6.55e\+04 \(first: 0, 1"),
    ]:
        with pytest.raises(InputError, match=message), writer.shard(0, 30) as shard:
            shard.write(vectors, ids)
    assert writer.done() == []
    for wrong in ({"dim": 0}, {"dim": 4, "dtype": "int8"}, {"dim": 4, "ids": "uuid"}):
        with pytest.raises(InputError):
            SpaceWriter(tmp_path / "t", **wrong)
    with pytest.raises(InputError, match="no JSON"):
        SpaceWriter(tmp_path / "t", dim=4, provenance={"a": V})
    assert not (tmp_path / "t").exists()


def test_infinity_passes_and_is_no_overflow(tmp_path):
    rows = np.array([[np.inf, np.nan]], np.float32)
    assert np.isinf(write_space(tmp_path / "s", rows, dtype="float16").vectors()[0, 0])


def test_another_job_does_not_mix_in(tmp_path):
    first = SpaceWriter(tmp_path / "s", dim=4)
    with first.shard(0, 30) as shard:
        shard.write(V)
    with pytest.raises(StorageError, match="unfinished job with other settings"):
        SpaceWriter(tmp_path / "s", dim=5)
    second = SpaceWriter(tmp_path / "s", dim=4)  # the same job from another process
    assert second.done() == [0]
    with second.shard(0, 30) as shard:
        shard.write(V)  # equal rows: no harm
    with pytest.raises(StorageError, match="other rows in it"), second.shard(0, 30) as shard:
        shard.write(V * 2)
    first.commit()
    with pytest.raises(StorageError, match="generation 1, which another writer committed first"):
        second.commit()
    assert sorted(tree(tmp_path / "s")) == ["manifest-000001.json", "shards/00000.npy"]
    np.testing.assert_array_equal(isthmus.open(tmp_path / "s").vectors(), V)


def test_two_writers_race_and_one_wins(tmp_path):
    for attempt in range(8):
        path = tmp_path / f"s{attempt}"
        gate, outcome = threading.Barrier(2, timeout=20), {}

        def write(factor, path=path, gate=gate, outcome=outcome):
            writer = SpaceWriter(path, dim=4, resumable=False)
            with writer.shard(0, 30) as shard:
                shard.write(V * factor)
            gate.wait()
            try:
                outcome[factor] = writer.commit()
            except StorageError as error:
                outcome[factor] = error
                writer.abort()

        threads = [threading.Thread(target=write, args=(f,)) for f in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = [f for f, o in outcome.items() if isinstance(o, StorageError)]
        assert len(lost) == 1
        won = 3 - lost[0]
        np.testing.assert_array_equal(isthmus.open(path).vectors(), V * won)
        assert sorted(tree(path)) == ["manifest-000001.json", "shards/00000.npy"]


RACER = """
import sys, numpy as np
from isthmus.core.errors import StorageError
from isthmus.spaces.directory import SpaceWriter
writer = SpaceWriter(sys.argv[1], dim=4, resumable=False)
with writer.shard(0, 30) as shard:
    shard.write(np.full((30, 4), float(sys.argv[2])))
print("ready", flush=True)
sys.stdin.readline()
try:
    writer.commit()
    print("won")
except StorageError:
    writer.abort()
    print("lost")
"""


def test_two_processes_race_and_one_wins(tmp_path):
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, tmp_path / "s", str(k)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for k in (1, 2)
    ]  # fmt: skip
    for job in jobs:
        assert job.stdout.readline() == "ready\n"
    for job in jobs:
        job.stdin.write("\n")
        job.stdin.flush()
    said = [job.communicate()[0].strip() for job in jobs]
    assert sorted(said) == ["lost", "won"]
    vectors = isthmus.open(tmp_path / "s").vectors()
    assert (vectors == said.index("won") + 1).all()


def test_leftovers_of_the_dead_go_and_of_the_living_stay(tmp_path):
    living = SpaceWriter(tmp_path / "s", dim=4, resumable=False)
    code = (
        "import os, sys; from isthmus.spaces.directory import SpaceWriter; "
        "SpaceWriter(sys.argv[1], dim=4, resumable=False); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "s"], check=False)
    assert len(list((tmp_path / "s").glob("writing-*"))) == 2
    write_space(tmp_path / "s", V)
    assert list((tmp_path / "s").glob("writing-*")) == [living.staging]
    living.abort()


def test_writing_copies_no_block(tmp_path):
    import tracemalloc

    block = np.ones((50_000, 64), np.float32)  # 12.8 MB
    with SpaceWriter(tmp_path / "s", dim=64) as writer, writer.shard(0, 100_000) as shard:
        tracemalloc.start()
        shard.write(block)
        shard.write(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000


def test_blocks_of_every_kind(tmp_path):
    assert len(write_space(tmp_path / "a", [V, V])) == 60
    space = isthmus.open(V, ids=IDS)
    again = write_space(tmp_path / "b", space.blocks(rows=7), rows_per_shard=11)
    assert again.ids.tolist() == IDS.tolist()
    assert len(write_space(tmp_path / "c", V, range(30)).ids) == 30
    with pytest.raises(InputError, match=r"vectors \(0,\).*blocks of"):
        write_space(tmp_path / "d", [])
    with pytest.raises(InputError, match="ids beside"):
        write_space(tmp_path / "d", [V], IDS)
    with pytest.raises(InputError, match="ids"):
        write_space(tmp_path / "d", [(IDS, V), (None, V)])
    assert not (tmp_path / "d").exists()


def test_first_reads_verify_and_later_ones_do_not(tmp_path):
    path = write_space(tmp_path / "s", np.zeros((100_000, 32), np.float32)).path
    space = isthmus.open(path)
    column = space.vector_column
    assert not column._good.any()
    space.take([0])
    assert column._good.tolist() == [True, False, False, False]
    began = time.perf_counter()
    space.vectors()
    assert time.perf_counter() - began < 5
    assert column._good.all()
