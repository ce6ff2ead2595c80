"""``isthmus plan``: every strategy after a change of encoder, and which to take."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def plan(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The old collection.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="New vectors of all or some of it.")],
    queries: Annotated[
        str | None,
        typer.Option("--queries", "-q", metavar="SPACE", help="Queries under the new encoder."),
    ] = None,
    old_queries: Annotated[
        str | None, typer.Option(metavar="SPACE", help="The same queries under the old encoder.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(readable=False, help="Relevance judgements, TREC format.")
    ] = None,
    bridge: Annotated[
        list[Path] | None,
        typer.Option(
            "--bridge", "-b", readable=False, help="A bridge or hub; repeat. Fitted here when none."
        ),
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Lines of id TAB hits, from a query log: also re-embed by most traffic first.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Lines of id TAB class: re-embed by farthest from class mean; clusters when none.",
        ),
    ] = None,
    chain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPACE",
            help="A space between OLD and NEW, oldest first; repeat. Measures upgrades hop by hop.",
        ),
    ] = None,
    k: Annotated[int, typer.Option(help="Places of the ranking that count.")] = 10,
    candidates: Annotated[
        list[int] | None,
        typer.Option(
            show_default="20 and 100", help="How many candidates reranking embeds; repeat."
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds that choosing a bridge may take.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(readable=False, help="Also write the plan as JSON.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure every way to serve after a change of encoder, with its cost, and recommend one.

    NEW may hold a sample of the collection; costs are counted for the whole of OLD. Without queries
    the new encoder's own neighbours count as relevant, and the result is marked provisional.
    """
    import isthmus
    from isthmus.bridges.hub_bridge import bridge_from
    from isthmus.spaces.files import atomic_write, check_folder
    from isthmus.spaces.stores.address import refuse_address

    for path in (qrels, traffic, labels):
        refuse_address(path, operation="plan")  # else a message would repeat its password
    for path in (report, save):
        if path is not None:
            check_folder(path, operation="plan")
    spaces = isthmus.open(old), isthmus.open(new)
    found = isthmus.plan(
        *spaces, qrels=qrels, traffic=traffic, labels=labels, k=k, budget=budget, rng=seed,
        bridges=[bridge_from(path, *spaces) for path in bridge] if bridge else None,
        queries=None if queries is None else isthmus.open(queries),
        old_queries=None if old_queries is None else isthmus.open(old_queries),
        chain=[isthmus.open(space) for space in chain or ()],
        candidates=candidates or (20, 100),
    )  # fmt: skip
    if save is not None:
        text = json_format.dumps(found.as_dict(), indent=2, allow_nan=False) + "\n"
        atomic_write(save, text.encode(), operation="save the plan")
        note(f"plan: {save}")
    if report is not None:
        from isthmus.report.html import report as write_report

        write_report(report, *spaces, found, title="Plan of an upgrade")
        note(f"report: {report}")
    show(found, as_json=json)
