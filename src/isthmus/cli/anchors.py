"""``isthmus anchors``: how many shared anchors two spaces need, and chosen how."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def anchors(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Vectors to choose anchors among.")
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The same items' other vectors.")],
    curve: Annotated[
        bool, typer.Option("--curve", help="Measure retrieval against the number of anchors.")
    ] = False,
    samplers: Annotated[
        str | None,
        typer.Option(help="Samplers by name, with commas between; all when left out."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="Lines of id TAB class, which the sampler label_covering needs."
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Numbers of anchors, with commas between.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Sets of anchors for each figure.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    json: Json = False,
) -> None:
    """Say how many anchors relative codes need, for every way of choosing them.

    Rows are paired by id and a fifth of them held out. For each sampler and number of anchors the
    codes of held-out pairs are searched against each other; the fewest anchors within one standard
    error of the best are recommended. Samplers are the names from: isthmus methods --room anchors.
    """
    if not curve:
        raise typer.BadParameter("say what to do: --curve", param_hint="--curve")
    numbers = None if sizes is None else _numbers(sizes)

    import isthmus
    from isthmus.bridges.anchor_curve import anchor_curve
    from isthmus.spaces.stores.address import refuse_address
    from isthmus.upgrade.by_id import labels_of

    refuse_address(labels, operation="anchors")  # else a message would repeat its password
    pairs = isthmus.pair(isthmus.open(source), isthmus.open(target))
    note(f"{len(pairs):,} pairs; left over: {pairs.left_over[0]:,} and {pairs.left_over[1]:,}")
    names = None if samplers is None else [name.strip() for name in samplers.split(",")]
    found = anchor_curve(
        pairs, samplers=names, sizes=numbers, labels=labels_of(labels, pairs.ids), repeats=repeats,
        rng=seed,
    )  # fmt: skip
    show(found, as_json=json)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no list of numbers like 10,50,200", param_hint="--sizes"
        ) from error
