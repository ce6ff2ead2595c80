"""The sections on grids of layers and maps of spaces: their figures, names and what they leave."""

import re
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError
from isthmus.measures.grid import Grid, compare_layers
from isthmus.measures.many import SpaceMap, compare_many
from isthmus.report.page import number
from isthmus.report.sections import many as section

X = np.random.default_rng(0).normal(size=(4, 60, 5))
HOSTILE = ["<script>alert(1)</script>", "$\\frac$", "\"><b onclick='x'>&amp;", "a\x00\u202eb"]


def grid(**fields: Any) -> Grid:
    values = np.array([[0.25, 0.75], [0.5, 0.125]])
    given = {
        "method": "debiased_cka", "rows": ("r0", "r1"), "columns": ("c0", "c1"), "values": values,
        "intervals": np.stack([values - 0.0625, values + 0.0625], axis=-1),
        "z": values, "p": values, "p_any": np.array([[0.3, 0.01], [0.02, 0.4]]),
        "p_share": np.array([[0.3, 0.01], [0.02, 0.4]]), "best": np.array([1, 0]), "n": 60,
        "corrected_by": "Holm's bound", "itself": False, "warnings": (),
    }  # fmt: skip
    return Grid(**given | fields)


def untested() -> Grid:
    nothing = np.full((2, 2), np.nan)
    fields = dict.fromkeys(("z", "p", "p_any", "p_share"), nothing)
    return grid(method="gulp", corrected_by="", intervals=np.full((2, 2, 2), np.nan), **fields)


def chart(s: int = 4, **fields: Any) -> SpaceMap:
    spaces = {f"space {i}": np.random.default_rng(i).normal(size=(60, 5)) for i in range(s)}
    found = compare_many(spaces)
    return SpaceMap(**{name: getattr(found, name) for name in SpaceMap.__slots__} | fields)


def text(path: Any, *results: Any) -> str:
    return isthmus.report(path / "r.html", *results).read_text()


def test_the_best_match_of_each_layer_with_its_own_figures() -> None:
    table = section.grids([grid()]).tables[0]
    said = [[cell.text for cell in row] for row in table.rows]
    assert said == [["r0", "c1", "0.750", "0.010"], ["r1", "c0", "0.500", "0.020"]]
    assert table.rows[0][2].detail == "[0.688, 0.812]"
    assert table.caption == (
        "The best match of each layer, with its 95 % interval; "
        "p corrected for the whole grid (Holm's bound)."
    )


def test_no_interval_and_no_test_are_promised_where_there_is_none() -> None:
    built = section.grids([untested()])
    assert built.tables[0].caption == "The best match of each layer; not tested."
    assert [row[3].text for row in built.tables[0].rows] == ["–", "–"]
    assert [row[2].detail for row in built.tables[0].rows] == ["", ""]
    assert "Struck through" not in built.pictures[0].caption


def test_struck_cells_are_explained_where_there_are_some() -> None:
    assert "false discovery rate" in section.grids([grid()]).pictures[0].caption
    clear = grid(p_share=np.zeros((2, 2)))
    assert "Struck through" not in section.grids([clear]).pictures[0].caption


def test_a_grid_has_neither_map_nor_tree(tmp_path: Any) -> None:
    page = text(tmp_path, grid())
    assert "Heat map of debiased_cka" in page
    assert "Dendrogram" not in page
    assert "plane that keeps" not in page


def test_every_distance_is_in_the_table_in_the_order_of_the_tree() -> None:
    drawn = chart()
    table = section.charts([drawn]).tables[0]
    assert table.columns == ("", "1", "2", "3", "4")
    for k, (i, row) in enumerate(zip(drawn.order, table.rows, strict=True)):
        wanted = ["" if i == j else number(drawn.distances[i, j], digits=2) for j in drawn.order]
        assert [cell.text for cell in row] == [f"{k + 1} {drawn.names[i]}", *wanted]


def test_a_map_says_its_measure_its_items_and_its_stress(tmp_path: Any) -> None:
    drawn = chart(stress=0.0421, warnings=("too few rows",))
    built = section.charts([drawn])
    assert built.findings == ("procrustes_angular on 60 items.", *drawn.sentences())
    assert built.warnings == ("too few rows",)
    assert built.verdict is not None
    assert built.verdict.headline.startswith("Nearest: ")
    page = text(tmp_path, drawn)
    for said in ("stress 0.04, where", "Map of 4 spaces", "distance, procrustes_angular"):
        assert said in page


@pytest.mark.parametrize(("s", "tables"), [(14, 1), (15, 0)])
def test_a_table_too_wide_for_a_page_is_said_to_be_elsewhere(s: int, tables: int) -> None:
    built = section.charts([chart(s)])
    assert len(built.tables) == tables
    assert (
        f"The table of {s} spaces is too wide for a page: --json has it." in built.findings
    ) == (not tables)


def test_several_results_share_a_section_and_no_identifier(tmp_path: Any) -> None:
    page = text(tmp_path, chart(), chart(3), grid(), untested())
    found = re.findall(r' id="([^"]+)"', page)
    assert len(set(found)) == len(found)
    assert page.count("A map of the spaces") == page.count("Layers against layers")
    assert all(f"{name} on 60 items." in page for name in ("debiased_cka", "gulp"))


@pytest.mark.parametrize("kind", ["grid", "map"])
def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Any, kind: str) -> None:
    spaces = dict(zip(HOSTILE, X, strict=True))
    layers = (HOSTILE[:2], HOSTILE[2:])
    page = text(tmp_path, compare_many(spaces) if kind == "map" else compare_layers(
        X[:2], X[2:], names=layers, permutations=19
    ))  # fmt: skip
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"<script|<b onclick|\x00|\u202e", page)


@pytest.mark.parametrize("measure", ["debiased_cka", "information_imbalance"])
def test_what_is_no_true_distance_is_never_mapped(measure: str) -> None:
    with pytest.raises(InputError, match=f"{measure}', which is no metric.*procrustes_angular"):
        compare_many(list(X), measure=measure)


@pytest.mark.parametrize("s", [0, 1, 2])
def test_too_few_spaces_for_a_map(s: int) -> None:
    with pytest.raises(InputError, match=rf"{s} spaces; expected 3 to .*compare\(a, b\)"):
        compare_many(list(X[:s]))


def test_equal_spaces_are_drawn_at_one_place(tmp_path: Any) -> None:
    nowhere = {"distances": np.zeros((3, 3)), "positions": np.zeros((3, 2)), "stress": 0.0}
    page = text(tmp_path, chart(3, **nowhere))
    assert "Nearest: space 0 and space 1 (0.000)" in page
    assert not re.search(r"(?i)>(nan|inf)<", page)
