"""The registry finds every method by its file, and refuses what would drift apart."""

import subprocess
import sys
from dataclasses import replace

import pytest

import isthmus
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import cautious, method, methods, register
from isthmus.core.score import Score


def card(name):
    return Card(name=name, summary="s", paper=Paper("t", "a", 2000), cost="n", memory="n")


def test_every_method_is_named_like_its_file_and_documented():
    found = methods()
    assert {m.room for m in found} == {"anchors", "bridges", "measures", "retrieval"}
    for entry in found:
        assert entry.call.__module__ == f"isthmus.{entry.room}.{entry.name}"
        assert entry.call.card is entry.card
        assert entry.call.__doc__, entry.name
        assert entry.card.summary.endswith("."), entry.name
        assert entry.card.paper.year > 1800


def test_rooms_give_the_method_not_its_module():
    assert callable(isthmus.measures.debiased_cka)
    assert isthmus.bridges.Orthogonal.card.name == "orthogonal"
    assert "Orthogonal" in dir(isthmus.bridges)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = isthmus.measures.missing


def test_importing_the_file_first_changes_nothing():
    code = (
        "import isthmus.measures.uniformity as m, isthmus;"
        "assert callable(isthmus.measures.uniformity), isthmus.measures.uniformity"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lookup_knows_dashes_and_names_the_choices():
    assert method("bridges", "low-rank").name == "low_rank"
    with pytest.raises(InputError, match="one of .*affine, "):
        method("bridges", "magic")


def test_a_card_on_another_name_is_refused():
    with pytest.raises(InputError, match="agree"):

        @register(card("one"), room="measures")
        def two(x):
            return x


def test_a_name_cannot_be_taken_twice():
    def fake(x):
        return x

    fake.__name__ = "orthogonal"
    methods("bridges")
    with pytest.raises(InputError, match="not yet taken"):
        register(card("orthogonal"), room="bridges")(fake)


def test_plugins_are_found_through_their_entry_point(monkeypatch):
    from isthmus.core import registry

    class Plugin:
        @staticmethod
        def load():
            @register(card("from_elsewhere"), room="measures")
            def from_elsewhere(x):
                return x

    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    monkeypatch.setattr(registry, "entry_points", lambda group: [Plugin()])
    assert "from_elsewhere" in [m.name for m in methods("measures")]
    assert method("measures", "from_elsewhere").card.name == "from_elsewhere"


class Both:
    x, y = [[0.0, 1.0]] * 8, [[0.0, 1.0, 2.0]] * 8


@pytest.mark.parametrize(
    ("args", "given"),
    [
        (([[0.0, 1.0]] * 8, [[0.0, 1.0, 2.0]] * 8), {}),
        (([[0.0, 1.0]] * 8,), {"y": [[0.0, 1.0, 2.0]] * 8}),
        ((Both(),), {}),
    ],
)
def test_scores_from_where_a_card_is_rough_warn(args, given):
    rough = replace(card("measured"), caveat="The interval is short.", rough=(4, 3))
    call = cautious(rough, measured)
    assert "8 rows of 3 dims" in call(*args, **given).warnings[1]
    assert call.__doc__ == measured.__doc__
    wide = replace(rough, rough=(4, 2))
    assert cautious(wide, measured)(*args, **given).warnings == ("own",)


def test_a_score_without_interval_or_test_has_nothing_to_warn_of():
    rough = replace(card("measured"), caveat="The interval is short.", rough=(99, 0))
    assert cautious(rough, lambda x: Score(value=1.0, method="m", n=8))([[1.0]]).warnings == ()
    assert cautious(rough, lambda x: 3.0)([[1.0]]) == 3.0


def measured(x, y=None):
    """A measure with an interval."""
    return Score(value=1.0, method="measured", n=8, ci=(0.0, 2.0), warnings=("own",))
