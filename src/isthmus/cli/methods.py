"""``isthmus methods``: everything Isthmus can do, one line each, with its paper."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli.console import Json, show, wrapped

if TYPE_CHECKING:
    from isthmus.core.registry import Method


def methods(
    room: Annotated[
        str | None, typer.Option(help="Only one room: anchors, measures, bridges or retrieval.")
    ] = None,
    json: Json = False,
) -> None:
    """List every method with its summary and its paper."""
    from isthmus.core.card import KINDS
    from isthmus.core.errors import InputError
    from isthmus.core.registry import ROOMS
    from isthmus.core.registry import methods as registered
    from isthmus.spaces.stores import shown

    if room is not None and room not in ROOMS:
        raise InputError("methods", f"room {shown(room)!r}", f"one of {', '.join(ROOMS)}")
    found = registered(room)
    if json:
        show([{"room": m.room, **m.card.as_dict()} for m in found], as_json=True)
        return

    def place(entry: "Method") -> tuple[str, int]:
        """The room, and in it what a bridge asks for."""
        return entry.room, KINDS.index(entry.card.kind) if entry.room == "bridges" else 0

    for (name, kind), group in groupby(sorted(found, key=place), key=place):
        typer.echo(f"{name} that {KINDS[kind]}" if name == "bridges" else name)
        for entry in group:
            typer.echo(f"  {entry.name}")
            for part in (entry.card.summary, str(entry.card.paper)):
                if part:
                    typer.echo(wrapped(f"      {part}", indent="      "))
