"""``isthmus reproduce``: run a paper's claim."""

import json as text
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, note, show, wrapped


def reproduce(
    slug: Annotated[
        str | None, typer.Argument(metavar="SLUG", help="A paper's slug; see --list.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every claim.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list the claims.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    save: Annotated[
        Path | None, typer.Option(readable=False, help="Folder for one JSON file per claim.")
    ] = None,
    json: Json = False,
) -> None:
    """Run a published claim on real data and say whether it holds; exit 1 when one does not."""
    from isthmus.evidence import experiment
    from isthmus.spaces.stores.address import refuse_address

    for given in (slug, save):
        refuse_address(given, operation="reproduce")  # else its password is repeated
    known = experiment.slugs()
    if listing:
        claims = {name: experiment.paper_file(name).CLAIM for name in known}
        if json:
            show([{"slug": name, "claim": claim} for name, claim in claims.items()], as_json=True)
            return
        for name, claim in claims.items():
            typer.echo(f"{name}\n{wrapped('    ' + claim, indent='    ')}")
        return
    if everything == (slug is not None):
        raise typer.BadParameter("give either a SLUG or --all; --list shows the slugs")
    if slug is not None:
        experiment.paper_file(slug)  # an unknown slug is refused before anything runs
    found = []
    for name in known if slug is None else (slug,):
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
