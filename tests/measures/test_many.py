"""Many spaces: true distances only, a plane that keeps them, a tree."""

from itertools import combinations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import method
from isthmus.measures import debiased_cka, many, procrustes_angular
from isthmus.measures.inference import holm
from isthmus.measures.many import _plane, compare_many


def family(n=60, d=5):
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, n, d))
    return {
        "a1": one, "a2": one + 0.1 * rng.normal(size=(n, d)),
        "b1": two, "b2": two[:, ::-1] + 0.1 * rng.normal(size=(n, d)), "b3": two * 3 + 1,
    }  # fmt: skip


def test_distances_are_the_measure_and_the_tree_finds_the_families():
    spaces = family()
    drawn = compare_many(spaces)
    assert drawn.distances[0, 2] == pytest.approx(
        procrustes_angular(spaces["a1"], spaces["b1"]).distance()
    )
    assert (drawn.distances == drawn.distances.T).all()
    leaves = [drawn.names[i][0] for i in drawn.order]
    assert leaves in (list("aabbb"), list("bbbaa"))
    assert "Nearest: b1 and b3" in str(drawn)
    assert drawn.stress < 0.1


def test_points_of_a_plane_are_given_back():
    points = np.random.default_rng(1).normal(size=(12, 2)) * [3, 1]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    found = _plane(apart)
    assert np.linalg.norm(found[:, None] - found[None], axis=-1) == pytest.approx(apart, abs=1e-3)
    assert np.var(found[:, 0]) > np.var(found[:, 1])


def test_high_dimensional_families_warn_that_a_plane_lies():
    rng = np.random.default_rng(2)
    drawn = compare_many([rng.normal(size=(40, 8)) for _ in range(12)])
    assert drawn.stress > 0.15
    assert "shows these distances badly" in str(drawn)
    assert max(map(len, str(drawn).splitlines())) <= 80


def test_pairs_that_are_not_related_are_named():
    drawn = compare_many(family())
    exact = [debiased_cka(family()[a], family()[b], ci=False).p
             for a, b in combinations(family(), 2)]  # fmt: skip
    assert drawn.p_any[np.triu_indices(5, 1)] == pytest.approx(holm(np.array(exact)))
    assert (drawn.p_any == drawn.p_any.T).all()
    assert drawn.as_dict()["p_any"] == drawn.p_any.tolist()
    same = np.array([[a[0] == b[0] for b in drawn.names] for a in drawn.names])
    assert ((drawn.p_any < 0.05) == same).all()
    said = drawn.sentences()[-1]
    assert said.startswith("Not related beyond chance (debiased CKA of 60 items, Holm's bound ove")
    assert said.endswith("a1 and b1, a1 and b2, a1 and b3, a2 and b1, a2 and b2, a2 and b3.")
    assert drawn.warnings == tuple(t for t in drawn.warnings if "any other" not in t)


def test_a_space_related_to_none_is_named_and_may_be_shuffled():
    one = family()["b1"]
    spaces = {"a": one, "b": one * 2, "mixed": np.random.default_rng(5).permutation(one)}
    drawn = compare_many(spaces)
    assert drawn.sentences()[-1].endswith(": mixed and every other.")
    assert drawn.warnings[0].startswith("mixed: not related to any other beyond chance (largest z")
    sound = compare_many(spaces | {"mixed": one + 1})
    assert "beyond chance" not in str(sound)
    alone = compare_many([np.random.default_rng(s).normal(size=(50, 4)) for s in range(3)])
    assert alone.sentences()[-1].startswith("No two of these spaces are related beyond chance")


def test_unrelated_spaces_are_rarely_called_related():
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drawn = compare_many([rng.normal(size=(40, 3)) for _ in range(4)])
        found += bool((drawn.p_any[np.triu_indices(4, 1)] < 0.05).any())
    assert found <= 8  # 3 expected of 60


def test_copies_and_few_rows_are_said():
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.repeat(np.arange(10), 8))
    drawn = compare_many({name: rng.normal(size=(10, 5))[rows] for name in "abcd"})
    assert drawn.warnings[0].startswith("a, b, c and 1 more: 87.5% of the rows are copies")
    few = compare_many([rng.normal(size=(3, 2)) for _ in range(3)])
    assert few.warnings[0].startswith("only 3 pairs")
    assert (few.p_any[~np.eye(3, dtype=bool)] == 1).all()


def test_doubts_are_told_before_distances_and_printed_before_the_table(monkeypatch):
    events = []
    usual = many.compacted
    monkeypatch.setattr(many, "compacted", lambda *a: (events.append("computed"), usual(*a))[1])
    rng = np.random.default_rng(5)
    one = np.repeat(rng.normal(size=(30, 5)), 2, axis=0)
    spaces = {"a": one, "b": one * 2, "mixed": rng.normal(size=(60, 5))}
    drawn = compare_many(spaces, told=events.append)
    assert events == [*drawn.doubts, "computed"]
    assert [text.partition(":")[0] for text in drawn.doubts] == ["a, b", "mixed"]
    assert drawn.warnings[:2] == drawn.doubts
    assert str(drawn).startswith("! a, b: 50.0% of the rows are copies")
    assert str(drawn).count("! mixed: not related to any other") == 1
    assert compare_many(family()).doubts == ()


def test_every_measure_offered_takes_two_paired_spaces():
    with pytest.raises(InputError, match="a true distance: ") as refused:
        compare_many(family(), measure="stochastic_shape_distance")
    offered = str(refused.value).partition("a true distance: ")[2].rstrip(".").split(", ")
    assert {"procrustes_angular", "gulp"} < set(offered)
    cards = [method("measures", name).card for name in offered]
    assert all(card.metric and card.spaces == 2 and card.paired for card in cards)


def test_what_is_no_metric_of_unequal_widths_is_refused():
    spaces = family() | {"b3": family()["b3"][:, :4]}
    with pytest.raises(InputError, match="of widths 5 and 4: no metric.*equal width"):
        compare_many(spaces, measure="permutation_procrustes")


def test_names_may_be_numbers():
    drawn = compare_many({2023 + k: space for k, space in enumerate(family().values())})
    assert drawn.names[:2] == ("2023", "2024")
    assert "2023" in str(drawn)


def test_what_is_no_metric_cannot_be_mapped():
    with pytest.raises(InputError, match="no metric.*procrustes_angular"):
        compare_many(family(), measure="debiased_cka")


def test_bad_input():
    spaces = family()
    with pytest.raises(InputError, match="2 spaces"):
        compare_many(list(spaces.values())[:2])
    with pytest.raises(InputError, match="same items"):
        compare_many(spaces | {"b3": spaces["b3"][:-1]})
    spaces["b1"][0, 0] = np.inf
    with pytest.raises(InputError, match="b1 with NaN or infinity"):
        compare_many(spaces)
