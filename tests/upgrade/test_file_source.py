"""A file read like a store: by ascending ids, from anywhere, and told when it changes."""

import os

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.upgrade.file_source import FileSource

X = np.random.default_rng(0).normal(size=(50, 3))
ORDER = np.random.default_rng(1).permutation(50)


@pytest.fixture(params=["int", "string"])
def saved(request, tmp_path):
    ids = np.arange(50) * 3 if request.param == "int" else np.array([f"é{i:02}" for i in range(50)])
    np.savez(tmp_path / "old.npz", vectors=X[ORDER], ids=ids[ORDER])
    return tmp_path / "old.npz", ids


@pytest.mark.parametrize("rows", [1, 7, 50, 90])
def test_a_scan_is_by_ascending_id_whatever_the_order_in_the_file(saved, rows):
    path, ids = saved
    source = FileSource(str(path))
    parts = list(source.scan(rows))
    assert all(len(part.ids) <= rows for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), ids)
    found = np.concatenate([part.vectors for part in parts])
    np.testing.assert_array_equal(found, X.astype(np.float32))
    np.testing.assert_array_equal(source.ids(), ids)


def test_a_scan_goes_on_behind_an_id_that_need_not_be_there(saved):
    path, ids = saved
    source = FileSource(str(path))
    absent = ids[9] + 1 if ids.dtype.kind == "i" else f"{ids[9]}x"
    for after, first in ((ids[9], 10), (ids[49], 50), (absent, 10)):
        found = [part.ids for part in source.scan(8, after=after)]
        np.testing.assert_array_equal(np.concatenate([ids[:0], *found]), ids[first:])


def test_a_scan_in_batches_of_no_row_is_refused(saved):
    with pytest.raises(InputError, match="batches of 0; expected 1 row or more"):
        next(FileSource(str(saved[0])).scan(0))


def test_rows_are_fetched_in_the_order_asked_for_and_missing_ones_named(saved):
    path, ids = saved
    source, some = FileSource(str(path)), [40, 3, 3, 0, 49]
    found = source.fetch(ids[some])
    np.testing.assert_array_equal(found.vectors, X[some].astype(np.float32))
    absent = 9999 if ids.dtype.kind == "i" else "ö"
    with pytest.raises(StorageError, match=rf"no vector for \S*{absent}\S*; expected ids it holds"):
        source.fetch(np.array([ids[3], absent]))


def test_facts_are_those_of_the_file(saved):
    path, ids = saved
    facts = FileSource(str(path)).facts()
    assert (facts.rows, facts.dim) == (50, 3)
    assert facts.id_kind == ("int" if ids.dtype.kind == "i" else "string")


def test_the_stamp_changes_with_the_file_and_with_nothing_else(saved):
    path, _ = saved
    source = FileSource(str(path))
    stamp = source.stamp()
    assert FileSource(str(path)).stamp() == stamp
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert source.stamp() != stamp


def test_an_id_twice_is_refused_before_anything_is_read(tmp_path):
    np.savez(tmp_path / "twice.npz", vectors=X[:3], ids=[1, 2, 1])
    with pytest.raises(InputError):
        FileSource(str(tmp_path / "twice.npz"))
