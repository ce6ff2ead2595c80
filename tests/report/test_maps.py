"""Pictures of many spaces: sound SVG, the right cells framed and struck through."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from isthmus.measures.grid import compare_layers
from isthmus.measures.many import compare_many
from isthmus.report import maps
from isthmus.report.html import report


def heat(count=3, wide=4, **changes):
    values = np.arange(count * wide, dtype=float).reshape(count, wide)
    options = {
        "rows": [f"r{i}" for i in range(count)], "columns": [f"c{j}" for j in range(wide)],
        "best": values.argmax(axis=1), "faint": np.zeros((count, wide), bool),
        "axes": ("source", "target"), "key": "k",
    }  # fmt: skip
    return maps.heat(values, **(options | changes))


def texts(svg):
    return [(e.text or "").strip() for e in ET.fromstring(svg).iter("text")]


def test_every_cell_has_its_figure_and_names_stand_at_the_sides():
    said = texts(heat())
    assert {"r0", "r2", "c3", "source", "target", "0.00", "3.00"} <= set(said)
    assert "0.00" not in texts(heat(30, 30))


def test_cells_that_chance_explains_are_struck_through():
    faint = np.zeros((3, 4), bool)
    faint[1, 2] = True
    assert heat(faint=faint).count("<path") == heat().count("<path") + 1


def test_constant_values_and_hostile_names():
    svg = maps.heat(
        np.ones((2, 2)), rows=["<script>", "$a$"], columns=["\x00", "b"], best=np.zeros(2, int),
        faint=np.zeros((2, 2), bool), axes=("a", "b"), key="k",
    )  # fmt: skip
    assert "<script>" not in svg
    assert "\x00" not in svg


def test_plane_numbers_points_in_the_order_of_the_tree():
    points = np.random.default_rng(0).normal(size=(5, 2))
    svg = maps.plane(points, np.array([3, 1, 0, 2, 4]), key="p")
    assert texts(svg) == ["1", "2", "3", "4", "5"]
    names = [f"space {i}" for i in range(5)]
    drawn = maps.tree(linkage(points, "average"), names, axis="distance", key="t")
    found = [t for t in texts(drawn) if t.startswith("space")]
    assert sorted(name.split("  ")[0] for name in found) == names
    for picture in (svg, drawn, heat()):
        ids = set(re.findall(r' id="([^"]+)"', picture))
        assert all(i.startswith(("p-", "t-", "k-")) for i in ids)
        assert "var(--" in picture


@pytest.mark.parametrize("kind", ["grid", "map"])
def test_the_page_has_the_section(tmp_path, kind):
    x = np.random.default_rng(1).normal(size=(4, 50, 5))
    result = compare_layers(x, permutations=19) if kind == "grid" else compare_many(list(x))
    page = report(tmp_path / "r.html", result).read_text()
    title = "Layers against layers" if kind == "grid" else "A map of the spaces"
    assert title in page
    assert result.sentences()[0] in page
