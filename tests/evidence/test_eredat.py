import numpy as np
import pytest

from isthmus.evidence import eredat
from isthmus.evidence.corpora import MissingData
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.wordnet import Nouns, nouns


@pytest.fixture
def small():
    """A tree of 300 made-up nouns, each defined by its parent's other word and words of its own."""
    rng = np.random.default_rng(0)
    parents = ((), *(((i - 1) // 3,) for i in range(1, 300)))
    names = tuple(f"noun{i}" for i in range(300))
    glosses = tuple(
        f"sort of synonym{p[0] if p else 0} with trait{rng.integers(9)}" for p in parents
    )
    return Nouns(names, glosses, parents, np.zeros(300))


def test_facts_are_hypernyms_and_kinds(small):
    facts, glosses = eredat.facts_and_glosses(small)
    assert facts[1] == [
        ("noun1", "is a kind of", "noun0"),
        *((f"noun{k}", "is a kind of", "noun1") for k in (4, 5, 6)),
    ]
    assert len(facts) == len(glosses) == 300


def test_recall_shares_ties():
    assert eredat.recall_at_10(np.eye(30)) == 1
    assert eredat.recall_at_10(np.zeros((30, 30))) == 0
    assert eredat.recall_at_10(-np.eye(30)) == 0


def test_glosses_of_other_synsets_teach_nothing(small):
    seeds = seeds_from(3, 2)
    options = {"given": small, "train": 240, "held_out": 50, "steps": 40}
    right, wrong = (eredat.experiment(seeds, matched=m, **options) for m in (True, False))
    assert right["bridge"].value > wrong["bridge"].value + 0.1
    assert not wrong["ratio"].met
    assert sum(figure.claimed for figure in right.values()) == 2


def test_wordnet_gives_facts_for_nearly_all_nouns():
    try:
        given = nouns()
    except MissingData as error:
        pytest.skip(str(error))
    facts, glosses = eredat.facts_and_glosses(given)
    assert sum(map(bool, facts)) > 80_000
    assert not any('"' in gloss[:1] for gloss in glosses[:1000])
