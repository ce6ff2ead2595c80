"""``isthmus fit``: a bridge from two collections that share ids."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.console import Json, duration, note, show


def fit(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Vectors under the old encoder.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Vectors of a sample under the new one.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", readable=False, help="The bridge file to write.")
    ],
    method: Annotated[
        str, typer.Option(help="A bridge's name, or auto to choose by held-out retrieval.")
    ] = "auto",
    holdout: Annotated[float, typer.Option(help="Share of pairs kept aside as proof.")] = 0.2,
    budget: Annotated[
        str | None, typer.Option(help="Time that auto may take, like 60s or 5m.", metavar="TIME")
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option(
            "--unpaired", help="No pair is known: fit without any, or refuse if it is not safe."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    drop_invalid: Annotated[
        bool,
        typer.Option(help="Leave out pairs with NaN or infinity; list them in OUT.rejects.csv."),
    ] = False,
    json: Json = False,
) -> None:
    """Fit a bridge from SOURCE to TARGET, and prove on held-out pairs that it works.

    Rows are paired by id; rows without a partner are used too, by the bridges that can. Without a
    relation between the two (shuffled rows, say) nothing is written. METHOD is a name from:
    isthmus methods --room bridges.
    """
    import isthmus
    from isthmus.bridges.fitting import SAMPLE
    from isthmus.core.errors import InputError
    from isthmus.spaces.files import check_folder
    from isthmus.spaces.rejects import write_rejects

    check_folder(out, operation="fit")
    seconds = None if budget is None else duration(budget, operation="fit --budget")
    ends = isthmus.open(source), isthmus.open(target)
    how: dict[str, Any] = {"method": method, "holdout": holdout, "seed": seed, "budget": seconds}
    rejected = None
    if unpaired:
        if drop_invalid:
            raise InputError("fit", "--unpaired with --drop-invalid", "one of them")
        note(f"no known pair among {len(ends[0]):,} and {len(ends[1]):,} rows")
        bridge = isthmus.fit(*ends, pairs=(), **how)
    else:
        pairs = isthmus.pair(*ends)
        note(f"{len(pairs):,} pairs; left over: {pairs.left_over[0]:,} and {pairs.left_over[1]:,}")
        if seconds and len(pairs) > SAMPLE:
            note(f"the budget bounds the choice, on {SAMPLE:,} pairs; one pass over all may follow")
        if drop_invalid:
            pairs, rejected = pairs.finite()
        if any(pairs.zero_vectors):
            note("zero vectors kept: {:,} source, {:,} target".format(*pairs.zero_vectors))
        bridge = isthmus.fit(pairs, **how)
    if bridge.source == bridge.target:
        note("source and target are the same space: the bridge changes next to nothing")
    bridge.save(out)
    note(f"bridge: {out}")
    if rejected is not None:
        rows = {"row_source": rejected.rows_source, "row_target": rejected.rows_target}
        listed = write_rejects(out, {**rows, "id": rejected.ids})
        note(f"left out {len(rejected):,} invalid pairs: {listed.name}")
    show(bridge, as_json=json)
