"""``isthmus doctor``: what is wrong with a space, and what helps?"""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def doctor(
    path: Annotated[
        Path,
        typer.Argument(metavar="SPACE", readable=False, help="A file or folder of vectors."),
    ],
    scale: Annotated[float | None, typer.Option(help="Scale of int8 vectors.")] = None,
    rows: Annotated[int, typer.Option(help="Rows that neighbours are looked for among.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of that sample.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    json: Json = False,
) -> None:
    """Look a space over: repeats, dimensions, norms, hubs, collapse, mixed encoders.

    Each finding says how bad it is, at which ids, and what helps: a few lines of NumPy, or a
    bridge. Findings do not change the exit code.
    """
    import isthmus
    from isthmus.report.html import report as write_report
    from isthmus.spaces.files import check_folder

    if report is not None:
        check_folder(report, operation="doctor")
    health = isthmus.doctor(isthmus.open(path, scale=scale), rows=rows, rng=seed)
    if report is not None:
        write_report(report, health)
        note(f"report: {report}")
    show(health, as_json=json)
