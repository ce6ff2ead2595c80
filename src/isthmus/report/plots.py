"""Pictures for the report: matplotlib figures as inline SVG, text as text.

Colours are written as CSS variables whose light values are the palette below, so that one
picture serves light, dark and print. The hues are Okabe and Ito's, which the colour-blind tell
apart, and every distinction is also made by marker shape or line style.
"""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.report.page import clean, number

PALETTE = {
    "ink": "#1f2328", "muted": "#626b76", "rule": "#d5dae0", "paper": "#ffffff",
    "blue": "#0072b2", "vermilion": "#c94f00", "green": "#00845f", "band": "#eef4f9",
}  # fmt: skip
_WIDTH, _ROW = 9.0, 0.34  # inches: a wide picture, a row of an interval plot
_PAD = 0.008  # share of the width left free beside the columns of text
_SHAPES = {"better": ("blue", "o"), "worse": ("vermilion", "s"), "unclear": ("muted", "o"),
           "reference": ("ink", "D"), "plain": ("blue", "o")}  # fmt: skip
_SIDES = (("blue", "-"), ("vermilion", (0, (5, 2))), ("green", (0, (1, 1.5))), ("muted", "-."))
_RC: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "isthmus",
    "font.size": 9.5, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
    # A name with two dollar signs is a name, not a formula.
    "text.parse_math": False, "text.usetex": False, "text.color": PALETTE["ink"],
    "axes.edgecolor": PALETTE["rule"], "axes.labelcolor": PALETTE["muted"], "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": True,
    "xtick.color": PALETTE["muted"], "ytick.color": PALETTE["muted"],
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One row of an interval plot; ``value`` None draws the note alone (a strategy ruled out).

    ``tone`` is better, worse, unclear, reference or plain; it chooses colour *and* shape.
    """

    label: str
    value: float | None
    ci: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    tone: str = "plain"
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A vertical line of an interval plot and the words above it."""

    at: float
    label: str
    dashed: bool = False


def intervals(
    marks: Sequence[Mark],
    *,
    key: str,
    axis: str,
    lines: Sequence[Line] = (),
    heads: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
) -> str:
    """Rows of a value and its interval on one axis, with figures in columns at the right.

    ``limits`` cuts the axis; a mark outside is drawn as an arrow at the edge it lies beyond.
    """
    height = _ROW * len(marks) + 1.05
    columns = _columns(marks, heads)
    left = max([_wide(short(m.label), bold=m.strong) for m in marks], default=0) + 0.03
    width = 1 - left - sum(columns) - _PAD
    with Drawing(_WIDTH, height) as drawing:
        box = (left, 0.62 / height, width, _ROW * len(marks) / height)
        ax = drawing.figure.add_axes(box)
        low, high = limits or _span(marks, lines)
        ax.set_xlim(low, high)
        ax.set_ylim(len(marks) - 0.5, -0.5)
        # Where each column of figures ends, in widths of the axes from its left edge.
        ends = [1 + float(c) / width for c in np.cumsum(columns)]
        for row, mark in enumerate(marks):
            if mark.strong:
                ax.axhspan(row - 0.5, row + 0.5, xmin=-left / width, xmax=(1 - left) / width,
                           color=PALETTE["band"], lw=0, zorder=0, clip_on=False)  # fmt: skip
            _words(ax, row, mark, (_PAD - left) / width, ends)
            _draw(ax, row, mark, (low, high))
        sides = _apart([line.at for line in lines], (high - low) * 0.24)
        if "left" in sides and limits is None:
            # The label that runs to the right must end before the figures begin.
            high = max(high, max(line.at for line in lines) + 0.16 * (high - low))
            ax.set_xlim(low, high)
        for line, side in zip(lines, sides, strict=True):
            style: Any = (0, (4, 3)) if line.dashed else "-"
            ax.axvline(line.at, color=PALETTE["muted"], lw=1.1, ls=style, zorder=1)
            write(ax, line.at, -0.62, line.label, ha=side, va="bottom", color="muted")
        for end, head in zip(ends, heads, strict=True):
            write(ax, end, -0.62, head, ha="right", va="bottom", color="muted",
                   transform=ax.get_yaxis_transform())  # fmt: skip
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(axis, labelpad=6)
        ax.locator_params(axis="x", nbins=6)
        ax.tick_params(axis="x", length=3)
        return drawing.svg(key)


def spectrum(sides: dict[str, np.ndarray], *, key: str) -> str:
    """Share of the variance carried by the first k directions; ``sides`` maps names to eigenvalues.

    Eigenvalues are (d,) in descending order.
    """
    with Drawing(4.4, 2.9) as drawing:
        ax = drawing.figure.add_axes((0.14, 0.17, 0.82, 0.74))
        for (name, values), (color, style) in zip(sides.items(), _cycle(len(sides)), strict=True):
            share = np.cumsum(values) / max(float(np.sum(values)), np.finfo(float).tiny)
            ranks = np.arange(1, len(values) + 1)
            ax.plot(ranks, 100 * share, color=PALETTE[color], ls=style, lw=1.8, label=_entry(name))
        ax.set_xscale("log")
        ax.set_ylim(0, 102)
        ticks = [
            t for t in (1, 3, 10, 30, 100, 300, 1000, 3000) if t <= max(map(len, sides.values()))
        ]
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
        ax.grid(color=PALETTE["rule"], lw=0.6)
        ax.set_xlabel("directions kept")
        ax.set_ylabel("variance kept, %")
        _legend(ax, loc="best")
        return drawing.svg(key)


def norms(sides: dict[str, np.ndarray], *, key: str) -> str:
    """How long the vectors are: one histogram per space; ``sides`` maps names to (n,) lengths."""
    with Drawing(4.4, 2.9) as drawing:
        tall = 0.74 / len(sides)
        for place, (name, lengths) in enumerate(sides.items()):
            bottom = 0.17 + tall * (len(sides) - 1 - place)
            ax = drawing.figure.add_axes((0.05, bottom + 0.08, 0.91, tall - 0.17))
            color, _ = _cycle(len(sides))[place]
            # Lengths equal but for rounding are one bar, not a histogram of the rounding errors.
            low, high = float(lengths.min()), float(lengths.max())
            margin = max((high - low) * 0.05, 1e-3 * max(abs(high), np.finfo(float).tiny))
            edges = np.linspace(low - margin, high + margin, 41)
            ax.hist(lengths, bins=list(edges), color=PALETTE[color], alpha=0.85)
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
            ax.locator_params(axis="x", nbins=5)
            write(ax, 0, 1.04, short(name), transform=ax.transAxes, va="bottom")
        drawing.figure.text(0.5, 0.02, "length of a vector", color=PALETTE["muted"], ha="center")
        return drawing.svg(key)


def ranks(sides: dict[str, np.ndarray], candidates: int, *, key: str) -> str:
    """Where the true partner was ranked; ``sides`` maps names to (n,) ranks, 1 = first.

    A short line across each group marks the share that ranking at random would put there. Half
    ranks, which ties give, count as the worse one.
    """
    edges = [e for e in (1, 2, 4, 11, 31, 101, 301, 1001, 3001, 10001, 100001) if e <= candidates]
    edges.append(candidates + 1)
    names = [str(a) if b == a + 1 else f"{a}\N{EN DASH}{b - 1}" for a, b in _steps(edges)]
    with Drawing(_WIDTH, 2.5) as drawing:
        ax = drawing.figure.add_axes((0.07, 0.2, 0.91, 0.68))
        width = 0.8 / len(sides)
        for place, (name, found) in enumerate(sides.items()):
            share = 100 * np.histogram(np.ceil(found), bins=edges)[0] / max(len(found), 1)
            x = np.arange(len(share)) - 0.4 + width * (place + 0.5)
            color, _ = _cycle(len(sides))[place]
            ax.bar(x, share, width * 0.92, color=PALETTE[color], label=_entry(name))
            for at, value in zip(x, share, strict=True):
                if len(sides) <= 2 and value >= 0.5:
                    write(ax, at, value + 0.8, f"{value:.0f} %", ha="center", va="bottom")
        chance = 100 * np.diff(edges) / candidates
        middle = np.arange(len(chance))
        ax.hlines(
            chance, middle - 0.45, middle + 0.45, color=PALETTE["ink"], lw=1.4, label="at random"
        )
        ax.set_xticks(middle, names)
        ax.set_ylabel("held-out pairs, %")
        ax.set_xlabel(f"rank of the true partner among {candidates:,}")
        _legend(ax, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(sides) + 1)
        return drawing.svg(key)


class Drawing:
    """A figure drawn under the report's settings and handed out as inline SVG."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        self._settings = rc_context(_RC)
        self._settings.__enter__()
        self._quiet = warnings.catch_warnings()
        self._quiet.__enter__()
        # The browser has the glyphs that matplotlib's own font lacks; the text stays text.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        self.figure = Figure(figsize=(width, height))

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(self, *failure: object) -> None:
        self._quiet.__exit__(None, None, None)
        self._settings.__exit__(None, None, None)

    def svg(self, key: str) -> str:
        """The figure as an ``<svg>`` element; ``key`` makes its ids unique on the page."""
        stream = io.BytesIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self.figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
        root = ET.fromstring(stream.getvalue())
        referred = set(re.findall(r"#([\w-]+)", " ".join(_values(root))))
        for parent in list(root.iter()):
            for child in list(parent):
                if child.tag.endswith(("}style", "}metadata")):
                    parent.remove(child)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
            for name, value in list(element.attrib.items()):
                del element.attrib[name]
                if name != "id" or value in referred:
                    plain = name.rpartition("}")[2]
                    element.set(plain, _attribute(plain, value, key))
        root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
        return ET.tostring(root, encoding="unicode", method="html")


def _values(root: ET.Element) -> list[str]:
    return [v for e in root.iter() for n, v in e.attrib.items() if n != "id"]


def _attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    value = re.sub(r"^#|(?<=url\()#", f"#{key}-", value) if "#" in value else value
    if name == "style":
        for color, code in PALETTE.items():
            value = value.replace(code, f"var(--{color})")
        # The page's own font; sizes and weights stay.
        value = re.sub(
            r"font: ([^;]*?) '?[\w ]+'?(, [^;]*)?(?=;|$)", r"font: \1 var(--sans)", value
        )
    return value


def _words(ax: Any, row: int, mark: Mark, start: float, ends: Sequence[float]) -> None:
    across = ax.get_yaxis_transform()
    style: dict[str, Any] = {"transform": across, "weight": "bold" if mark.strong else "normal"}
    write(ax, start, row, short(mark.label), **style)
    color = "muted" if mark.value is None else "ink"
    for end, note in zip(ends[-len(mark.notes) :] if mark.notes else (), mark.notes, strict=True):
        write(ax, end, row, note, color=color, ha="right", **style)


def _draw(ax: Any, row: int, mark: Mark, span: tuple[float, float]) -> None:
    if mark.value is None:
        return
    color, shape = _SHAPES[mark.tone]
    ink = PALETTE[color]
    if not span[0] <= mark.value <= span[1]:
        edge, shape = (span[0], "<") if mark.value < span[0] else (span[1], ">")
        ax.plot([edge], [row], marker=shape, ms=7, color=ink, clip_on=False, zorder=3)
        return
    if mark.ci is not None:
        low, high = (min(max(end, span[0]), span[1]) for end in mark.ci)
        ax.plot([low, high], [row, row], color=ink, lw=2.2, solid_capstyle="butt", zorder=2)
    face = PALETTE["paper"] if mark.tone == "unclear" else ink
    ax.plot([mark.value], [row], marker=shape, ms=7, mfc=face, mec=ink, mew=1.6, zorder=3)


def _columns(marks: Sequence[Mark], heads: Sequence[str]) -> list[float]:
    rows = [mark for mark in marks if len(mark.notes) == len(heads)]
    return [
        max(_wide(head), *(_wide(m.notes[c], bold=m.strong) for m in rows), 0.0) + 0.025
        for c, head in enumerate(heads)
    ]


def _wide(text: str, *, bold: bool = False) -> float:
    # Share of the figure's width that a text takes; figures and lower case at this size average
    # 5.6 points (6.3 in bold) in the wide default font, and browsers' own fonts are narrower.
    return len(text) * (6.3 if bold else 5.6) / (72 * _WIDTH)


def write(ax: Any, x: float, y: float, text: str, *, color: str = "ink", **place: Any) -> None:
    """Text of a stranger at a place of the axes, in a colour of the page."""
    options = {"va": "center", "color": PALETTE[color], "clip_on": False} | place
    ax.text(x, y, clean(text), **options)


def _legend(ax: Any, **place: Any) -> None:
    ax.legend(frameon=False, fontsize=9, handlelength=2.4, **place)


def _entry(name: str) -> str:
    # matplotlib leaves names that begin with an underscore out of a legend.
    name = short(name)
    return f"\N{WORD JOINER}{name}" if name.startswith("_") else name


def _span(marks: Sequence[Mark], lines: Sequence[Line]) -> tuple[float, float]:
    drawn = [m for m in marks if m.value is not None]
    ends = [line.at for line in lines] + [e for m in drawn for e in (m.value, *(m.ci or ()))]
    ends = [end for end in ends if end is not None and np.isfinite(end)] or [0.0, 1.0]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.07 * (high - low) or 0.5
    return low - margin, high + margin


def _apart(places: Sequence[float], least: float) -> list[str]:
    # Labels of lines that stand close are written away from each other.
    if len(places) == 2 and abs(places[0] - places[1]) < least:
        return ["right", "left"] if places[0] < places[1] else ["left", "right"]
    return ["center"] * len(places)


def _steps(edges: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(edges))


def _cycle(n: int) -> list[tuple[str, Any]]:
    return [_SIDES[i % len(_SIDES)] for i in range(n)]


def short(name: str, limit: int = 40) -> str:
    """``name`` in one line of at most ``limit`` characters, cut in the middle."""
    # The end often says how a bridge is used.
    name = " ".join(clean(name).split())
    if len(name) <= limit:
        return name
    tail = limit // 2 - 1
    return name[: limit - tail - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}" + name[-tail:].lstrip()


def figures(value: float | None, ci: tuple[float, float] | None, *, sign: bool = False) -> str:
    """A value and its interval as one short text for a column of an interval plot."""
    text = number(value, sign=sign)
    return text if ci is None else f"{text} [{number(ci[0])}, {number(ci[1])}]"
