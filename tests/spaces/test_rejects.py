import csv

import numpy as np
import pytest

from isthmus.core.errors import StorageError
from isthmus.spaces.rejects import write_rejects


def test_rows_ids_and_why(tmp_path):
    path = write_rejects(tmp_path / "out", {"row": np.array([3, 7]), "id": ['a"b', "c,é\nd"]})
    assert path == tmp_path / "out.rejects.csv"
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["row", "id", "reason"],
            ["3", 'a"b', "NaN or infinity"],
            ["7", "c,é\nd", "NaN or infinity"],
        ]


def test_none_are_a_header(tmp_path):
    assert write_rejects(tmp_path / "out", {"row": [], "id": []}).read_text() == "row,id,reason\n"


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    from pathlib import Path

    assert write_rejects(Path(), {"row": [1]}) == tmp_path / "here.rejects.csv"


def test_columns_of_one_length(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_rejects(tmp_path / "out", {"row": [1, 2], "id": ["a"]})
    with pytest.raises(StorageError):
        write_rejects(tmp_path / "no" / "out", {"row": [1]})
