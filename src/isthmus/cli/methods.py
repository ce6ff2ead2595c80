"""``isthmus methods``: everything Isthmus can do, one line each, with its paper."""

from typing import Annotated

import typer

from isthmus.cli.console import Json, show, wrapped


def methods(
    room: Annotated[
        str | None, typer.Option(help="Only one room: anchors, measures, bridges or retrieval.")
    ] = None,
    json: Json = False,
) -> None:
    """List every method with its summary and its paper."""
    from isthmus.core.errors import InputError
    from isthmus.core.registry import ROOMS
    from isthmus.core.registry import methods as registered

    if room is not None and room not in ROOMS:
        raise InputError("methods", f"room {room!r}", f"one of {', '.join(ROOMS)}")
    found = registered(room)
    if json:
        show([{"room": m.room, **m.card.as_dict()} for m in found], as_json=True)
        return
    previous = ""
    for entry in found:
        if entry.room != previous:
            typer.echo(entry.room)
            previous = entry.room
        said = [str(part) for part in (entry.card.summary, entry.card.paper) if part]
        typer.echo(f"  {entry.name}")
        for line in said:
            typer.echo(wrapped(f"      {line}", indent="      "))
