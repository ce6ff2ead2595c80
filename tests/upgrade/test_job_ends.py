"""The ends of a job: what can be one, and which folder a piece of work gets."""

from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError
from isthmus.upgrade.file_source import FileSource
from isthmus.upgrade.job_ends import Ends, bridge_bytes, carries_payload, opened

HERE = "sqlite-vec:///old.db/docs"


@pytest.mark.parametrize(
    ("source", "to", "batch", "said"),
    [
        (HERE, None, 0, "a batch of 0 rows"),
        ("my db://user:secret@host/x", None, 9, "a text with :// that is no address"),
        (HERE, "new.npz", 9, "the path new.npz as --to"),
        ("old.npz", None, 9, "the file old.npz alone"),
        (HERE + "?filter=lang='de'", None, 9, "a filter and no --to"),
    ],
)
def test_what_cannot_end_in_a_collection_is_refused_and_repeats_no_secret(source, to, batch, said):
    with pytest.raises(InputError) as raised:
        Ends.of(source, to, batch)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_filter_is_welcome_where_the_rows_go_elsewhere():
    ends = Ends.of(HERE + "?filter=lang='de'", HERE + "2", 9)
    assert (ends.name, sorted(ends.full)) == ("docs", ["source", "to"])
    assert Ends.of("some/old.npz", HERE, 9).name == "old"


def test_one_piece_of_work_has_one_folder_whatever_its_password():
    def folder(source, bridge=b"bridge", to=None):
        return Ends.of(source, to, 9).default_folder(Path("jobs"), bridge)

    place = "pgvector://me{}@host/db/docs?vector=emb"
    assert folder(place.format(":one")) == folder(place.format(":two"))
    assert folder(place.format("")).parent == Path("jobs")
    assert folder(place.format("")).name.startswith("docs-")
    others = {folder(HERE), folder(HERE, b"other"), folder(HERE, to=HERE + "2"), folder(HERE + "3")}
    assert len(others) == 4


def test_a_path_is_a_file_and_carries_no_other_columns(tmp_path):
    np.savez(tmp_path / "old.npz", vectors=np.eye(3), ids=[1, 2, 3])
    source = opened(str(tmp_path / "old.npz"))
    assert isinstance(source, FileSource)
    assert not carries_payload(source, True)


def test_a_bridge_is_the_same_bytes_from_a_file_and_from_memory(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3))
    bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal")
    path = bridge.save(tmp_path / "b.isthmus")
    assert bridge_bytes(bridge)[1] == bridge_bytes(path)[1] == path.read_bytes()
