import pytest

from isthmus.core.card import closure
from isthmus.core.errors import InputError
from isthmus.core.registry import method
from isthmus.measures.choice import WORDS, blind_to, groups


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


def test_words_and_names_of_groups_both_serve():
    assert groups(["rotation", "axis_scale"]) == ("orthogonal", "axis_scale")
    assert all(groups(word)[0] in closure((groups(word)[0],)) for word in WORDS)


@pytest.mark.parametrize("words", ["sorcery", "", " , "])
def test_unknown_words_name_the_known(words):
    with pytest.raises(InputError, match="rotation, scale, shift"):
        blind_to(words)
