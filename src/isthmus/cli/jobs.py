"""``isthmus jobs``: what upgrades there are, and pausing and resuming them."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.console import Json, show
from isthmus.cli.upgrade import run


def jobs(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", readable=False, help="Where the jobs lie."),
    ] = Path("isthmus-jobs"),
    pause: Annotated[
        Path | None,
        typer.Option(metavar="JOB", readable=False,
                     help="Stop it after the batch at hand; it stays so until resumed."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="JOB", readable=False,
                     help="Go on with it, or bring it up to date with its source."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Its source again, where that needs a password."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Its target again, where that needs a password."),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """List the upgrades in DIR, newest first; or pause or resume one.

    JOB is a job's folder, or its name or id in isthmus-jobs. Addresses with passwords may also
    stand in ISTHMUS_SOURCE and ISTHMUS_TO.
    """
    from isthmus.spaces.stores.address import refuse_address
    from isthmus.upgrade.job import Job
    from isthmus.upgrade.job_status import jobs as found

    refuse_address(folder, operation="list the jobs")
    if pause is not None and resume is not None:
        raise typer.BadParameter("one of --pause and --resume.")
    if pause is not None:
        show(Job.open(pause).pause(), as_json=json)
    elif resume is not None:
        run(Job.open(resume, source=source, to=to), "resume", as_json=json)
    else:
        statuses = found(folder)
        if json:
            listed = [status.as_dict() for status in statuses]
            show({"kind": "upgrade jobs", "jobs": listed}, as_json=True)
        else:
            show("\n\n".join(map(str, statuses)) or f"no jobs in {folder}", as_json=False)
