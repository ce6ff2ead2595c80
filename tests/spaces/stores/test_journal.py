"""A journal gives back what was appended; a torn end is written over, damage before it is told."""

import numpy as np
import pytest

from isthmus.core.errors import FormatError
from isthmus.spaces.stores.journal import Journal

X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)


def told(path):
    entries = Journal(path, 3).entries(verify=True)
    rows = [None if row < 0 else entries.vectors.take(row[None])[0] for row in entries.rows]
    return dict(zip(entries.ids.tolist(), rows, strict=True))


def filled(path):
    journal = Journal(path, 3)
    journal.append(np.array([5, 1, 9]), X[:3])
    journal.append(np.array([1, 7]), None)
    journal.append(np.array([7, 2]), X[3:5])
    return path


def check(found):
    assert list(found) == [1, 2, 5, 7, 9]
    assert found[1] is None
    for key, row in ((5, 0), (9, 2), (7, 3), (2, 4)):
        assert np.array_equal(found[key], X[row])


def test_the_last_word_on_each_id_counts(tmp_path):
    check(told(filled(tmp_path / "j")))
    assert told(tmp_path / "none") == {}


def test_a_torn_end_is_left_out_and_written_over(tmp_path):
    whole = filled(tmp_path / "j").read_bytes()
    sizes = [24 + 3 * 8 + 9 * 4, 24 + 2 * 8, 24 + 2 * 8 + 6 * 4]
    ends = np.cumsum(sizes)
    assert ends[-1] == len(whole)
    for cut in range(len(whole)):
        (tmp_path / "j").write_bytes(whole[:cut])
        found = told(tmp_path / "j")
        done = int((ends <= cut).sum())
        wanted = [{}, {1, 5, 9}, {1, 5, 7, 9}][done]
        assert set(found) == set(wanted)
        # A file that grew before its bytes came, as after a power cut.
        if whole[cut : ends[done]].strip(b"\0"):
            (tmp_path / "j").write_bytes(whole[:cut] + bytes(ends[done] - cut))
            assert set(told(tmp_path / "j")) == set(wanted)
        Journal(tmp_path / "j", 3).append(np.array([4]), X[9:10])
        assert set(told(tmp_path / "j")) == set(wanted) | {4}


@pytest.mark.parametrize("end", [84, 124])
def test_a_flipped_bit_before_the_last_record_is_told(end, tmp_path):
    whole = bytearray(filled(tmp_path / "j").read_bytes())
    for place in range(end - 40, end):
        whole[place] ^= 16
        (tmp_path / "j").write_bytes(whole)
        with pytest.raises(FormatError, match="damaged record|dimensions"):
            Journal(tmp_path / "j", 3).entries(verify=True)
        whole[place] ^= 16


def test_a_flipped_bit_in_the_last_record_undoes_it(tmp_path):
    whole = bytearray(filled(tmp_path / "j").read_bytes())
    whole[-1] ^= 1
    (tmp_path / "j").write_bytes(whole)
    assert set(told(tmp_path / "j")) == {1, 5, 7, 9}
    assert told(tmp_path / "j")[7] is None


def test_a_journal_of_another_width_is_refused(tmp_path):
    filled(tmp_path / "j")
    with pytest.raises(FormatError, match="3 dimensions"):
        Journal(tmp_path / "j", 4).entries()
