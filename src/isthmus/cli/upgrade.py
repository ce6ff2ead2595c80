"""``isthmus upgrade``: carry an encoder upgrade out over a database, and take it back."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.console import Json, note, progress, show


def upgrade(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE", show_default=False,
            help="The collection: scheme://host/place/collection?option=value. With --cutover, "
            "--rollback and --drop only where it holds a password.",
        ),
    ] = None,
    bridge: Annotated[
        Path | None,
        typer.Argument(
            metavar="BRIDGE", show_default=False, readable=False,
            help="A file written by fit or hub.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Write to a new collection there, other columns carried "
                     "along; SOURCE may then be a file."),
    ] = None,
    source_name: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", show_default="recognised by its vectors",
                     help="Of a hub: which of its spaces SOURCE is of."),
    ] = None,
    target_name: Annotated[
        str | None,
        typer.Option("--into", metavar="NAME", help="Of a hub: into which of its spaces."),
    ] = None,
    job: Annotated[
        Path | None,
        typer.Option(metavar="DIR", readable=False,
                     help="The job's folder; by default one in isthmus-jobs."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Rows read, mapped and written at once.")] = 4096,
    drop_invalid: Annotated[
        bool, typer.Option(help="Leave out rows with NaN or infinity; the journal lists them.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and change nothing.")
    ] = False,
    cutover: Annotated[
        Path | None,
        typer.Option(metavar="JOB", readable=False, help="Let the new vectors serve."),
    ] = None,
    rollback: Annotated[
        Path | None,
        typer.Option(metavar="JOB", readable=False, help="Let the old vectors serve again."),
    ] = None,
    drop: Annotated[
        Path | None,
        typer.Option(metavar="JOB", readable=False,
                     help="Remove what does not serve: the shadow, or after --cutover the old "
                     "vectors, for good."),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Translate a collection into a shadow beside the old vectors, prove it, and stop.

    Nothing that users read changes before --cutover, and --rollback brings the old vectors back
    bit for bit. Interrupted work goes on when the same command is run again. A password is never
    written down: give the address again, or set ISTHMUS_SOURCE, or the database's own variables.
    """
    from isthmus.upgrade.job import Job, estimate

    acts = {"cutover": cutover, "rollback": rollback, "drop": drop}
    asked = [(act, path) for act, path in acts.items() if path is not None]
    if len(asked) > 1 or (asked and bridge is not None):
        raise typer.BadParameter("one of: SOURCE BRIDGE, --cutover, --rollback, --drop.")
    if asked:
        act, path = asked[0]
        show(getattr(Job.open(path, source=source), act)(), as_json=json)
        return
    if source is None or bridge is None:
        raise typer.BadParameter("SOURCE and BRIDGE are both needed.")
    across = _across(bridge, source, source_name, target_name)
    if dry_run:
        show(estimate(source, across, to=to, batch=batch), as_json=json)
        return
    begun = Job.start(source, across, to=to, job=job, batch=batch)
    note(f"going on with {begun.path}" if begun.estimate is None else str(begun.estimate))
    run(begun, "run", as_json=json, drop_invalid=drop_invalid)


def _across(path: Path, source: str, own: str | None, into: str | None) -> Any:
    """The bridge's file, or of a hub's the bridge that carries ``source`` across."""
    import isthmus
    from isthmus.bridges.hub_bridge import bridge_from, is_hub

    if not is_hub(path) and own is None and into is None:
        return path
    return bridge_from(path, own or isthmus.open(source), into, options=("--from", "--into"))


def run(job: Any, how: str, *, as_json: bool, **options: Any) -> None:
    """Run or resume ``job`` under a line of progress, and show how it stands."""

    def tell(text: str) -> None:
        # Over the line of progress where there is one.
        note(f"\r{text:<79}" if sys.stderr.isatty() else text)

    with progress("upgrade", job.status().rows) as advance:
        status = getattr(job, how)(progress=advance, tell=tell, **options)
    show(status, as_json=as_json)
