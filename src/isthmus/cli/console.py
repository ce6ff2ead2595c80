"""What every verb prints with: JSON or text on stdout, remarks and progress on stderr."""

import contextlib
import json
import math
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from isthmus.core.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]

_WIDTH = 80


def show(result: Any, *, as_json: bool) -> None:
    """Print a result object: its text for people, its ``as_dict()`` for programs."""
    typer.echo(json.dumps(_plain(result), indent=2, allow_nan=False) if as_json else str(result))


def note(text: str) -> None:
    """A remark to the person at the terminal, on stderr; lost when nobody reads that."""
    with contextlib.suppress(BrokenPipeError):
        typer.echo(text, err=True)


def wrapped(text: str, *, indent: str = "") -> str:
    """``text`` in lines of at most 80 columns, names left whole; ``indent`` from line 2."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A line on stderr with rate and time left, when stderr is a terminal; else silence."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    started = shown = time.perf_counter()
    first: int | None = None

    def advance(done: int) -> None:
        nonlocal shown, first
        now = time.perf_counter()
        # What an earlier run had finished says nothing about the speed of this one.
        first = done if first is None else first
        if now - shown > 0.1 and done > first:
            shown = now
            rate = (done - first) / (now - started)
            left = (total - done) / rate
            text = f"{label} {done:,} of {total:,} rows, {rate:,.0f}/s, {_clock(left)} left"
            sys.stderr.write(f"\r{text:<{_WIDTH - 1}.{_WIDTH - 1}}")
            sys.stderr.flush()

    try:
        yield advance
    finally:
        sys.stderr.write("\r" + " " * (_WIDTH - 1) + "\r")
        sys.stderr.flush()


def duration(text: str, *, operation: str) -> float:
    """Seconds in a text like ``90``, ``90s``, ``5m`` or ``1h``; InputError on anything else."""
    units = {"s": 1, "m": 60, "h": 3600}
    number = text[:-1] if text[-1:] in units else text
    try:
        seconds = float(number) * units.get(text[-1:], 1)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InputError(operation, repr(text), "a time above zero like 60s, 5m or 1h")
    return seconds


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _plain(value: Any) -> Any:
    """Results, NumPy values, paths and records as JSON; NaN, which JSON lacks, as null."""
    if hasattr(value, "as_dict"):
        return _plain(value.as_dict())
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
