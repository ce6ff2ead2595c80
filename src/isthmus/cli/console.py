"""What every verb prints with: JSON on stdout, progress on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def show(result: Any, *, as_json: bool) -> None:
    """Print a result object: its text for people, its ``as_dict()`` for programs."""
    if as_json:
        data = result if isinstance(result, list | dict) else result.as_dict()
        typer.echo(json.dumps(data, indent=2, default=_plain))
    else:
        typer.echo(str(result))


def note(text: str) -> None:
    """A remark to the person at the terminal, on stderr."""
    typer.echo(text, err=True)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with rate and time left, when stderr is a terminal; else silence."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows, {task.speed:,.0f}/s"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        # Rates are unknown until the second update, which the text column must survive.
        bar.columns[2].text_format = "{task.completed:,.0f} of {task.total:,.0f} rows"  # type: ignore[attr-defined]
        yield lambda done: bar.update(task, completed=done)


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and records inside a result, as JSON."""
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
