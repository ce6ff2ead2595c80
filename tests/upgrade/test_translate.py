"""Translate: right numbers, right rows, and refusals that write nothing."""

import csv
import tracemalloc

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError, SpaceMismatch, StorageError
from isthmus.spaces.directory import write_space
from isthmus.upgrade import translate as module
from isthmus.upgrade.translate import translate

RNG = np.random.default_rng(7)
N, DX, DY = 600, 10, 7
X = (RNG.normal(size=(N, DX)) * np.linspace(3, 0.3, DX) + 0.5).astype(np.float32)
Y = (X @ RNG.normal(size=(DX, DY)) + 0.05 * RNG.normal(size=(N, DY))).astype(np.float32)
IDS = {"string": np.array([f"é{i}" for i in range(N)]), "int": np.arange(N) * 3 - 50, "range": None}


@pytest.fixture(scope="module")
def bridge():
    return isthmus.fit(X, Y, method="affine")


@pytest.fixture
def old(tmp_path):
    np.savez(tmp_path / "old.npz", vectors=X, ids=IDS["string"])
    return tmp_path / "old.npz"


def exact(bridge, x):
    return np.asarray(x, np.float64) @ bridge.map.coef_ + bridge.map.intercept_


def tree(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def beside(path):
    return sorted(entry.name for entry in path.iterdir())


# -- numbers and rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("given", ["float16", "float32", "float64", "int8"])
@pytest.mark.parametrize("written", ["float16", "float32", "float64"])
def test_equals_the_float64_oracle(tmp_path, bridge, given, written, ids):
    scale = float(np.abs(X).max() / 127) if given == "int8" else None
    x = np.rint(X / scale).astype(np.int8) if scale else X.astype(given)
    space = isthmus.open(x, ids=IDS[ids], scale=scale)
    moved = translate(space, bridge, tmp_path / "new", dtype=written, rows_per_shard=250)
    assert moved.id_kind == ids
    assert moved.ids.tolist() == space.ids.tolist()
    assert moved.vectors().dtype == np.dtype(written)
    wanted = exact(bridge, x * np.float32(scale) if scale else x)
    tolerance = {"float16": 1e-3, "float32": 1e-5, "float64": 1e-12}[
        written if given == "float64" or written == "float16" else "float32"
    ]
    np.testing.assert_allclose(moved.vectors(), wanted, rtol=tolerance, atol=tolerance * 8)
    # The tolerance is one that rows in another order would fail.
    assert not np.allclose(moved.vectors(), wanted[::-1], rtol=tolerance, atol=tolerance * 8)


@pytest.mark.parametrize("method", ["orthogonal", "low_rank", "relative"])
def test_every_method_translates(tmp_path, method):
    fitted = isthmus.fit(X, Y, method=method)
    moved = translate(isthmus.open(X), fitted, tmp_path / "new", rows_per_shard=100)
    np.testing.assert_allclose(moved.vectors(), fitted.transform(X), rtol=1e-4, atol=1e-4)


def test_paths_do_as_well_as_objects(tmp_path, bridge, old):
    file = bridge.save(tmp_path / "b.isthmus")
    one = translate(old, str(file), tmp_path / "one").path
    two = translate(isthmus.open(old), bridge, tmp_path / "two").path
    assert tree(one) == tree(two)


def test_facts_of_the_result(tmp_path):
    source, target = isthmus.open(X, encoder="old"), isthmus.open(Y, encoder="new", metric="cosine")
    moved = translate(source, isthmus.fit(source, target, method="affine"), tmp_path / "new")
    assert (moved.encoder, moved.metric, moved.path) == ("new", "cosine", tmp_path / "new")
    assert moved.provenance["translated_from"] == "old"
    assert moved.provenance["method"] == "affine"


def test_memory_does_not_grow_with_rows(tmp_path, monkeypatch, bridge):
    def peak(rows):
        np.save(tmp_path / "big.npy", np.resize(X, (rows, DX)))
        space = isthmus.open(tmp_path / "big.npy")
        tracemalloc.start()
        translate(space, bridge, tmp_path / f"new{rows}", rows_per_shard=20_000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    monkeypatch.setattr(module, "_BLOCK_BYTES", 1 << 16)
    small, large = peak(40_000), peak(400_000)
    assert large < small + 2e6 < 400_000 * DX * 4  # the whole would be seen


def test_progress_counts_rows_to_the_end(tmp_path, bridge):
    seen = []
    translate(X, bridge, tmp_path / "new", rows_per_shard=100, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == N
    assert len(seen) >= 6


def test_a_second_translation_is_a_new_generation(tmp_path, bridge):
    first = translate(X, bridge, tmp_path / "new")
    before = tree(first.path)
    second = translate(X[:300], bridge, tmp_path / "new")
    assert (len(first), len(second)) == (N, 300)
    assert tree(second.path).items() >= before.items()


# -- rows that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["affine", "relative"])
def test_bad_rows_are_counted_and_named(tmp_path, value, method):
    x = X.copy()
    x[[3, 77, 599], [0, 4, 9]] = value
    fitted = isthmus.fit(X, Y, method=method)
    with pytest.raises(InputError, match=r"3 of 600 rows \(first ids: 'é3', 'é77', 'é599'\)"):
        translate(isthmus.open(x, ids=IDS["string"]), fitted, tmp_path / "n", rows_per_shard=64)
    assert beside(tmp_path) == []


@pytest.mark.parametrize("ids", IDS)
def test_bad_rows_are_left_out_on_request(tmp_path, bridge, ids):
    x = X.copy()
    bad = [0, 5, *range(100, 210), 599]  # the whole second shard, and its neighbours in part
    x[bad, 2] = np.nan
    good = np.setdiff1d(np.arange(N), bad)
    space = isthmus.open(x, ids=IDS[ids])
    seen = []
    moved = translate(
        space, bridge, tmp_path / "new", rows_per_shard=100, drop_invalid=True,
        progress=seen.append,
    )  # fmt: skip
    assert moved.ids.tolist() == space.ids[good].tolist()
    np.testing.assert_allclose(moved.vectors(), exact(bridge, X[good]), atol=1e-4)
    assert seen[-1] == N
    with (tmp_path / "new.rejects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "id", "reason"]
    assert [int(row[0]) for row in rows[1:]] == bad
    assert [row[1] for row in rows[1:]] == [str(i) for i in space.ids[bad]]


def test_the_rejects_of_an_earlier_run_do_not_outlive_it(tmp_path, bridge):
    x = X.copy()
    x[0] = np.nan
    for source, lines in ((x, 2), (X, 1)):
        translate(source, bridge, tmp_path / "new", drop_invalid=True)
        assert len((tmp_path / "new.rejects.csv").read_text().splitlines()) == lines


def test_nothing_but_bad_rows(tmp_path, bridge):
    with pytest.raises(InputError, match="no finite row"):
        translate(np.full_like(X, np.nan), bridge, tmp_path / "new", drop_invalid=True)
    assert beside(tmp_path) == []


def test_zero_vectors_are_kept(tmp_path, bridge):
    x = X.copy()
    x[[1, 2]] = 0
    moved = translate(x, bridge, tmp_path / "new")
    np.testing.assert_allclose(moved.take([1, 2]), [bridge.map.intercept_] * 2, atol=1e-5)


def test_norms_of_1e20(tmp_path):
    fitted = isthmus.fit(X * np.float32(1e20), Y * np.float32(1e20), method="affine")
    moved = translate(X * np.float32(1e20), fitted, tmp_path / "new")
    wanted = exact(fitted, X * np.float32(1e20))
    np.testing.assert_allclose(moved.vectors(), wanted, rtol=1e-3, atol=1e16)


@pytest.mark.parametrize(("dtype", "factor"), [("float16", 6e4), ("float32", 3e38)])
def test_overflow_of_the_output_is_refused(tmp_path, bridge, dtype, factor):
    x = X.copy()
    # The row whose first coordinate comes out largest for its size.
    x[400] = np.sign(bridge.map.coef_[:, 0]) * factor
    assert np.abs(bridge.map.coef_[:, 0]).sum() > 2
    assert np.isfinite(x).all()
    space = isthmus.open(x, ids=IDS["int"])
    earlier = tree(translate(X, bridge, tmp_path / "new").path)
    says = rf"1 rows with numbers beyond .*\(first: {IDS['int'][400]}\)"
    with pytest.raises(InputError, match=says):
        translate(space, bridge, tmp_path / "new", dtype=dtype, rows_per_shard=50)
    assert tree(tmp_path / "new") == earlier
    with pytest.raises(InputError):
        translate(space, bridge, tmp_path / "fresh", dtype=dtype, rows_per_shard=50)
    assert beside(tmp_path) == ["new"]
    moved = translate(space, bridge, tmp_path / "fresh", dtype="float64")
    assert np.isfinite(moved.vectors()).all()


# -- refused before anything is written ----------------------------------------------------------


def test_foreign_vectors(tmp_path, faults):
    faults("wrong bridges", 3)
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(1500, 16)) * np.linspace(3, 0.1, 16) + 1).astype(np.float32)
    y = (x[:, ::-1] * 2 + 3).astype(np.float32)
    fitted = isthmus.fit(x, y, method="affine")
    rotation = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    for wrong, says in ((x @ rotation, "space"), (y, "backwards"), (x[:, :5], "5 dim")):
        with pytest.raises(SpaceMismatch, match=says):
            translate(np.ascontiguousarray(wrong), fitted, tmp_path / "new")
    assert beside(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dtype": "int8"}, "one of float16, float32, float64"),
        ({"dtype": "nonsense"}, "one of float16"),
        ({"rows_per_shard": 0}, "at least 1"),
        ({"rows_per_shard": -3}, "at least 1"),
    ],
)
def test_arguments(tmp_path, bridge, change, says):
    with pytest.raises(InputError, match=says):
        translate(X, bridge, tmp_path / "new", **change)
    assert beside(tmp_path) == []


def test_duplicate_ids(tmp_path, bridge):
    ids = IDS["string"].copy()
    ids[9] = ids[2]
    with pytest.raises(InputError, match=r"repeat an earlier id.*'é2'"):
        translate(isthmus.open(X, ids=ids), bridge, tmp_path / "new", drop_invalid=True)
    assert beside(tmp_path) == []


@pytest.mark.parametrize("drop", [False, True])
def test_a_place_that_is_not_ours(tmp_path, bridge, drop):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    (tmp_path / "file").write_text("more")
    before = tree(tmp_path)
    for name in ("mine", "file", "file/under"):
        with pytest.raises(StorageError):
            translate(X, bridge, tmp_path / name, drop_invalid=drop)
    assert tree(tmp_path) == before


def test_a_damaged_source_names_its_shard(tmp_path, bridge, faults):
    faults("flipped bits")
    path = write_space(tmp_path / "s", X, rows_per_shard=200).path
    data = bytearray((path / "shards/00001.npy").read_bytes())
    data[-3] ^= 8
    (path / "shards/00001.npy").write_bytes(data)
    with pytest.raises(FormatError, match=r"00001\.npy.*damaged block 0"):
        translate(path, bridge, tmp_path / "new", rows_per_shard=100)
