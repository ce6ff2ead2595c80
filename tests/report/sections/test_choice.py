"""The choice's section."""

from typing import Any

from isthmus.report.sections import choice as section


def test_chosen_bridge_is_marked_and_its_doubt_said(rich: dict[str, Any]) -> None:
    built = section.build([rich["choice"]])
    assert built.verdict is not None
    assert built.verdict.headline == "Use the affine bridge."
    assert built.verdict.sure == (
        "Held-out MRR 0.610 [0.590, 0.630] over 600 pairs, where random partners give 0.011."
    )
    table = built.tables[0]
    assert [table.rows[i][0].text for i in table.marked] == ["affine"]
    assert all(len(row) == len(table.columns) for row in table.rows)
    lead = {row[0].text: row[4] for row in table.rows}
    assert lead["low_rank"].text == "best"
    assert lead["affine"].detail == "[\u22120.025, +0.015]"
