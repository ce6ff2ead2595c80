"""``isthmus fit``: a bridge from two collections that share ids."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def fit(
    source: Annotated[Path, typer.Argument(help="Vectors under the old encoder.")],
    target: Annotated[Path, typer.Argument(help="Vectors of a sample under the new one.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bridge file to write.")],
    method: Annotated[
        str, typer.Option(help="A bridge's name, or auto to choose by held-out retrieval.")
    ] = "auto",
    holdout: Annotated[float, typer.Option(help="Share of pairs kept aside as proof.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    drop_invalid: Annotated[
        bool, typer.Option(help="Leave out pairs with NaN or infinity; list them beside the bridge.")
    ] = False,
    json: Json = False,
) -> None:
    """Fit a bridge from SOURCE to TARGET, and prove on held-out pairs that it works.

    Rows are paired by id. Without a relation between the two (shuffled rows, say) nothing is
    written.
    """
    import isthmus

    pairs = isthmus.pair(isthmus.open(source), isthmus.open(target))
    note(f"{len(pairs):,} pairs; left over: {pairs.left_over[0]:,} and {pairs.left_over[1]:,}")
    if drop_invalid:
        pairs = pairs.finite(rejects=out.with_name(out.name + ".rejects.csv"))
    bridge = isthmus.fit(pairs, method=method, holdout=holdout, seed=seed)
    bridge.save(out)
    note(f"bridge: {out}")
    show(bridge, as_json=json)
