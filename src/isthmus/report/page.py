"""What a report is made of, as plain records, and how a result object finds its section.

A section builder takes every result of one class, in the order given, and returns a ``Section``.
It is found by the class's name, so that a room need not be imported to be reported on.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.core.errors import InputError

#: The path through the house; sections appear in this order.
STEPS = ("info", "compare", "fit", "translate", "evaluate", "plan", "evidence")


@dataclass(frozen=True, slots=True)
class Cell:
    """One table entry: its text, and below it in small print its interval or its count."""

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose first column names its rows; ``marked`` rows are set off from the others."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()
    wordy: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An inline SVG with the sentence that says how to read it and one that replaces it."""

    svg: str
    caption: str
    alt: str
    half: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a result means: what to do, why, and how sure that is."""

    headline: str
    reason: str = ""
    sure: str = ""
    picture: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One step of the path: a sentence for a newcomer, findings, warnings, tables, pictures."""

    title: str
    lead: str
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    verdict: Verdict | None = None
    key: str = ""
    step: str = ""


Build = Callable[[list[Any]], Section]
_BUILDERS: dict[str, tuple[str, Build]] = {}


def section(result: str, *, step: str) -> Callable[[Build], Build]:
    """Make the decorated function the builder of the section of results of class ``result``."""

    def bind(build: Build) -> Build:
        if step not in STEPS:
            raise InputError("section", f"step {step!r}", f"one of {', '.join(STEPS)}")
        _BUILDERS[result] = (step, build)
        return build

    return bind


def reportable() -> tuple[str, ...]:
    """Names of the result classes a report can show, in the order it shows them."""
    return tuple(sorted(_BUILDERS, key=lambda name: STEPS.index(_BUILDERS[name][0])))


def kind(result: object) -> str:
    """The name under which ``result`` is reported: its own class's, else a parent's.

    Raises InputError naming what can be reported.
    """
    for parent in type(result).__mro__:
        if parent.__name__ in _BUILDERS:
            return parent.__name__
    raise InputError(
        "report",
        f"a result of class {type(result).__name__!r}",
        f"any of {', '.join(reportable())}",
    )


def assemble(results: Sequence[object]) -> list[Section]:
    """The sections of ``results``, one per class, in the order of the path."""
    groups: dict[str, list[object]] = {}
    for result in results:
        groups.setdefault(kind(result), []).append(result)
    sections = []
    for name in reportable():
        if name in groups:
            step, build = _BUILDERS[name]
            built = build(groups[name])
            keyed = {f: getattr(built, f) for f in Section.__slots__}
            sections.append(Section(**keyed | {"key": name.lower(), "step": step}))
    return sections


def clean(text: object) -> str:
    """``text`` as it may stand in a page: no control, surrogate or direction-changing characters.

    >>> clean("a" + chr(0) + "b") == "a" + chr(0xFFFD) + "b"
    True
    """
    words = str(text)
    if words.isprintable():
        return words
    return "".join(
        c if c in "\n\t" or not _troublesome(c) else "\N{REPLACEMENT CHARACTER}" for c in words
    )


def _troublesome(char: str) -> bool:
    turns = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    return turns or unicodedata.category(char) in {"Cc", "Cs"} or char in "\ufffe\uffff"


def number(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """``value`` for a column of figures: fixed decimals, a real minus sign, a dash when unknown.

    >>> number(-0.12345), number(None), number(123456.7), number(0.5, sign=True)
    ('\u22120.123', '\u2013', '123,457', '+0.500')
    """
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    size = abs(value)
    # A difference too small for its decimals is no difference; a tiny length or rank is one.
    if size >= 1e7 or (0 < size < 10.0**-digits / 2 and not sign):
        text = f"{value:+.1e}" if sign else f"{value:.1e}"
    else:
        places = max(0, digits - max(0, len(str(int(size))) - 1))
        text = f"{value:+,.{places}f}" if sign else f"{value:,.{places}f}"
        if float(text.replace(",", "")) == 0:
            text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def interval(ci: Sequence[float] | None, *, digits: int = 3, sign: bool = False) -> str:
    """A 95 % interval in brackets, or nothing when there is none."""
    if ci is None:
        return ""
    return "[" + ", ".join(number(end, digits=digits, sign=sign) for end in ci) + "]"


def score_cell(score: Any, *, digits: int = 3, sign: bool = False) -> Cell:
    """A ``Score`` (or None) as a table entry: the value, and its interval below."""
    if score is None:
        return Cell("\N{EN DASH}")
    value = number(score.value, digits=digits, sign=sign)
    return Cell(value, interval(score.ci, digits=digits, sign=sign))


def sentence(text: str) -> str:
    """``text`` beginning with a capital letter; the rest as it is.

    >>> sentence("keep the old encoder: nDCG is higher.")
    'Keep the old encoder: nDCG is higher.'
    """
    word = text.partition(" ")[0]
    # A first word with capitals inside, like nDCG, is spelt that way on purpose.
    return text if word[1:] != word[1:].lower() else text[:1].upper() + text[1:]


def count(n: int, what: str = "") -> str:
    """``n`` with thousands set apart, and what is counted.

    >>> count(12345, "queries")
    '12,345 queries'
    """
    return f"{n:,} {what}".strip()
