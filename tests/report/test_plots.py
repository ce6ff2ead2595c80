"""The pictures: sound SVG in the page's colours, right places, hostile labels."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from isthmus.report import plots
from isthmus.report.plots import Line, Mark


def forest(*marks: Mark, key: str = "k", **options: object) -> str:
    return plots.intervals(marks, key=key, axis="x", **options)  # type: ignore[arg-type]


def every_picture(key: str = "k") -> dict[str, str]:
    rng = np.random.default_rng(0)
    sides = {"a": np.sort(rng.random(20))[::-1], "b": np.sort(rng.random(8))[::-1]}
    marks = [
        Mark(label=tone, value=place, ci=(place - 0.2, place + 0.2), tone=tone, notes=("n",))
        for place, tone in enumerate(("better", "worse", "unclear", "reference", "plain"))
    ]
    return {
        "intervals": forest(*marks, Mark(label="none", value=None, notes=("not possible",)),
                            lines=(Line(0, "zero"), Line(0.3, "top", True)), heads=("h",), key=key),
        "spectrum": plots.spectrum(sides, key=key),
        "norms": plots.norms({"a": np.ones(9), "b": rng.random(50)}, key=key),
        "ranks": plots.ranks({"a": rng.integers(1, 500, 90)}, 500, key=key),
    }  # fmt: skip


def test_pictures_are_sound_small_and_speak_the_page_s_colours() -> None:
    for name, svg in every_picture().items():
        root = ET.fromstring(svg)
        assert root.tag == "svg", name
        assert set(root.attrib) == {"viewBox", "aria-hidden"}
        assert len(svg) < 100_000
        assert "var(--" in svg
        assert not [c for c in plots.PALETTE.values() if c in svg]
        assert "http" not in svg
        assert "<text" in svg, "text must stay text"


def test_ids_carry_the_key_and_are_all_referred_to() -> None:
    for svg in every_picture("one").values():
        ids = set(re.findall(r' id="([^"]+)"', svg))
        assert all(i.startswith("one-") for i in ids)
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) == ids


def test_pictures_are_the_same_every_time() -> None:
    assert every_picture() == every_picture()


def words(svg: str) -> list[str]:
    return [(e.text or "").strip() for e in ET.fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    "name", ["$x$ and $y$", "a_{b}^2 \\frac", "\u6f22\u5b57", "<b>&amp;", "\u202eevil"]
)
def test_names_are_names(name: str) -> None:
    svg = forest(Mark(label=name, value=0.5, ci=(0.4, 0.6), notes=(name,)), heads=(name,))
    assert words(svg).count(name.replace("\u202e", "\ufffd")) == 3
    plots.spectrum({name: np.ones(3)}, key="k")
    plots.norms({name: np.ones(3)}, key="k")
    plots.ranks({name: np.ones(3)}, 9, key="k")


def test_names_with_an_underscore_stay_in_the_legend() -> None:
    svg = plots.ranks({"_old": np.ones(3), "_new": np.ones(3)}, 9, key="k")
    assert sum("_old" in w or "_new" in w for w in words(svg)) == 2


def test_long_names_are_cut_in_the_middle() -> None:
    svg = forest(Mark(label="an encoder with quite a long name, corpus side", value=1.0))
    label = next(w for w in words(svg) if "\u2026" in w)
    assert len(label) <= 40
    assert label.startswith("an encoder")
    assert label.endswith("corpus side")


def markers(svg: str, tone: str) -> list[float]:
    uses = [e for e in ET.fromstring(svg).iter("use") if f"--{tone}" in e.get("style", "")]
    return [float(e.get("x", "nan")) for e in uses]


def test_marks_stand_in_order_on_the_axis() -> None:
    marks = [Mark(label="m", value=v, ci=(v, v), tone="better") for v in (0.0, 0.5, 1.0)]
    left, middle, right = markers(forest(*marks), "blue")
    assert middle == pytest.approx((left + right) / 2, abs=0.01)
    assert left < right


def test_a_mark_beyond_the_limits_becomes_an_arrow_at_the_edge() -> None:
    marks = [Mark(label="m", value=v, tone="better") for v in (-1.0, 0.0, 1.0, 7.0, -9.0)]
    low, _, high, over, under = markers(forest(*marks, limits=(-1.0, 1.0)), "blue")
    assert (over, under) == (pytest.approx(high), pytest.approx(low))


def test_undecided_marks_are_hollow_and_worse_ones_square() -> None:
    hollow = forest(Mark(label="m", value=0.0, ci=(-1, 1), tone="unclear"))
    assert "fill: var(--paper); stroke: var(--muted)" in hollow
    assert markers(forest(Mark(label="m", value=0.0, tone="worse")), "vermilion")


def test_rank_shares_match_a_count() -> None:
    found = np.array([1, 1, 1, 1, 1, 2, 3, 3, 50, 100])
    assert {"50 %", "30 %", "20 %"} <= set(words(plots.ranks({"a": found}, 100, key="k")))
    # Shared first places are no first places.
    assert "100 %" in words(plots.ranks({"a": np.full(4, 1.5)}, 100, key="k"))
    assert markers(plots.ranks({"a": np.full(4, 1.5)}, 3, key="k"), "blue") == []


@pytest.mark.parametrize("candidates", [1, 2, 3, 1000, 10**6])
def test_ranks_of_any_number_of_candidates(candidates: int) -> None:
    plots.ranks({"a": np.ones(4)}, candidates, key="k")


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e20, 1e200])
def test_lengths_of_any_scale(scale: float) -> None:
    plots.norms({"a": np.full(5, scale), "b": scale * np.arange(5)}, key="k")


def test_settings_are_given_back() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    every_picture()
    assert dict(mpl.rcParams) == before
