"""One translation, the same bytes on every engine; and what cannot leave this process."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, SpaceMismatch, StorageError
from isthmus.engine import Processes, Ray
from isthmus.spaces.directory import SpaceWriter, write_space
from isthmus.upgrade.translate import translate


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


class Elsewhere:
    """Another process as far as pickle goes, without the wait for one."""

    separate = True

    def map(self, function, tasks):
        for task in tasks:
            yield pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(function))(task)))

    def __repr__(self):
        return "Elsewhere()"


@pytest.fixture
def undisturbed(collection, tmp_path):
    arguments = (collection / "old.npz", collection / "b.isthmus")
    return tree(translate(*arguments, tmp_path / "calm", rows_per_shard=50).path)


def test_processes_and_ray_write_the_same_bytes(collection, tmp_path, undisturbed, ray_address):
    for number, engine in enumerate((Processes(2), Ray(ray_address, workers=2))):
        seen = []
        moved = translate(
            collection / "old.npz", isthmus.load(collection / "b.isthmus"),
            tmp_path / str(number), rows_per_shard=50, engine=engine, progress=seen.append,
        )  # fmt: skip
        assert tree(moved.path) == undisturbed
        assert seen == [*range(50, 601, 50), 600]


@pytest.mark.parametrize("kind", ["npz", "parquet", "folder", "npy", "int8"])
def test_every_kind_of_source(collection, tmp_path, kind):
    space = isthmus.open(collection / "old.npz")
    x, options = space.vectors(), {}
    path = tmp_path / f"x.{kind}"
    if kind == "npz":  # under names of its own
        np.savez(path, emb=x, key=space.ids, vectors=x[:, ::-1], ids=space.ids[::-1])
        options = {"vectors": "emb", "ids": "key"}
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        other = pa.array(list(x[:, ::-1]))
        table = {"id": space.ids.tolist(), "vector": other, "emb": pa.array(list(x))}
        pq.write_table(pa.table(table), path)
        options = {"vectors": "emb"}
    elif kind == "folder":
        write_space(path, x, space.ids, rows_per_shard=70)
    elif kind == "npy":
        np.save(path, x)
    else:
        path = tmp_path / "x.npy"
        np.save(path, np.rint(x * 20).astype(np.int8))
        options = {"scale": 1 / 20}
    source, bridge = isthmus.open(path, **options), collection / "b.isthmus"
    here = translate(source, bridge, tmp_path / "here", rows_per_shard=64)
    there = translate(source, bridge, tmp_path / "there", rows_per_shard=64, engine=Elsewhere())
    assert tree(there.path) == tree(here.path)
    assert np.abs(here.vectors()).max() > 0


def test_rows_left_out(collection, tmp_path):
    x = isthmus.open(collection / "old.npz").vectors().copy()
    x[[0, 5, *range(100, 210), 599], 2] = np.nan  # the whole second shard among them
    np.save(tmp_path / "x.npy", x)
    moved = [
        translate(
            tmp_path / "x.npy", collection / "b.isthmus", tmp_path / str(number),
            rows_per_shard=100, drop_invalid=True, engine=engine,
        )
        for number, engine in enumerate((None, Elsewhere()))
    ]  # fmt: skip
    assert tree(moved[0].path) == tree(moved[1].path)
    assert len(moved[1]) == 600 - 113


def test_errors_of_workers_are_those_of_here(collection, tmp_path):
    x = isthmus.open(collection / "old.npz").vectors().copy()
    x[[3, 77], [0, 4]] = np.nan
    np.savez(tmp_path / "x.npz", vectors=x, ids=[f"é{i}" for i in range(600)])
    for engine in (Elsewhere(), Processes(2)):
        with pytest.raises(InputError, match=r"2 of 600 rows \(first ids: 'é3', 'é77'\)"):
            translate(
                tmp_path / "x.npz", collection / "b.isthmus", tmp_path / "new",
                rows_per_shard=50, engine=engine,
            )  # fmt: skip
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("what", ["vectors", "ids"])
def test_what_lies_in_memory_is_refused(collection, tmp_path, what):
    space = isthmus.open(collection / "old.npz")
    source = isthmus.open(space.vectors(), ids=space.ids)
    if what == "ids":
        np.save(tmp_path / "x.npy", space.vectors())
        source = isthmus.open(tmp_path / "x.npy", ids=space.ids)
    for engine in (Elsewhere(), Processes(2)):
        with pytest.raises(InputError, match="Write it to a file or folder first"):
            translate(source, collection / "b.isthmus", tmp_path / "new", engine=engine)
    assert not (tmp_path / "new").exists()


def test_a_worker_that_finds_other_files_refuses(collection, tmp_path):
    class Changed(Elsewhere):
        def map(self, function, tasks):
            job = replace(function.args[0], state="0")
            yield from Elsewhere.map(self, type(function)(function.func, job), tasks)

    with pytest.raises(StorageError, match="other files than its driver"):
        translate(
            collection / "old.npz", collection / "b.isthmus", tmp_path / "new", engine=Changed()
        )


def test_a_job_begun_on_one_engine_ends_on_another(collection, tmp_path, undisturbed):
    def stop(done):
        if done > 200:
            raise KeyboardInterrupt

    ends = collection / "old.npz", collection / "b.isthmus", tmp_path / "new"
    for first, second in ((None, Elsewhere()), (Elsewhere(), None)):
        with pytest.raises(KeyboardInterrupt):
            translate(*ends, rows_per_shard=50, progress=stop, engine=first)
        assert len(list((tmp_path / "new" / "writing").glob("0*.json"))) in (4, 5)
        translate(*ends, rows_per_shard=50, engine=second)
        assert tree(tmp_path / "new") == undisturbed
        for file in sorted((tmp_path / "new").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()


def test_another_bridge_to_the_same_place_is_not_mistaken_for_the_first(collection, tmp_path):
    """Workers of a cluster live on, and must not keep what the last call opened."""
    source = isthmus.open(collection / "old.npz")
    bridges = [isthmus.fit(source.vectors(), source.vectors() * k, method="affine") for k in (2, 3)]
    for bridge in bridges:
        moved = translate(source, bridge, tmp_path / "new", engine=Elsewhere())
        np.testing.assert_allclose(moved.vectors(), bridge.transform(source.vectors()), rtol=1e-4)


def test_a_finished_job_starts_no_engine(collection, tmp_path):
    class Never:
        separate = True

        def map(self, function, tasks):
            raise AssertionError("started")

    ends = collection / "old.npz", collection / "b.isthmus", tmp_path / "new"
    first = tree(translate(*ends).path)
    assert tree(translate(*ends, engine=Never()).path) == first


def test_a_space_may_be_translated_within_its_own_folder(collection, tmp_path):
    """The job's own files are no change of the source, so that a rerun goes on."""
    space = isthmus.open(collection / "old.npz")
    source = write_space(tmp_path / "s", space.vectors(), space.ids)

    def stop(done):
        if done > 200:
            raise KeyboardInterrupt

    go = {"rows_per_shard": 50, "engine": Elsewhere()}
    with pytest.raises(KeyboardInterrupt):
        translate(source.path, collection / "b.isthmus", source.path, progress=stop, **go)
    moved = translate(source, collection / "b.isthmus", source.path, **go)
    assert (moved.dim, moved.provenance["generation"]) == (7, 2)


def test_another_encoder_is_refused_before_the_first_read(collection, tmp_path):
    ends = [
        isthmus.open(collection / f"{name}.npz", encoder=name, vectors="vectors")
        for name in ("old", "new")
    ]
    bridge = isthmus.fit(*ends, method="affine")

    class Unread:
        scattered = True

        def __init__(self, column):
            self.shape, self.dtype = column.shape, column.dtype

        def take(self, rows):
            raise AssertionError("read")

        read = take

    for name, says in (("new", "backwards"), ("third", "encoder 'third'")):
        space = isthmus.open(collection / "old.npz", encoder=name)
        space.vector_column = space.id_column = Unread(space.vector_column)
        with pytest.raises(SpaceMismatch, match=says):
            translate(space, bridge, tmp_path / "x", engine=Elsewhere())
        assert not (tmp_path / "x").exists()


def test_a_writer_sent_elsewhere_joins_the_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SpaceWriter("s", dim=2) as writer:
        sent = pickle.loads(pickle.dumps(writer))
        sent.close()  # is not the one that keeps the job
        monkeypatch.chdir("/")
        for index in range(2):
            with sent.shard(index, 3) as shard:
                shard.write(np.full((3, 2), index))
        monkeypatch.chdir(tmp_path)
        assert writer.done() == [0, 1]
        assert writer.commit().vectors()[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
