from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.formats.parquet import parquet_column

V = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
IDS = [f"d{k}" for k in range(9)]
FDS = Path("/proc/self/fd")


def lists(values):
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "t.parquet", {"id": IDS, "v": lists(V)}, row_group_size=4)


def test_row_groups_of_any_size_even_empty_ones(tmp_path):
    table = pa.table({"id": IDS, "v": lists(V)})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as out:
        for start, stop in ((0, 0), (0, 5), (5, 5), (5, 6), (6, 9), (9, 9)):
            out.write_table(table.slice(start, stop - start))
    space = isthmus.open(tmp_path / "t.parquet")
    np.testing.assert_array_equal(space.vectors(), V)
    np.testing.assert_array_equal(space.take([8, 5, 0]), V[[8, 5, 0]])
    assert space.ids.tolist() == IDS


def test_columns_are_found_by_their_whole_names(tmp_path):
    """A field "b" in a column "a" is called "a.b" too."""
    nested = pa.StructArray.from_arrays([lists(V * 2)], ["b"])
    path = write(tmp_path / "t.parquet", {"a": nested, "a.b": lists(V), "a.b.c": IDS})
    space = isthmus.open(path)
    np.testing.assert_array_equal(space.vectors(), V)
    assert space.ids.tolist() == IDS


def test_non_finite_rows_and_repeated_ids_are_found_across_row_groups(tmp_path):
    x = V.copy()
    x[2, 1], x[7, 0] = np.nan, np.inf
    ids = [*IDS[:8], "d0"]
    space = isthmus.open(
        write(tmp_path / "t.parquet", {"id": ids, "v": lists(x)}, row_group_size=4)
    )
    found = space.defects()
    assert (found.non_finite, found.non_finite_ids) == (2, ("d2", "d7"))
    assert (found.duplicate_ids, found.duplicates) == (1, ("d0",))


@pytest.mark.parametrize(
    "value", [pa.array([[1, 2]]), [["a"]], [[[1.0]]], [[None]], [1.0], [{"x": 1.0}]], ids=str
)
def test_columns_that_hold_no_vectors(tmp_path, value):
    path = write(tmp_path / "t.parquet", {"v": value, "id": ["a"]})
    with pytest.raises(FormatError, match=r"t\.parquet.*0 columns of vectors.*of float16.*Name it"):
        isthmus.open(path)
    with pytest.raises(FormatError, match=r"no vector column 'v'; expected a file that has one"):
        isthmus.open(path, vectors="v")


@pytest.mark.parametrize("name", ["score", "absent", "v"])
def test_ids_that_are_no_id_column(tmp_path, name):
    path = write(tmp_path / "t.parquet", {"id": IDS, "score": range(9) * np.ones(9), "v": lists(V)})
    with pytest.raises(FormatError, match=rf"t\.parquet: .*'{name}'; expected one of \['id'\]"):
        isthmus.open(path, ids=name)


def test_ids_end_at_63_bits(tmp_path):
    for last, kind in ((2**63 - 1, pa.uint64()), (2**32 - 1, pa.uint32())):
        columns = {"id": pa.array([0, last], kind), "v": lists(V[:2])}
        assert isthmus.open(write(tmp_path / "t.parquet", columns)).ids.tolist() == [0, last]
    path = write(
        tmp_path / "t.parquet", {"id": pa.array([0, 2**63], pa.uint64()), "v": lists(V[:2])}
    )
    with pytest.raises(FormatError, match=r"t\.parquet.*9223372036854775808.*below 2\^63"):
        isthmus.open(path).ids  # noqa: B018


@pytest.mark.skipif(not FDS.exists(), reason="open files are counted in /proc")
def test_files_are_not_held_open(path):
    """A folder may have more files than a process may hold open."""
    before = len(list(FDS.iterdir()))
    space = isthmus.open(path)
    space.vectors()
    assert len(space.ids) == 9
    assert len(list(FDS.iterdir())) == before


def test_a_file_that_went_away_is_no_broken_one(path):
    space = isthmus.open(path)
    path.unlink()
    with pytest.raises(StorageError, match=r"t\.parquet: got No such file"):
        space.vectors()


@pytest.mark.parametrize("names", [["key", "other"], ["id", "id"]])
def test_a_column_asked_for_must_be_there_once(tmp_path, names):
    pq.write_table(pa.Table.from_arrays([pa.array(IDS)] * 2, names=names), tmp_path / "t.parquet")
    with pytest.raises(FormatError, match=r"t\.parquet: got columns .*; expected one named 'id'"):
        parquet_column(tmp_path / "t.parquet", "id")


@pytest.mark.parametrize("cut", [0, 4, 100, -4, -9])
def test_truncated_files_are_named(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match=r"open t\.parquet: .*broken.* Copy or write it again"):
        isthmus.open(path)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_mutations_are_typed_errors(tmp_path_factory, read_mutated, at, noise):
    path = write(tmp_path_factory.mktemp("fuzz") / "t.parquet", {"id": IDS, "v": lists(V)})
    read_mutated("t.parquet", path.read_bytes(), at, noise)
