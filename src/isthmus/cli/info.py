"""``isthmus info``: what is this collection, or this bridge?"""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, show


def info(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A file, folder or store of vectors, or a bridge."),
    ],
    scale: Annotated[float | None, typer.Option(help="Scale of int8 vectors.")] = None,
    json: Json = False,
) -> None:
    """Say what a collection is: rows, dim, norms, spectrum, intrinsic dimension, defects.

    Of a bridge or hub file: its method, its spaces, and how well it did on held-out pairs.
    """
    from isthmus.bridges.file import is_bridge
    from isthmus.bridges.hub_bridge import is_hub
    from isthmus.spaces.stores import is_address

    if not is_address(path) and is_bridge(Path(path)):
        from isthmus.bridges.bridge import load
        from isthmus.bridges.universal_space import UniversalSpace

        show(UniversalSpace.load(path) if is_hub(path) else load(path), as_json=json)
        return
    from isthmus.measures.describe import describe
    from isthmus.spaces.open import open

    show(describe(open(path, scale=scale)), as_json=json)
