"""``isthmus translate``: carry a collection across a bridge."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, progress, show


def translate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The collection to translate.")],
    bridge: Annotated[
        Path, typer.Option("--bridge", "-b", readable=False, help="A file written by fit or hub.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", readable=False, help="The folder to write.")],
    source_name: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            show_default="recognised",
            help="Of a hub: which of its spaces SOURCE is of.",
        ),
    ] = None,
    target_name: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Of a hub: into which of its spaces.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, float16 or float64.")] = "float32",
    scale: Annotated[float | None, typer.Option(help="Scale of int8 vectors.")] = None,
    drop_invalid: Annotated[
        bool,
        typer.Option(help="Leave out rows with NaN or infinity; list them in OUT.rejects.csv."),
    ] = False,
    engine: Annotated[
        str, typer.Option(help="Where the work runs: threads, processes or ray.")
    ] = "threads",
    workers: Annotated[
        int | None, typer.Option(help="How many work at once.", show_default="one a core")
    ] = None,
    json: Json = False,
) -> None:
    """Translate every vector of SOURCE into the bridge's target space, as a folder of shards.

    Memory does not grow with the number of rows. Interrupted work goes on when the same command is
    run again, and ends with the same bytes, on any engine. Ray joins the cluster at RAY_ADDRESS.
    Of 500 rows (of Parquet and Arrow the last ones) it says how many are unlike those that the
    bridge was fitted on; in Python its confidence(vectors) says which.
    """
    import isthmus
    from isthmus.bridges.familiarity import DOUBTFUL
    from isthmus.bridges.hub_bridge import bridge_from
    from isthmus.engine import named

    place = named(engine, workers=workers)
    space = isthmus.open(source, scale=scale)
    across = bridge_from(bridge, source_name or space, target_name)
    # Ray tells of workers that died on stdout, which is the answer's.
    with contextlib.redirect_stdout(sys.stderr), progress("translate", len(space)) as advance:
        moved = isthmus.translate(
            space, across, out,
            dtype=dtype, drop_invalid=drop_invalid, progress=advance, engine=place,
        )  # fmt: skip
    if drop_invalid:
        left_out = len(space) - len(moved)
        note(f"left out {left_out:,} invalid rows: {out.resolve().name}.rejects.csv")
    low, asked = across.familiarity.doubtful(space) if across.familiarity else (0, 0)
    if json:
        written = {
            "kind": "translation", "path": str(out), "rows": len(moved), "dim": moved.dim,
            "dtype": str(moved.stored), "encoder": moved.encoder, "provenance": moved.provenance,
            "confidence": {"rows": asked, "doubtful": low, "below": DOUBTFUL} if asked else None,
        }  # fmt: skip
        show(written, as_json=True)
    else:
        said = f"{out}: {len(moved):,} vectors of {moved.dim} dimensions"
        if asked:
            said += f"\n  confidence is below {DOUBTFUL} for {low:,} of {asked:,} rows looked at, "
            said += f"{low / asked:.1%} ({DOUBTFUL:.0%} are usual)"
        show(said, as_json=False)
