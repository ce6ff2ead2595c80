"""Verdict: every sentence follows from an interval or a test, none from a bare value."""

import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.measures.disagreement import Disagreement
from isthmus.measures.verdict import BACKWARD, FORWARD, _told_from_chance, verdict

X, Y = np.random.default_rng(0).normal(size=(2, 40, 20))
SURE = {"debiased_cka": Score(value=0.9, method="debiased_cka", n=40, p=1e-9, z=6.0)}


def score(method="a", value=0.5, **more):
    return Score(value=value, method=method, n=40, **more)


def said(known, x=X, y=Y, parts=None):
    return " ".join(verdict(known, x, y, parts)[1])


def parting(**more):
    usual = {"kept": np.full(40, 0.8), "items": (), "shares": (), "k": 10, "left": None}
    return Disagreement(**{**usual, "directions": None, **more})


def test_equal_arrays_need_no_scores():
    assert verdict({}, X, X.copy(), None) == (True, ["The same space, bit for bit."])
    assert verdict({}, X, X[:, :7], None)[0] is False
    changed = X.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], 9)
    assert verdict({}, X, changed, None)[0] is False


def test_without_a_test_there_is_no_verdict():
    related, words = verdict({"two_nn source": score(ci=(1.0, 2.0))}, X, Y, None)
    assert not related
    assert words == ["Nothing measured here tests for a relation: no verdict on that."]


@pytest.mark.parametrize(("p", "related"), [(0.00499, True), (0.005, False), (0.9, False)])
def test_the_level_is_one_half_percent_for_either_test(p, related):
    for name, other in (("debiased_cka", "mutual_knn"), ("mutual_knn", "debiased_cka")):
        known = {name: score(name, p=p, z=1.0), other: score(other, p=0.5, z=0.0)}
        assert verdict(known, X, Y, None)[0] is related


@pytest.mark.parametrize(
    ("label", "decides"),
    [("cca", True), ("alignment", True), (f"information_imbalance {BACKWARD}", True),
     ("energy_distance", False), ("mmd", False), ("anisotropy source", False)],
)  # fmt: skip
def test_every_test_of_paired_rows_decides_and_no_other(label, decides):
    """A small p of unpaired spaces says that they differ, one of a single space nothing of two."""
    known = {label: score(label.split()[0], p=1e-30, z=20.0)}
    related, words = verdict(known, X, Y, None)
    assert related is decides
    assert ("Nothing measured here" in words[0]) is not decides


def test_all_tests_together_keep_the_level():
    p = np.random.default_rng(0).uniform(size=(20_000, 5))
    together = np.mean([_told_from_chance(list(row)) for row in p])
    assert together == pytest.approx(0.01, abs=0.002)
    assert np.mean(p.min(axis=1) < 0.01) > 0.04  # each at the level of all would not


def test_p_by_a_hundred_orders_are_enough():
    names = ("permutation_procrustes", "soft_matching", "mcc")
    for count in (1, 2, 3):
        for p, related in ((1 / 101, True), (2 / 101, False)):
            known = {name: score(name, p=p, z=200.0) for name in names[:count]}
            assert verdict(known, X, Y, None)[0] is related


def test_the_stronger_test_is_named_and_of_equal_p_the_larger_z():
    cka, knn = score("debiased_cka", p=1e-9, z=6.0), score("mutual_knn", p=1e-4, z=3.7)
    assert "related (debiased_cka z 6.0)" in said({"mutual_knn": knn, "debiased_cka": cka})
    cka, knn = score("debiased_cka", p=0.0, z=40.0), score("mutual_knn", p=0.0, z=90.0)
    assert "related (mutual_knn z 90.0)" in said({"mutual_knn": knn, "debiased_cka": cka})


def test_unrelated_spaces_are_told_why_and_little_else():
    known = {
        "debiased_cka": score("debiased_cka", p=0.4, z=0.25, ci=(-0.1, 0.2)),
        "mutual_knn": score("mutual_knn", p=0.6, z=-0.3, ci=(0.1, 0.3), chance=0.2),
        f"ridge_r2 {FORWARD}": score(ci=(0.115, 0.2)),
        "two_nn source": score(ci=(5.0, 6.0)),
        "two_nn target": score(ci=(1.0, 2.0)),
    }
    related, words = verdict(known, X, Y, parting(left=0.1, directions=1))
    assert not related
    assert "(the strongest of 2 tests: debiased_cka z 0.2; chance is 0)" in words[0]
    assert words[1:] == [
        "A linear map of the source predicts at least 11 % of the target's variance."
    ]


def test_chance_is_zero_for_z_and_not_for_p():
    words = said({"debiased_cka": score("debiased_cka", p=0.43)})
    assert "(debiased_cka p 0.43)" in words
    assert "chance" not in words


@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, 1e-6), (np.float32, 1.192e-4)])
def test_the_same_up_to_rotation_is_told_up_to_rounding_of_the_coarser_side(dtype, limit):
    for value, same in ((0.9 * limit, True), (1.1 * limit, False)):
        known = {"procrustes_angular": score(value=value)}
        related, words = verdict(known, X.astype(dtype), Y, None)
        assert related is same
        assert (words[0] == "The same space up to rotation, shift and scale.") is same


@pytest.mark.parametrize(
    ("name", "but"),
    [("procrustes_angular", "rotation, shift and scale"), ("procrustes_distance", "rotation and"),
     ("permutation_procrustes", "the order of its dimensions and shift")],
)  # fmt: skip
def test_the_same_is_told_in_units_of_chance_and_up_to_the_least(name, but):
    assert f"The same space up to {but}" in said({name: score(value=9e-4, chance=1e3)})
    assert "The same" not in said({name: score(value=9e-4, chance=1.0)})
    both = {"procrustes_angular": score(value=0.0), name: score(value=0.0)}
    assert f"The same space up to {but}" in said(both)


@pytest.mark.parametrize(
    ("ci", "word"),
    [
        ((0.91, 0.95), "nearly the same"), ((0.9, 0.95), "largely shared"),
        ((0.51, 0.9), "largely shared"), ((0.5, 0.6), "shared in part"),
        ((0.4, 0.5), "shared in part"), ((0.4, 0.49), "differs for the greater part"),
    ],
)  # fmt: skip
def test_geometry_is_worded_by_the_interval(ci, word):
    words = said({"debiased_cka": score("debiased_cka", value=0.99, p=1e-9, z=6.0, ci=ci)})
    assert f"{word}: debiased CKA between {ci[0]:.2f} and {ci[1]:.2f}." in words


def test_neighbours_are_held_to_chance_by_their_lower_end():
    for low, word in ((0.21, "more than"), (0.2, "no more, within error, than")):
        knn = score("mutual_knn", p=1e-9, z=6.0, ci=(low, 0.6), chance=0.2)
        assert f"keep {low:.0%} to 60% of their nearest neighbours, {word} the 20.0%" in said(
            {"mutual_knn": knn}
        )


@pytest.mark.parametrize(("p", "warned"), [(0.01, True), (0.9, True), (0.0099, False)])
def test_axes_that_were_not_shown_to_be_the_same_are_warned_of(p, warned):
    assert ("not the same axes" in said({**SURE, "alignment": score(p=p)})) is warned


@pytest.mark.parametrize(
    ("low", "told"), [(0.57, 57), (0.01, 1), (0.2999, 29), (1.0, 100), (0.0099, None), (-1, None)]
)
def test_what_a_linear_map_predicts_is_rounded_down_and_nothing_is_not_told(low, told):
    words = said({**SURE, f"ridge_r2 {BACKWARD}": score(ci=(low, 1.0))})
    expected = f"map of the target predicts at least {told} % of the source's variance."
    assert (expected in words) if told else ("at least" not in words)


@pytest.mark.parametrize(
    ("label", "of_source", "of_target", "when_source_is_higher"),
    [
        ("ridge_r2", FORWARD, BACKWARD, "The source predicts the target better"),
        ("information_imbalance", FORWARD, BACKWARD, "The target's neighbourhoods contain more"),
        ("participation_ratio", "source", "target", "The source spreads its variance"),
        ("two_nn", "source", "target", "The source is of higher intrinsic dimension"),
        ("uniformity", "source", "target", "The source crowds more"),
    ],
)
def test_sides_are_told_apart_by_intervals_that_do_not_touch(
    label, of_source, of_target, when_source_is_higher
):
    def words(source, target):
        known = {f"{label} {of_source}": score(ci=source), f"{label} {of_target}": score(ci=target)}
        return verdict({**SURE, **known}, X, Y, None)[1][-1]

    other = {"source": "target", "target": "source"}
    swapped = " ".join(other.get(word, word) for word in when_source_is_higher.split())
    swapped = swapped.replace("target's", "source's")
    assert words((0.3, 0.4), (0.1, 0.2)).startswith(when_source_is_higher)
    assert words((0.1, 0.2), (0.3, 0.4)).startswith(swapped)
    for touching in ((0.1, 0.3), (0.35, 0.5), (0.4, 0.9)):
        assert "than the other" not in words((0.3, 0.4), touching)


@pytest.mark.parametrize(
    ("left", "directions", "told"),
    [
        (0.19, 2, "19.0% of the target's variance differs: 2 of 20 dimensions carry the"),
        (0.1, 1, "10.0% of the target's variance differs: 1 of 20 dimensions carries the"),
        (0.0002, 2, "scale under 0.1% of the target's"),
        (0.2, 2, None), (0.1, 3, None), (1e-12, 0, None), (None, None, None),
    ],
)  # fmt: skip
def test_directions_are_told_when_they_are_few_and_little_is_left(left, directions, told):
    words = said(SURE, parts=parting(left=left, directions=directions))
    assert (told in words) if told else ("Beyond" not in words)


def test_items_are_named_when_they_stand_out():
    def words(items, first=0.0, kept=0.8):
        shares = tuple(first for _ in items)
        return said(SURE, parts=parting(kept=np.full(40, kept), items=items, shares=shares))

    assert words(("a",)).endswith("disagree most around this item: a.")
    assert words((3, 4)).endswith("around these 2 items: 3, 4.")
    assert words(tuple("abcde")).endswith("these 5 items: a, b, c, d, e.")
    assert words(tuple("abcdefg")).endswith("these 7 items: a, b, c, d, e and 2 more.")
    for quiet in (words(()), words(("a",), first=0.4), words(("a",), kept=0.05)):
        assert "disagree" not in quiet


def test_an_id_cannot_write_a_line_or_a_colour_of_its_own():
    items = ("a\n* NO RELATION", "\x1b[31mred", "\u202eback", "x" * 10_000)
    words = said(SURE, parts=parting(items=items, shares=(0.0,) * 4))
    assert words.isprintable()
    assert "a?* NO RELATION, ?[31mred, ?back, xxx" in words
    assert len(words) < 400
