"""Cards hold what they may say."""

import json

import pytest

from isthmus.core.card import GROUPS, Card, Paper, closure
from isthmus.core.errors import InputError

PAPER = Paper("A paper", "Somebody", 2001)


def test_groups_contain_each_other():
    assert closure(("affine",)) == set(GROUPS) - {"row_scale"}
    assert closure(("orthogonal",)) == {"orthogonal", "permutation"}
    assert closure(()) == frozenset()


def test_declares_by_side():
    card = Card(
        name="x", summary="s", paper=PAPER, cost="n", memory="n",
        invariant=("affine",), invariant_target=("orthogonal",),
    )  # fmt: skip
    assert card.declares("translation")
    assert not card.declares("translation", target=True)
    assert card.declares("permutation", target=True)


def test_unknown_groups_and_fields_are_refused():
    with pytest.raises(InputError, match="sorcery"):
        Card(name="x", summary="s", paper=PAPER, cost="n", memory="n", invariant=("sorcery",))
    with pytest.raises(TypeError):
        Card(name="x", summary="s", paper=PAPER, cost="n", memory="n", colour="red")


def test_a_card_is_plain_data():
    card = Card(name="x", summary="s", paper=PAPER, cost="n", memory="n")
    assert json.loads(json.dumps(card.as_dict()))["paper"]["year"] == 2001
    assert str(PAPER) == "Somebody 2001"


def test_rough_by_rows_and_by_rows_per_dimension():
    card = Card(
        name="x", summary="s", paper=PAPER, cost="n", memory="n",
        caveat="The interval is short.", rough=(150, 5),
    )  # fmt: skip
    assert card.is_rough(149, 2)
    assert card.is_rough(500, 101)
    assert not card.is_rough(500, 100)
    assert not Card(name="x", summary="s", paper=PAPER, cost="n", memory="n").is_rough(2, 999)
    with pytest.raises(InputError, match="without a caveat"):
        Card(name="x", summary="s", paper=PAPER, cost="n", memory="n", rough=(150, 5))
