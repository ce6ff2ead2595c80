"""``isthmus hub``: one file that translates between any two of many spaces."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli.console import Json, note, show

if TYPE_CHECKING:
    from isthmus.spaces.space import Space

#: What may stand before the = of NAME=PATH; an address like pgvector://... begins with none.
_NAMED = re.compile(r"([\w.-]+)=(.+)")


def hub(
    spaces: Annotated[
        list[str],
        typer.Argument(
            metavar="SPACE...",
            help="Three collections or more that share ids. A space is named after its file; "
            "NAME=PATH names it otherwise.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", readable=False, help="The hub file to write.")
    ],
    add: Annotated[
        Path | None,
        typer.Option(
            metavar="HUB",
            readable=False,
            help="Let each SPACE join this hub instead, from the ids it shares with it: some 50 do "
            "to begin with. The hub's own spaces stay as they are.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            show_default="orthogonal",
            help="orthogonal (A to B to C ends where A to C does) or ridge (often closer, each way "
            "on its own).",
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(show_default="0.2", help="Share of the ids kept aside as proof."),
    ] = None,
    seed: Annotated[int | None, typer.Option(show_default="0", help="Seed of that choice.")] = None,
    drop_invalid: Annotated[
        bool,
        typer.Option(help="Leave out rows with NaN or infinity; list them in OUT.rejects.csv."),
    ] = False,
    json: Json = False,
) -> None:
    """Fit one hub over many spaces, N fits for N spaces, and prove it on held-out ids.

    Ids need not be in every space. Then: isthmus translate PATH -b HUB --to NAME. All vectors are
    held in memory.
    """
    from isthmus.bridges.universal_space import UniversalSpace
    from isthmus.core.errors import InputError
    from isthmus.spaces.files import check_folder

    check_folder(out, operation="hub")
    how = {"form": form, "holdout": holdout, "seed": seed}
    chosen = {name: value for name, value in how.items() if value is not None}
    if add is not None and chosen:
        raise InputError("hub", f"--add with {', '.join(f'--{name}' for name in chosen)}",
                         "one of them: how a hub was fitted is settled")  # fmt: skip
    if add is None and len(spaces) < 3:
        raise InputError("hub", f"{len(spaces)} spaces", "three or more",
                         "Between two: isthmus fit SOURCE TARGET -o OUT.")  # fmt: skip
    opened = _opened(spaces)
    masks, rejected = _finite(opened) if drop_invalid else ({}, None)
    if add is None:
        found = UniversalSpace(**chosen).fit(opened, mask=masks)  # type: ignore[arg-type]
    else:
        found = UniversalSpace.load(add)
        for name, space in opened.items():
            found.add(name, space, mask=masks.get(name))
    found.save(out)
    note(f"hub: {out}")
    if rejected is not None:
        from isthmus.spaces.rejects import write_rejects

        listed = write_rejects(out, rejected)
        note(f"left out {len(rejected['row']):,} invalid rows: {listed.name}")
    show(found, as_json=json)


def _opened(spaces: list[str]) -> dict[str, "Space"]:
    """Every space by its name: the one given, or that of its file."""
    import isthmus
    from isthmus.core.errors import InputError
    from isthmus.spaces.stores import is_address, shown

    found: dict[str, Space] = {}
    for given in spaces:
        told = None if is_address(given) or Path(given).exists() else _NAMED.fullmatch(given)
        path = told[2] if told else given
        space = isthmus.open(path)
        name = told[1] if told else Path(space.name).stem
        if name in found:
            raise InputError("hub", f"two spaces named {name!r}", "a name for each",
                             f"Name one: {name}-2={shown(path)}")  # fmt: skip
        found[name] = space
    return found


def _finite(opened: dict[str, "Space"]) -> tuple[dict[str, object], dict[str, list[object]]]:
    """Which rows of every space are finite, and the others as the columns of a table."""
    import numpy as np

    masks: dict[str, object] = {}
    rejected: dict[str, list[object]] = {"space": [], "row": [], "id": []}
    for name, space in opened.items():
        kept = np.concatenate([np.isfinite(b.vectors).all(axis=1) for b in space.blocks()])
        masks[name], bad = kept, np.flatnonzero(~kept)
        rejected["space"] += [name] * len(bad)
        rejected["row"] += bad.tolist()
        rejected["id"] += space.take_ids(bad).tolist()
    return masks, rejected
