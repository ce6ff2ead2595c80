"""WordNet's files are read as they are written."""

import numpy as np
import pytest

from isthmus.evidence import wordnet
from isthmus.evidence.corpora import MissingData

DATA = """\
  1 This is the licence, which is no synset.
00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which is
00001930 05 n 02 dog 0 domestic_dog 2 002 @ 00001740 n 0000 ~ 00002000 n 0000 | a barking animal
00002000 05 n 01 Rex 0 001 @i 00001930 n 0000 | "one dog"
"""
COUNTS = "dog%1:05:00:: 1 42\ndomestic_dog%1:05:02:: 1 3\ndog%2:05:00:: 1 7\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "cntlist.rev").write_text(COUNTS)
    return tmp_path


def test_reads_names_glosses_parents_and_counts_of_nouns(folder):
    found = wordnet.read(folder)
    assert found.names == ("entity", "dog", "Rex")
    assert found.glosses[1] == "a barking animal"
    assert found.parents == ((), (0,), (1,))
    assert found.counts.tolist() == [0, 45, 0]


def test_below_and_graph(folder):
    found = wordnet.read(folder)
    assert found.below(1).tolist() == [1, 2]
    graph = found.graph(np.array([2, 1]))
    assert graph.toarray().tolist() == [[0, 1], [1, 0]]


def test_a_machine_without_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    monkeypatch.setattr(wordnet, "FOLDERS", (str(tmp_path / "none"),))
    with pytest.raises(MissingData, match="wordnet-base"):
        wordnet.nouns()
