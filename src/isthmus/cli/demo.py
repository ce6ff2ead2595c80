"""``isthmus demo``: the whole path on real text and real images."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", readable=False, help="Folder for files and reports.")
    ] = Path("demo-out"),
    documents: Annotated[int, typer.Option(help="Documents to embed.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    json: Json = False,
) -> None:
    """Run everything end to end: Python's docstrings under two encoders, digits under two networks.

    Needs the extra "demo" for the real transformer.
    """
    from isthmus.demo.run import run
    from isthmus.spaces.stores.address import refuse_address

    refuse_address(out, operation="demo")
    show(run(out, documents=documents, seed=seed, say=note), as_json=json)
