"""``isthmus reproduce``: run a paper's claim."""

import json as text
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show


def reproduce(
    slug: Annotated[str | None, typer.Argument(help="A paper's slug; see --list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every claim.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list the claims.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    save: Annotated[Path | None, typer.Option(help="Folder for one JSON file per claim.")] = None,
    json: Json = False,
) -> None:
    """Run a published claim on real data and say whether it holds; exit 1 when one does not."""
    from isthmus.core.errors import InputError
    from isthmus.evidence import experiment

    known = experiment.claims()
    if listing:
        if json:
            show([{"slug": slug, "claim": claim} for slug, claim in known.items()], as_json=True)
            return
        for name, claim in known.items():
            typer.echo(f"{name}\n    {claim}")
        return
    if everything == (slug is not None):
        raise InputError("reproduce", "neither or both of SLUG and --all", "one of them", "See --list.")
    found = []
    for name in known if slug is None else [slug]:
        note(f"running {name} ...")
        evidence = experiment.reproduce(name, seed=seed)
        found.append(evidence)
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
            data = text.dumps(evidence.as_dict(), indent=1) + "\n"
            (save / f"{name}.json").write_text(data, encoding="utf-8")
        if not json:
            show(evidence, as_json=False)
    if json:
        show([evidence.as_dict() for evidence in found], as_json=True)
    if not all(evidence.holds for evidence in found):
        raise typer.Exit(1)
