"""The records of a page, and how numbers and names are written."""

import math

import pytest

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.report import html, page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (-0.0, "0.000"), (0.5, "0.500"), (-0.5, "\u22120.500"), (12.345, "12.35"),
        (310.2, "310.2"), (310.26, "310.3"), (1234567.0, "1,234,567"), (1e20, "1.0e+20"),
        (1e-5, "1.0e\u221205"),
        (math.nan, "\u2013"), (math.inf, "\u2013"), (None, "\u2013"), (0.9996, "1.000"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert page.number(value) == text


def test_signed_numbers_and_intervals() -> None:
    assert page.number(0.0, sign=True) == "0.000"
    assert page.interval((-0.1, 0.25), sign=True) == "[\u22120.100, +0.250]"
    assert page.interval(None) == ""
    assert page.score_cell(None) == page.Cell("\u2013")
    cell = page.score_cell(Score(value=0.5, ci=(0.4, 0.6), method="m", n=3))
    assert cell == page.Cell("0.500", "[0.400, 0.600]")


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\ud800", "\u202e", "\u2066", "\uffff", "\x7f"])
def test_troublesome_characters_are_replaced(bad: str) -> None:
    assert page.clean(f"a{bad}b") == "a\ufffdb"


@pytest.mark.parametrize("good", ["caf\u00e9", "\u6f22\u5b57", "\U0001f600", "a\nb\tc", "\u200d"])
def test_other_characters_stay(good: str) -> None:
    assert page.clean(good) == good


def test_sentences_keep_words_spelt_with_capitals() -> None:
    assert page.sentence("keep it.") == "Keep it."
    assert page.sentence("nDCG rose.") == "nDCG rose."
    assert page.sentence("") == ""


def test_a_subclass_is_reported_like_its_parent() -> None:
    html.assemble_all(())

    class Evidence: ...

    class Finer(Evidence): ...

    assert page.kind(Finer()) == "Evidence"
    with pytest.raises(InputError, match="class 'object'"):
        page.kind(object())


def test_a_section_must_name_a_step() -> None:
    with pytest.raises(InputError, match="'nowhere'"):
        page.section("X", step="nowhere")(lambda results: page.Section(title="", lead=""))
    assert "X" not in page.reportable()
