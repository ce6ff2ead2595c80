"""The comparison's section: every measure placed between chance and identical."""

import dataclasses
from typing import Any

import pytest

from isthmus.core.score import Score
from isthmus.report import plots
from isthmus.report.sections import comparison as section


@pytest.fixture
def placed(rich: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    def place(**score: Any) -> plots.Mark | None:
        seen: list[plots.Mark] = []

        def drawn(marks: list[plots.Mark], **_: Any) -> str:
            seen.extend(marks)
            return "<svg></svg>"

        monkeypatch.setattr(plots, "intervals", drawn)
        kind = type(rich["comparison"])
        one = (("it", Score(**{"n": 9} | score)),)
        section.build([kind(one, ("Related.",), True, (), 9, 9)])
        return seen[0] if seen else None

    return place


@pytest.mark.parametrize(
    ("method", "chance", "identical"),
    [
        ("debiased_cka", 0.0, 1.0),
        ("mutual_knn", 0.1, 1.0),
        ("procrustes_angular", 1.5, 0.0),
        ("information_imbalance", 1.0, 2 / 9),
    ],
)
def test_chance_is_zero_and_identical_is_one(
    method: str, chance: float, identical: float, placed: Any
) -> None:
    middle = (chance + identical) / 2
    for value, place in ((chance, 0.0), (identical, 1.0), (middle, 0.5)):
        mark = placed(value=value, method=method, chance=chance)
        assert mark.value == pytest.approx(place)


def test_intervals_turn_with_the_axis(placed: Any) -> None:
    mark = placed(value=0.75, ci=(0.6, 0.9), chance=1.5, method="procrustes_angular")
    assert mark.ci == pytest.approx((0.4, 0.6))
    assert mark.tone == "plain"


@pytest.mark.parametrize(
    ("ci", "tone"),
    [((-0.1, 0.1), "unclear"), (None, "unclear"), ((0.1, 0.2), "plain"), ((-0.2, -0.1), "worse")],
)
def test_only_marks_away_from_chance_are_filled(ci: Any, tone: str, placed: Any) -> None:
    assert placed(value=0.05, ci=ci, chance=0.0, method="debiased_cka").tone == tone


def test_measures_of_one_space_and_unknown_ones_have_no_place(placed: Any) -> None:
    assert placed(value=3.0, method="participation_ratio") is None
    assert placed(value=3.0, chance=0.0, method="no_such_measure") is None


def test_headline_is_the_comparison_s_own_first_word(rich: dict[str, Any]) -> None:
    shuffled = dataclasses.replace(rich["comparison"], verdict=("NO RELATION FOUND: shuffled.",))
    verdicts = [section.build([c]).verdict for c in (shuffled, rich["comparison"])]
    assert verdicts[0].headline == "NO RELATION FOUND: shuffled."  # type: ignore[union-attr]
    assert "310" in verdicts[1].sure  # type: ignore[union-attr]


def test_sample_is_said_only_where_one_was_drawn(rich: dict[str, Any]) -> None:
    whole = dataclasses.replace(rich["comparison"], sampled=10_000)
    said = [section.build([c]).findings[0] for c in (whole, rich["comparison"])]
    assert said[0] == "10,000 pairs."
    assert "3,000 of them" in said[1]
