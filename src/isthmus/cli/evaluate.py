"""``isthmus evaluate``: what every strategy gains or loses."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def evaluate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The old collection.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="New vectors of all or some of it.")
    ],
    bridge: Annotated[
        list[Path],
        typer.Option(
            "--bridge", "-b", readable=False, help="A bridge, either direction, or a hub; repeat."
        ),
    ],
    queries: Annotated[
        str | None, typer.Option(help="Queries under the new encoder, with ids.")
    ] = None,
    source_queries: Annotated[
        str | None, typer.Option(help="The same queries under the old encoder.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(readable=False, help="Relevance judgements, TREC format.")
    ] = None,
    k: Annotated[int, typer.Option(help="Places of the ranking that count.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure status quo, naive swap, every bridge and full re-embedding, and recommend one.

    Without queries and judgements the new encoder's own neighbours count as relevant, and the
    result is marked provisional.
    """
    import isthmus
    from isthmus.bridges.hub_bridge import bridge_from
    from isthmus.report.html import report as write_report
    from isthmus.spaces.files import check_folder

    if report is not None:
        check_folder(report, operation="evaluate")
    old, new = isthmus.open(source), isthmus.open(target)
    stems = [path.stem for path in bridge]
    bridges = {
        path.stem if stems.count(path.stem) == 1 else str(path): bridge_from(path, old, new)
        for path in bridge
    }
    result = isthmus.evaluate(
        old, new, bridges, qrels=qrels, k=k, rng=seed,
        queries=None if queries is None else isthmus.open(queries),
        source_queries=None if source_queries is None else isthmus.open(source_queries),
    )  # fmt: skip
    if report is not None:
        write_report(report, old, new, isthmus.compare(isthmus.pair(old, new)), result)
        note(f"report: {report}")
    show(result, as_json=json)
