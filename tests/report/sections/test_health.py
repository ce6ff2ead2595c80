"""The doctor's section: findings with ids and remedies, four pictures, down to empty results."""

import warnings
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.report.sections import health as section


def sick() -> Any:
    x = np.random.default_rng(0).normal(size=(300, 6)) + 0.3
    x[7], x[9], x[:, 2] = x[3], np.nan, 1.0
    return isthmus.doctor(isthmus.open(x, ids=[f"<b>{i}" for i in range(300)], name="old"))


def test_findings_come_with_ids_and_remedies() -> None:
    built = section.build([sick()])
    table = built.tables[0]
    assert [row[0].text for row in table.rows] == ["Broken", "Notable", "Notable"]
    assert table.rows[0][2].text == "<b>9"
    assert table.rows[1][2].text == "<b>7 like <b>3"
    assert table.rows[2][2].text == "2"
    assert all(row[3].text and row[3].detail for row in table.rows)
    assert "\n" not in table.rows[0][3].detail
    assert table.marked == {0}
    assert built.warnings == ("old: NaN or infinity in 1 row.",)
    assert built.verdict is not None
    assert built.verdict.headline == "old: 1 broken, 2 notable"


def test_four_pictures_and_no_broken_formula() -> None:
    built = section.build([sick()])
    assert len(built.pictures) == 4
    assert all("mathdefault" not in p.svg and "$" not in p.svg for p in built.pictures)
    assert all(p.alt and p.caption and p.half for p in built.pictures)


def test_a_healthy_space_has_no_table_of_findings() -> None:
    x = np.random.default_rng(0).normal(size=(300, 6))
    built = section.build([isthmus.doctor(isthmus.open(x, name="fine"))])
    assert len(built.tables) == 1
    assert built.verdict is not None
    assert built.verdict.headline == "fine: nothing found wrong"


@pytest.mark.parametrize("x", [np.zeros((4, 3)), np.ones((1, 3)), np.full((4, 3), np.nan)])
def test_degenerate_spaces_are_shown(x: np.ndarray, tmp_path: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = isthmus.doctor(isthmus.open(x))
        text = isthmus.report(tmp_path / "r.html", found, found).read_text()
    assert ">nan<" not in text.lower()
    assert ">inf<" not in text.lower()


def test_ids_of_strangers_are_text_on_the_page(tmp_path: Any) -> None:
    text = isthmus.report(tmp_path / "r.html", sick()).read_text()
    assert "<b>9" not in text
    assert "&lt;b&gt;9" in text
