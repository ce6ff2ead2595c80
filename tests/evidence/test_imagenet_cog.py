import numpy as np
import pytest

from isthmus.evidence import imagenet_cog as cog
from isthmus.evidence import wordnet
from isthmus.evidence.corpora import MissingData
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.wordnet import Nouns

SEEDS = seeds_from(7, 2)


def world(domains=6, groups=5, kinds=34, seed=0):
    """A tree of domains, groups and kinds whose glosses share words with group and domain."""
    rng = np.random.default_rng(seed)
    names, glosses, parents = ["all"], ["all"], [()]
    for a in range(domains):
        top = len(names)
        names.append(f"d{a}")
        glosses.append(f"dom{a}")
        parents.append((0,))
        for b in range(groups):
            middle = len(names)
            names.append(f"d{a}g{b}")
            glosses.append(f"grp{a}x{b}")
            parents.append((top,))
            for c in range(kinds):
                names.append(f"k{a}{b}{c}")
                # A word of the domain, and one that says the group, though not for sure.
                words = [
                    f"dom{a}w{rng.integers(12)}",
                    f"w{3 * b + rng.integers(4)}",
                    f'"said of {c}"',
                ]
                glosses.append(" ".join(words))
                parents.append((middle,))
    return Nouns(tuple(names), tuple(glosses), tuple(parents), np.zeros(len(names), int))


def test_concepts_share_no_kinds_and_are_of_the_right_size(monkeypatch):
    words = world()
    found = cog.concepts(words, np.random.default_rng(0), count=100)
    assert len(found) == 30
    rows = np.concatenate(list(found.values()))
    assert len(np.unique(rows)) == len(rows)
    assert {len(kinds) for kinds in found.values()} == {34}
    assert len(cog.concepts(words, np.random.default_rng(0), count=7)) == 7


def test_a_gloss_has_no_examples():
    words = world()
    assert '"' in words.glosses[5]
    assert cog.gloss(words, 5) == words.glosses[5].split(' "')[0] + " "


@pytest.mark.parametrize("name", cog.ENCODERS)
def test_encoders_are_fitted_on_seen_texts_alone(name, monkeypatch):
    monkeypatch.setattr(cog, "WIDTH", 3)
    texts = ["red dog", "red cat", "blue dog", "blue cat"] * 2
    encode = cog.ENCODERS[name](texts, np.arange(8) % 4, 0)
    known, new = encode(["red dog"]), encode(["quux zzyx"])
    assert known.shape == new.shape
    assert np.abs(known).sum() > 0
    assert np.abs(new - encode(["vwvw kjkj"])).max() < 1e-12


def test_a_curve_that_falls_meets_the_bound_and_a_flat_one_does_not(monkeypatch):
    words = world()
    small = {"seen": 10, "unseen": 20}

    def told(falls):
        def probes(x, labels, level, rng):
            drop = 0.1 * np.arange(5) if falls else 0.001 * np.array([2, 0, 3, 1, 2])
            return list(0.9 - drop)

        return probes

    one = {"words": cog.ENCODERS["words"]}
    monkeypatch.setattr(cog, "WIDTH", 8)
    monkeypatch.setattr(cog, "probe_levels", told(falls=True))
    assert cog.experiment(SEEDS, words, encoders=one, **small)["spearman"].met
    monkeypatch.setattr(cog, "probe_levels", told(falls=False))
    control = cog.experiment(SEEDS, words, encoders=one, **small)
    assert not control["spearman"].met
    assert not control["crossed"].met  # one encoder has no ranking


def test_a_small_world_runs(monkeypatch):
    monkeypatch.setattr(cog, "WIDTH", 8)
    figures = cog.experiment(
        SEEDS, world(), seen=10, unseen=20, encoders={"words": cog.ENCODERS["words"]}
    )
    assert figures["level_1"].value > 0.3  # 4 concepts a level
    assert np.isfinite([figure.value for figure in figures.values()]).all()


def test_without_wordnet_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    monkeypatch.setattr(wordnet, "FOLDERS", (str(tmp_path / "none"),))
    with pytest.raises(MissingData, match="wordnet-base"):
        cog.run()
