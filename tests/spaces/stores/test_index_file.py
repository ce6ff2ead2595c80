"""Stores of one file: durable whatever is cut, safe from hostile files, one writer at a time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError, IsthmusError, StorageError
from isthmus.spaces.stores import connect, create
from isthmus.spaces.stores.store import Rows

pytest.importorskip("usearch.index", reason="usearch is not installed")

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(60, 7)).astype(np.float32)
IDS = np.random.default_rng(2).permutation(60) * 3 + 2
STORES = pytest.mark.parametrize("scheme", ["faiss", "usearch"])


class Killed(BaseException):
    pass


def filled(scheme, folder):
    with create(f"{scheme}://{folder}/a", dim=5, metric="inner", id_kind="int") as store:
        store.upsert(Rows(IDS, X))
    return connect(store.address)


def killed_after(calls, patch):
    """Let so many changes of the disk pass; then none, as when the process died."""
    left = [calls]

    def counted(call):
        def run(*args, **options):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return call(*args, **options)

        return run

    for home, name in (
        (os, "link"), (os, "pwrite"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink"),
        (os, "fsync"),
    ):  # fmt: skip
        patch.setattr(home, name, counted(getattr(home, name)))
    return left


def upsert(store):
    store.upsert(Rows(IDS[:9], X[9:18]))
    store.close()


def shadow(store):
    gathered = store.shadow("j", dim=7, metric=None)
    gathered.upsert(Rows(IDS[:30], Y[:30]))
    gathered.upsert(Rows(IDS[30:], Y[30:]))


STEPS = {
    "upsert": ([], upsert),
    "shadow": ([], shadow),
    "finish": ([shadow], lambda store: store.finish("j")),
    "cutover": ([shadow], lambda store: store.cutover("j")),
    "rollback": ([shadow, lambda s: s.cutover("j")], lambda store: store.rollback("j")),
    "drop shadow": ([shadow], lambda store: store.drop("j")),
    "drop old": ([shadow, lambda s: s.cutover("j")], lambda store: store.drop("j")),
}


@STORES
@pytest.mark.parametrize("step", STEPS)
def test_a_step_cut_anywhere_is_ended_by_repeating_it(scheme, step, tmp_path, monkeypatch):
    before, cut = STEPS[step]
    cuts, finished = 0, False
    while not finished:
        folder = tmp_path / str(cuts)
        folder.mkdir()
        store = filled(scheme, folder)
        for earlier in before:
            earlier(store)
        served = store.fetch(IDS).vectors
        with monkeypatch.context() as patch:
            killed_after(cuts, patch)
            try:
                cut(store)
                finished = True
            except Killed:
                cuts += 1
        # Whatever the cut, one of the two whole collections serves.
        met = connect(store.address).fetch(IDS).vectors
        after = Y if step == "cutover" else X
        if step == "upsert":
            after = np.concatenate([X[9:18], X[9:]])
        assert any(np.array_equal(met, whole) for whole in (served, after))
        store = connect(store.address)
        cut(store)
        store = connect(store.address)
        wanted = Y if step in ("cutover", "drop old") else after if step == "upsert" else X
        assert np.array_equal(store.fetch(IDS).vectors, wanted)
        states = {"upsert": "absent", "cutover": "live"}
        assert store.state("j") == states.get(step, "absent" if "drop" in step else "shadow")
        if step == "shadow":
            store.finish("j")  # as it would be anyhow: what a dead writer left is tidied away
        left = {entry.name for entry in folder.iterdir()}
        assert not {name for name in left if name.startswith(".") or "_back" in name}
        assert ("a_isthmus_j" in left) == (store.state("j") == "shadow")
        assert ("a_isthmus_j_old" in left) == (store.state("j") == "live")
        if step in ("rollback", "finish"):
            store.cutover("j")
            assert np.array_equal(store.fetch(IDS).vectors, Y)
        if step == "cutover":
            store.rollback("j")
            assert np.array_equal(store.fetch(IDS).vectors, X)
    assert cuts > 3


@STORES
def test_rows_written_between_a_cut_and_its_repetition_stay(scheme, tmp_path, monkeypatch):
    store = filled(scheme, tmp_path)
    shadow(store)
    store.finish("j")
    with monkeypatch.context() as patch:
        killed_after(2, patch)  # the second name is given, and not yet taken
        with pytest.raises(Killed):
            store.cutover("j")
    assert (tmp_path / "a_isthmus_j_old").samefile(tmp_path / "a")
    with connect(store.address) as other:
        other.upsert(Rows(np.array([1000]), X[:1]))
    store = connect(store.address)
    store.cutover("j")
    store.rollback("j")
    assert np.array_equal(store.fetch(np.array([1000])).vectors, X[:1])
    # The same of a rollback: what was added to the new vectors stays with them.
    store.cutover("j")
    with monkeypatch.context() as patch:
        killed_after(3, patch)
        with pytest.raises(Killed):
            store.rollback("j")
    with connect(store.address) as other:
        other.upsert(Rows(np.array([2000]), Y[:1]))
    store = connect(store.address)
    assert store.state("j") == "live"
    store.rollback("j")
    assert store.facts().dim == 5
    store.cutover("j")
    assert np.array_equal(store.fetch(np.array([2000])).vectors, Y[:1])


@STORES
def test_a_file_replaced_by_others_half_way_is_not_guessed_at(scheme, tmp_path):
    store = filled(scheme, tmp_path)
    shadow(store)
    (tmp_path / "a_isthmus_j_old").write_bytes(b"someone's")
    for step in (store.state, store.cutover, store.rollback, store.drop):
        with pytest.raises(StorageError, match="both a shadow and old vectors"):
            step("j")
    assert (tmp_path / "a_isthmus_j_old").read_bytes() == b"someone's"


_WRITER = """
import sys, numpy as np
from isthmus.spaces.stores import connect
from isthmus.spaces.stores.store import Rows
store = connect(sys.argv[1]).shadow("j", dim=64, metric=None)
print("ready", flush=True)
for number in range(10_000):
    rng = np.random.default_rng(number)
    ids = np.arange(number * 50, number * 50 + 50)
    store.upsert(Rows(ids, rng.normal(size=(50, 64)).astype(np.float32)))
    print(number, flush=True)
"""


@STORES
def test_a_killed_writer_loses_nothing_it_was_told_is_written(scheme, tmp_path):
    store = filled(scheme, tmp_path)
    for batches in (3, 11):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(store.address.full())],
            stdout=subprocess.PIPE, text=True,
        ) as writer:  # fmt: skip
            said = [writer.stdout.readline() for _ in range(batches + 1)]
            writer.kill()
            said += writer.stdout.read().splitlines()
        whole = [line for line in said[1:] if line.strip()]
        gathered = store.shadow("j", dim=64, metric=None)
        ids = gathered.ids()
        assert len(ids) % 50 == 0
        assert len(ids) >= 50 * len(whole) >= 50 * batches
        for number in range(len(ids) // 50):
            wanted = np.random.default_rng(number).normal(size=(50, 64)).astype(np.float32)
            got = gathered.fetch(np.arange(number * 50, number * 50 + 50)).vectors
            assert np.array_equal(got, wanted)
        store.drop("j")


@STORES
def test_two_handles_write_and_both_are_kept(scheme, tmp_path):
    one, two = filled(scheme, tmp_path), connect(f"{scheme}://{tmp_path}/a")
    one.upsert(Rows(np.array([1000]), X[:1]))
    two.upsert(Rows(np.array([1001]), X[1:2]))
    assert np.array_equal(one.ids()[-2:], [1000, 1001])
    one.close()
    two.upsert(Rows(np.array([1002]), X[2:3]))
    two.close()
    assert np.array_equal(connect(one.address).fetch(np.arange(1000, 1003)).vectors, X[:3])
    # What was cut over meanwhile takes no rows of the old width.
    shadow(one)
    two.ids()
    one.cutover("j")
    with pytest.raises(InputError, match=r"expected \(1, 7\)"):
        two.upsert(Rows(np.array([1]), X[:1]))


@STORES
def test_a_full_disk_is_an_error_and_loses_nothing(scheme, tmp_path, monkeypatch):
    store = filled(scheme, tmp_path)
    gathered = store.shadow("j", dim=7, metric=None)
    gathered.upsert(Rows(IDS[:20], Y[:20]))
    real, room = os.pwrite, [100]

    def full(fd, data, offset):
        if not room[0]:
            raise OSError(28, "No space left on device")
        some, room[0] = data[: room[0]], 0
        return real(fd, some, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match="No space left"):
            gathered.upsert(Rows(IDS[20:], Y[20:]))
    assert np.array_equal(gathered.ids(), np.sort(IDS[:20]))
    gathered.upsert(Rows(IDS[20:], Y[20:]))
    store.cutover("j")
    assert np.array_equal(store.fetch(IDS).vectors, Y)


@STORES
def test_a_damaged_journal_is_told_before_anything_is_built(scheme, tmp_path):
    store = filled(scheme, tmp_path)
    shadow(store)
    journal = tmp_path / "a_isthmus_j.isthmus-journal"
    damaged = bytearray(journal.read_bytes())
    damaged[400] ^= 1
    journal.write_bytes(damaged)
    with pytest.raises(FormatError, match="damaged record"):
        store.cutover("j")
    assert np.array_equal(store.fetch(IDS).vectors, X)
    store.drop("j")
    assert {entry.name for entry in tmp_path.iterdir()} == {"a"}


@STORES
def test_an_unfinished_shadow_is_not_searched(scheme, tmp_path):
    store = filled(scheme, tmp_path)
    shadow(store)
    gathered = store.shadow("j", dim=7, metric=None)
    with pytest.raises(StorageError, match="Finish the job first"):
        gathered.search(Y[:1], 1)
    store.finish("j")
    assert gathered.search(Y[:1], 2).shape == (1, 2)
    with pytest.raises(InputError, match=r"queries \(1, 5\)"):
        gathered.search(X[:1], 1)
    assert store.jobs() == ("j",)
    with pytest.raises(StorageError, match="7"):
        store.shadow("j", dim=8, metric=None)


@STORES
def test_what_such_a_file_cannot_hold_is_refused(scheme, tmp_path):
    store = filled(scheme, tmp_path)
    for rows, what in (
        (Rows(np.array(["a"]), X[:1]), "holds no text"),
        (Rows(np.array([-4]), X[:1]), "below zero"),
        (Rows(np.array([4]), X[:1], [{"title": "x"}]), "other columns"),
    ):
        with pytest.raises(InputError, match=what):
            store.upsert(rows)
    with pytest.raises(InputError, match="text"):
        store.fetch(np.array(["a"]))
    beyond = np.array([(1 << 63) + 2], np.uint64)  # not -9223372036854775806
    for call in (store.fetch, store.delete, lambda ids: store.upsert(Rows(ids, X[:1]))):
        with pytest.raises(InputError, match="the id 9223372036854775810.*below 2\\^63"):
            call(beyond)
    assert store.fetch(IDS.astype(np.uint64)).ids.tolist() == IDS.tolist()
    with pytest.raises(InputError, match="file of this machine"):
        connect(f"{scheme}://host/folder/a")
    for job in ("", "a/b", "x_old"):
        with pytest.raises(InputError, match="job"):
            store.state(job)
    with pytest.raises(StorageError, match="no shadow"):
        store.cutover("none")
    with pytest.raises(StorageError, match="no folder"):
        create(f"{scheme}://{tmp_path}/none/a", dim=2, metric=None, id_kind="int")
    (tmp_path / "a").unlink()
    with pytest.raises(StorageError, match="No such file"):
        store.ids()


_READER = """
import resource, sys
import numpy as np
from isthmus.core.errors import IsthmusError
from isthmus.spaces.stores import connect
scheme, path, whole = sys.argv[1:]
whole = open(whole, "rb").read()
# Memory, the libraries' own included, that no honest file of this size needs.
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), size + (1 << 30)))
rng, refused = np.random.default_rng(0), 0
for number in range(240):
    data = bytearray(whole)
    if number < 80:
        data = data[: rng.integers(len(data))]
    else:
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(min(len(data), 400) if number % 3 else len(data))
            data[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        if number % 5 == 0:
            place = rng.integers(len(data) - 8)
            data[place : place + 8] = int(rng.integers(1 << 62)).to_bytes(8, "little")
    open(path, "wb").write(data)
    try:
        with connect(f"{scheme}://{path}") as store:
            ids = store.ids()
            store.fetch(ids[:50])
            store.search(np.ones((2, store.facts().dim), "f4"), 3)
    except IsthmusError:
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("kind", ["usearch", "faiss-map2", "faiss-hnsw", "faiss-ivf"])
def test_no_file_takes_the_process_down(kind, tmp_path):
    scheme, _, which = kind.partition("-")
    whole, rng = tmp_path / "whole", np.random.default_rng(0)
    if scheme == "usearch":
        import usearch.index

        index = usearch.index.Index(ndim=5, metric="cos", dtype="f32", connectivity=4)
        index.add(np.arange(300), rng.normal(size=(300, 5)).astype(np.float32))
        index.save(str(whole))
    else:
        import faiss

        flat = faiss.IndexFlatL2(5)
        index = {
            "map2": lambda: faiss.IndexIDMap2(flat),
            "hnsw": lambda: faiss.IndexHNSWFlat(5, 4),
            "ivf": lambda: faiss.IndexIVFFlat(flat, 5, 4),
        }[which]()
        x = rng.normal(size=(300, 5)).astype(np.float32)
        index.train(x)
        if which == "map2":
            index.add_with_ids(x, np.arange(300))
        else:
            index.add(x)
        faiss.write_index(index, str(whole))
    done = subprocess.run(
        [sys.executable, "-c", _READER, scheme, str(tmp_path / "bad"), str(whole)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    # Every truncated file is refused, and of the others most that changed a length.
    assert int(done.stdout) >= 80


def test_a_file_of_something_else_is_refused(tmp_path):
    for data in (b"", b"Ix", b"\0" * 500, b"PK\3\4" + b"x" * 300, os.urandom(4000)):
        (tmp_path / "a").write_bytes(data)
        for scheme in ("faiss", "usearch"):
            with pytest.raises(IsthmusError):
                connect(f"{scheme}://{tmp_path}/a")
