"""Lines of an 80 column table: how figures, names and sentences of a result are written."""

import textwrap
from collections.abc import Sequence

from isthmus.retrieval.bootstrap import Difference

WIDTH = 80


def short(value: float) -> str:
    """Three decimals, without the zero before the point.

    >>> short(0.25), short(-0.25), short(1.0)
    ('.250', '-0.250', '1.000')
    """
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def signed(value: float) -> str:
    """The same with its sign.

    >>> signed(0.25), signed(-0.25)
    ('+.250', '-.250')
    """
    text = f"{value:+.3f}"
    return text.replace("0.", ".", 1) if text[1] == "0" else text


def change(difference: Difference) -> str:
    """A difference with its interval."""
    low, high = (signed(end) for end in difference.ci)
    return f"{signed(difference.mean)} [{low}, {high}]"


def line(label: str, cells: Sequence[str], widths: Sequence[int], name: int) -> str:
    """A label of ``name`` columns and right-aligned cells."""
    shown = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{label:<{name}}  " + "  ".join(shown)


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns."""
    if len(text) <= width:
        return text
    # The end says how the bridge is used, so the bridge's name gives way.
    head, _, tail = text.rpartition(", ")
    if head and len(tail) + 4 <= width:
        return f"{head[: width - len(tail) - 3]}~, {tail}"
    return text[: width - 1] + "~"


def wrapped(label: str, text: str) -> list[str]:
    """A labelled sentence in lines, all but the first indented."""
    return textwrap.wrap(
        label + text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
