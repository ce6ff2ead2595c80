"""Grids of layers and maps of many spaces."""

from typing import Any

import numpy as np

from isthmus.report import maps
from isthmus.report.page import Cell, Picture, Section, Table, Verdict, count, number, section

#: A table of more spaces than this is read in JSON, not on a page.
_TABLE = 14
_LEVEL = 0.05


@section("Grid", step="compare")
def grids(found: list[Any]) -> Section:
    """The section on one or more grids of layers."""
    first = found[0]
    said = first.sentences() or [f"{first.method} of {first.values.size} pairs of layers."]
    return Section(
        title="Layers against layers",
        lead="Each cell compares one layer of the source with one of the target on the same items.",
        findings=tuple(
            text
            for g in found
            for text in (f"{g.method} on {count(g.n, 'items')}.", *g.sentences())
        ),
        warnings=tuple(text for g in found for text in g.warnings),
        tables=tuple(_matches(g) for g in found),
        pictures=tuple(_heat(g, f"grid-{i}") for i, g in enumerate(found)),
        verdict=Verdict(headline=said[0], reason=" ".join(said[1:2])),
    )


def _heat(grid: Any, key: str) -> Picture:
    faint = grid.p_share >= _LEVEL  # NaN, no test, is not faint
    best = ", ".join(
        f"{name} with {grid.columns[j]}" for name, j in zip(grid.rows, grid.best, strict=True)
    )
    return Picture(
        svg=maps.heat(
            grid.values, rows=grid.rows, columns=grid.columns, best=grid.best, faint=faint,
            axes=("source", "itself" if grid.itself else "target"), key=key,
        ),
        caption=f"{grid.method}: the more ink, the larger. Framed: the best match of each row."
        + (" Struck through: not told from chance at a false discovery rate of 5 %."
           if faint.any() else ""),
        alt=f"Heat map of {grid.method}; best matches: {best}.",
    )  # fmt: skip


def _matches(grid: Any) -> Table:
    rows = []
    for i, (name, j) in enumerate(zip(grid.rows, grid.best, strict=True)):
        low, high = grid.intervals[i, j]
        span = f"[{number(low)}, {number(high)}]" if np.isfinite(low) else ""
        rows.append(
            (Cell(name), Cell(grid.columns[j]), Cell(number(grid.values[i, j]), span),
             Cell(number(grid.p_any[i, j])))
        )  # fmt: skip
    beside = ", with its 95 % interval" if np.isfinite(grid.intervals).any() else ""
    by = grid.corrected_by
    how = f"p corrected for the whole grid ({by})" if by else "not tested"
    return Table(
        caption=f"The best match of each layer{beside}; {how}.",
        columns=("layer", "most like", grid.method, "p"),
        rows=tuple(rows),
    )


@section("SpaceMap", step="compare")
def charts(found: list[Any]) -> Section:
    """The section on one or more maps of spaces."""
    said = found[0].sentences()
    return Section(
        title="A map of the spaces",
        lead="How far every two spaces are from each other, under a distance that obeys the "
        "triangle inequality, so that a map and a tree of them mean something.",
        findings=tuple(text for m in found for text in _said(m)),
        warnings=tuple(text for m in found for text in m.warnings),
        tables=tuple(_distances(m) for m in found if len(m.names) <= _TABLE),
        pictures=tuple(p for i, m in enumerate(found) for p in _pictures(m, f"map-{i}")),
        verdict=Verdict(headline=said[0], reason=said[1]),
    )


def _said(drawn: Any) -> list[str]:
    s = len(drawn.names)
    said = [f"{drawn.method} on {count(drawn.n, 'items')}.", *drawn.sentences()]
    if s > _TABLE:
        said.append(f"The table of {s} spaces is too wide for a page: --json has it.")
    return said


def _pictures(drawn: Any, key: str) -> tuple[Picture, Picture]:
    order = ", ".join(drawn.names[i] for i in drawn.order)
    return (
        Picture(
            svg=maps.plane(drawn.positions, drawn.order, key=f"{key}-plane"),
            caption=f"The plane that keeps {drawn.method} best, by metric scaling; stress "
            f"{number(drawn.stress, digits=2)}, where 0 is perfect and above 0.15 only the tree "
            "can be trusted.",
            alt=f"Map of {len(drawn.names)} spaces. {' '.join(drawn.sentences())}",
            half=True,
        ),
        Picture(
            svg=maps.tree(
                drawn.tree, drawn.names, axis=f"distance, {drawn.method}", key=f"{key}-tree"
            ),
            caption="Which join first: average distance between groups.",
            alt=f"Dendrogram; leaves in order: {order}.",
            half=True,
        ),
    )


def _distances(drawn: Any) -> Table:
    return Table(
        caption=f"{drawn.method}, distances between every two spaces, on "
        f"{count(drawn.n, 'items')}, in the order of the tree.",
        columns=("", *(str(k + 1) for k in range(len(drawn.names)))),
        rows=tuple(
            (
                Cell(f"{k + 1} {drawn.names[i]}"),
                *(Cell(number(drawn.distances[i, j], digits=2) if i != j else "")
                  for j in drawn.order),
            )
            for k, i in enumerate(drawn.order)
        ),
    )  # fmt: skip
