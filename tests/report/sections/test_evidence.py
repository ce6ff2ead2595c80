"""The evidence's section: a claim that fails is a warning, with what holds beside it."""

from typing import Any

from isthmus.report.sections import evidence as section


def test_failing_claims_warn(rich: dict[str, Any]) -> None:
    built = section.build([rich["evidence"]])
    assert built.warnings[0].startswith("Relative representations: the claim does not hold")
    assert "keep 94 %" in built.findings[0]
    figures = built.tables[1]
    assert [figures.rows[i][0].text for i in figures.marked] == ["absolute stitching"]
    assert [row[2].text for row in figures.rows] == ["\u2265 0.9", "\u2264 0.4", "\u2013"]
    assert [row[3].text for row in figures.rows] == ["yes", "no", "\u2013"]
    assert built.tables[0].columns == ("anchors", "cosine")
