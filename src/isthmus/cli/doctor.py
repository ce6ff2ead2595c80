"""``isthmus doctor``: what is wrong with a space, or with a store, and what helps?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.console import Json, note, show


def doctor(
    path: Annotated[
        str, typer.Argument(metavar="SPACE", help="A file, folder or store of vectors.")
    ],
    scale: Annotated[float | None, typer.Option(help="Scale of int8 vectors.")] = None,
    rows: Annotated[int, typer.Option(help="Rows that neighbours are looked for among.")] = 5000,
    bridge: Annotated[
        Path | None,
        typer.Option(
            "--bridge", "-b", readable=False,
            help="A bridge or hub: are a store's vectors of one of its spaces, or a bridge's work?",
        ),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE",
            help="Other vectors, or a fingerprint in JSON: did that encoder make a store's?",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of that sample.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Look a space over: repeats, dimensions, norms, hubs, collapse, mixed encoders.

    Each finding says how bad it is, at which ids, and what helps: a few lines of NumPy, or a
    bridge. Of a store also: which encoder made its vectors, whether its metric fits their lengths,
    whether it has an index that is valid and still finds what exact search finds, rows without
    vectors, what jobs left.
    Findings do not change the exit code.
    """
    import isthmus
    from isthmus.core.errors import InputError
    from isthmus.report.html import report as write_report
    from isthmus.spaces.files import check_folder
    from isthmus.upgrade.store_doctor import store_doctor, store_of

    if report is not None:
        check_folder(report, operation="doctor")
    space = isthmus.open(path, scale=scale)
    if store_of(space) is not None:
        health: Any = store_doctor(space, known=_known(bridge, fingerprint), rows=rows, rng=seed)
    elif bridge or fingerprint:
        raise InputError(
            "doctor", "--bridge or --fingerprint and no store", "the address of a store",
            "A bridge refuses vectors of another space by itself.",
        )  # fmt: skip
    else:
        health = isthmus.doctor(space, rows=rows, rng=seed)
    if report is not None:
        write_report(report, health)
        note(f"report: {report}")
    show(health, as_json=json)


def _known(bridge: Path | None, fingerprint: str | None) -> dict[str, Any]:
    """The fingerprints to look for, by what to call them."""
    import isthmus
    from isthmus.bridges.hub_bridge import is_hub
    from isthmus.bridges.universal_space import UniversalSpace
    from isthmus.spaces.durable import read_json
    from isthmus.spaces.fingerprint import Fingerprint

    known: dict[str, Any] = {}
    if bridge is not None and is_hub(bridge):
        spaces = UniversalSpace.load(bridge).fingerprints_
        known |= {f"{name} of {bridge.name}": found for name, found in spaces.items()}
    elif bridge is not None:
        ends = isthmus.load(bridge)
        known[f"the source of {bridge.name}"] = ends.source
        known[f"the target of {bridge.name}"] = ends.target
        if (image := ends.image()) is not None:
            known[f"what {bridge.name} makes of its source"] = image
    if fingerprint is not None:
        if fingerprint.endswith(".json"):
            known[Path(fingerprint).name] = Fingerprint.from_dict(read_json(Path(fingerprint)))
        else:
            space = isthmus.open(fingerprint)
            known[space.name] = space.fingerprint()
    return known
