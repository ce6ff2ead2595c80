"""Pictures of many spaces: a heat map of layers, a plane of models, a tree."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.report.page import number
from isthmus.report.plots import PALETTE, Drawing, short, write

#: Beyond this many columns figures no longer fit their cells.
_FIGURES = 14
_SIDE = 9.0  # inches, as wide as the page's other pictures


def heat(
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    best: np.ndarray,
    faint: np.ndarray,
    axes: tuple[str, str],
    key: str,
) -> str:
    """Layers against layers: the more ink, the larger the value.

    ``values`` (rows, columns); ``best`` (rows,) the column framed in each row; ``faint`` (rows,
    columns) cells that cannot be told from chance, struck through; ``axes`` what rows and columns
    are.
    """
    count, wide = values.shape
    left, size = 1.5, min(0.62, (_SIDE - 1.7) / wide)
    height = count * size * 0.8 + 1.1
    with Drawing(left + wide * size + 0.2, height) as drawing:
        full = left + wide * size + 0.2
        ax = drawing.figure.add_axes(
            (left / full, 0.75 / height, wide * size / full, count * size * 0.8 / height)
        )
        low, high = float(values.min()), float(values.max())
        ink = (values - low) / (high - low or 1.0)
        for i in range(count):
            for j in range(wide):
                ax.add_patch(_cell(j, i, alpha=0.06 + 0.94 * float(ink[i, j])))
                if faint[i, j]:
                    ax.plot([j, j + 1], [i + 1, i], color=PALETTE["muted"], lw=0.8)
                if wide <= _FIGURES:
                    color = "paper" if ink[i, j] > 0.5 else "ink"
                    write(ax, j + 0.5, i + 0.5, number(float(values[i, j]), digits=2),
                          color=color, ha="center", fontsize=8)  # fmt: skip
            ax.add_patch(_frame(int(best[i]), i))
        ax.set_xlim(0, wide)
        ax.set_ylim(count, 0)
        step = max(1, int(np.ceil(max(count, wide) / 30)))
        ax.set_yticks(np.arange(0, count, step) + 0.5, [short(n, 18) for n in rows[::step]])
        turned = max(map(len, columns)) > 4
        ax.set_xticks(
            np.arange(0, wide, step) + 0.5, [short(n, 12) for n in columns[::step]],
            rotation=30 if turned else 0, ha="right" if turned else "center",
        )  # fmt: skip
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_ylabel(axes[0])
        ax.set_xlabel(axes[1])
        return drawing.svg(key)


def plane(positions: np.ndarray, order: np.ndarray, *, key: str) -> str:
    """Spaces as points (s, 2) of a plane, nearer when more alike; both axes of one scale.

    Points are numbered from 1 in ``order`` (s,), as in the tree beside: names would overlap.
    """
    with Drawing(4.4, 4.0) as drawing:
        ax = drawing.figure.add_axes((0.04, 0.04, 0.92, 0.92))
        ax.plot(*positions.T, "o", color=PALETTE["blue"], ms=5)
        span = np.ptp(positions, axis=0).max() or 1.0
        middle = (positions.max(axis=0) + positions.min(axis=0)) / 2
        ax.set_xlim(middle[0] - 0.75 * span, middle[0] + 0.75 * span)
        ax.set_ylim(middle[1] - 0.65 * span, middle[1] + 0.65 * span)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(True)
        for place, i in enumerate(order):
            # Numbers point away from the middle, where the others are.
            away = np.sign(positions[i] - middle) * 0.035 * span
            x, y = positions[i] + away
            write(ax, x, y, str(place + 1), ha="center", fontsize=9)
        return drawing.svg(key)


def tree(linkage: np.ndarray, names: Sequence[str], *, axis: str, key: str) -> str:
    """A dendrogram: spaces that join further left are more alike."""
    from scipy.cluster.hierarchy import dendrogram

    found = dendrogram(linkage, no_plot=True)
    count = len(names)
    height = 0.7 + 0.26 * count
    with Drawing(4.4, max(height, 1.6)) as drawing:
        ax = drawing.figure.add_axes(
            (0.36, 0.55 / max(height, 1.6), 0.6, 1 - 0.7 / max(height, 1.6))
        )
        for up, along in zip(found["icoord"], found["dcoord"], strict=True):
            ax.plot(along, np.array(up) / 10 - 0.5, color=PALETTE["blue"], lw=1.4)
        ax.set_yticks(
            range(count), [f"{short(names[i], 20)}  {k + 1}" for k, i in enumerate(found["leaves"])]
        )
        ax.set_ylim(count - 0.5, -0.5)
        ax.set_xlim(0, None)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(axis)
        return drawing.svg(key)


def _cell(x: float, y: float, *, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, facecolor=PALETTE["blue"], alpha=alpha, lw=0)


def _frame(x: float, y: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, fill=False, edgecolor=PALETTE["ink"], lw=1.6)
