"""The ``isthmus`` command: verbs, exit codes, and no traceback whatever happens."""

import os
import sys

import typer

from isthmus.cli.compare import compare
from isthmus.cli.demo import demo
from isthmus.cli.evaluate import evaluate
from isthmus.cli.fit import fit
from isthmus.cli.info import info
from isthmus.cli.methods import methods
from isthmus.cli.reproduce import reproduce
from isthmus.cli.translate import translate
from isthmus.core.errors import IsthmusError

EPILOG = (
    "Exit codes: 0 done; 1 a claim did not hold; 2 wrong usage; 3 unusable input (NaN, no common "
    "ids, no relation); 4 vectors of another space; 5 a damaged or unknown file; 6 disk or "
    "permission; 7 a missing extra; 130 interrupted (run the same command again to go on)."
)

app = typer.Typer(
    name="isthmus",
    help="A land bridge between embedding spaces: measure, bridge, translate, prove.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (info, compare, fit, translate, evaluate, methods, reproduce, demo):
    app.command(name=verb.__name__, epilog=EPILOG)(verb)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from isthmus import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit with the code that says what happened."""
    try:
        app()
    except IsthmusError as error:
        _leave(f"{type(error).__name__}: {error}", error.exit_code)
    except KeyboardInterrupt:
        _leave("Interrupted. Run the same command again to go on.", 130)
    except BrokenPipeError:
        # The reader of stdout went away (`isthmus methods | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        _leave("Out of memory: use fewer rows, or close other programs.", 6)
    except OSError as error:
        _leave(f"StorageError: {error.filename or ''}: {error.strerror or error}", 6)


def _leave(message: str, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
