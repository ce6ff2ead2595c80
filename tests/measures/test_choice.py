import pytest

from isthmus.core.card import closure
from isthmus.core.errors import InputError
from isthmus.core.registry import method, methods
from isthmus.measures import choice
from isthmus.measures.choice import KINDS, WORDS, blind_to, groups


@pytest.mark.parametrize("words", ["rotation", "rotation,scale", "scale,shift", "affine", "norms"])
def test_all_that_are_chosen_are_blind_to_it_on_both_sides(words):
    chosen = blind_to(words)
    assert chosen
    for name in chosen:
        card = method("measures", name).card
        for side in (False, True):
            assert all(card.declares(group, target=side) for group in groups(words))


def test_those_blind_to_little_else_come_first():
    assert blind_to("rotation,scale,shift")[0] not in blind_to("affine")
    assert "mutual_knn" not in blind_to("rotation,shift")


@pytest.mark.parametrize("words", [*WORDS, "rotation,scale", "rotation,shift"])
def test_a_panel_names_one_of_each_kind(words):
    chosen = blind_to(words)
    assert max(len(set(kind) & set(chosen)) for kind in KINDS) == 1


def test_a_newcomer_gets_the_default_panel_as_far_as_it_is_blind():
    default = ("debiased_cka", "mutual_knn", "procrustes_angular", "ridge_r2")
    assert blind_to("rotation,scale")[:5] == (*default, "information_imbalance")
    assert blind_to("rotation,shift")[0] == "procrustes_distance"  # which sees scale
    assert blind_to("permutation")[0] == "permutation_procrustes"


def test_every_measure_that_may_be_chosen_has_one_place():
    placed = sorted(name for kind in KINDS for name in kind)
    assert placed == sorted(m.name for m in methods("measures") if choice._qualifies(m.card, ()))


def test_a_measure_without_a_place_is_a_kind_of_its_own(monkeypatch):
    monkeypatch.setattr(choice, "KINDS", KINDS[:1])
    assert {"cca", "eigenspace_overlap"} <= set(blind_to("linear"))


def test_words_and_names_of_groups_both_serve():
    assert groups(["rotation", "axis_scale"]) == ("orthogonal", "axis_scale")
    assert all(groups(word)[0] in closure((groups(word)[0],)) for word in WORDS)


@pytest.mark.parametrize("words", ["sorcery", "", " , "])
def test_unknown_words_name_the_known(words):
    with pytest.raises(InputError, match="rotation, scale, shift"):
        blind_to(words)
