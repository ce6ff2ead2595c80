"""``isthmus compare``: how do two spaces relate?"""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def compare(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", readable=False, help="Vectors under the first encoder."),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", readable=False, help="Vectors under the second, sharing ids."
        ),
    ],
    rows: Annotated[int, typer.Option(help="Pairs the neighbour measures look at.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of that sample.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    json: Json = False,
) -> None:
    """Score how two spaces relate, with intervals and chance levels, and say what it means."""
    import isthmus
    from isthmus.report.html import report as write_report
    from isthmus.spaces.files import check_folder

    if report is not None:
        check_folder(report, operation="compare")
    pairs = isthmus.pair(isthmus.open(source), isthmus.open(target))
    note(f"{len(pairs):,} pairs; left over: {pairs.left_over[0]:,} and {pairs.left_over[1]:,}")
    result = isthmus.compare(pairs, rows=rows, rng=seed)
    if report is not None:
        write_report(report, pairs.source, pairs.target, result)
        note(f"report: {report}")
    show(result, as_json=json)
