"""The ``isthmus`` command: its verbs, each with its exit codes and an example."""

from collections.abc import Callable
from typing import Any

import typer

from isthmus.cli.anchors import anchors
from isthmus.cli.answer import answered
from isthmus.cli.compare import compare
from isthmus.cli.demo import demo
from isthmus.cli.doctor import doctor
from isthmus.cli.evaluate import evaluate
from isthmus.cli.fit import fit
from isthmus.cli.hub import hub
from isthmus.cli.info import info
from isthmus.cli.jobs import jobs
from isthmus.cli.methods import methods
from isthmus.cli.plan import plan
from isthmus.cli.reproduce import reproduce
from isthmus.cli.translate import translate
from isthmus.cli.upgrade import upgrade

EXIT_CODES = (
    "Exit codes: 0 done; 1 a claim did not hold; 2 wrong usage; 3 unusable input (NaN, no common "
    "ids, no relation, an unknown name); 4 vectors of another space; 5 a damaged or unknown file; "
    "6 disk, permission or memory; 7 a missing extra; 70 a defect of isthmus; 130 interrupted (run "
    "the same command again to go on)."
)

_FIT = "isthmus fit old.parquet new.npz -o old-to-new.isthmus"
#: Each verb with the line that lists it and the example that ends its help.
VERBS: tuple[tuple[Callable[..., None], str, str], ...] = (
    (info, "What is this collection, or this bridge?", "isthmus info old.parquet"),
    (
        doctor,
        "What is wrong with a space or a store, and what helps?",
        "isthmus doctor old.parquet",
    ),
    (compare, "How do two spaces relate?", "isthmus compare old.parquet new.npz"),
    (fit, "Fit a bridge from one space to another, and prove it.", _FIT),
    (
        hub,
        "Fit one hub over many spaces, and prove it.",
        "isthmus hub de.parquet fr.npz en.npz -o hub.isthmus",
    ),
    (
        translate,
        "Carry a collection across a bridge.",
        "isthmus translate old.parquet -b old-to-new.isthmus -o corpus-in-new/",
    ),
    (
        evaluate,
        "What does every strategy gain or lose?",
        "isthmus evaluate old.parquet new.npz -b old-to-new.isthmus",
    ),
    (
        plan,
        "Which strategy to take, with quality, cost and certainty.",
        "isthmus plan old.parquet new-sample.npz -q q-new.npz --old-queries q-old.npz",
    ),
    (
        upgrade,
        "Carry an upgrade out over a database, and take it back.",
        "isthmus upgrade 'pgvector://host/base/docs?vector=emb' old-to-new.isthmus",
    ),
    (jobs, "List, pause and resume upgrades.", "isthmus jobs"),
    (
        anchors,
        "How many anchors do two spaces need?",
        "isthmus anchors old.parquet new.npz --curve",
    ),
    (methods, "List every method with its paper.", "isthmus methods --room measures"),
    (reproduce, "Run a paper's claim.", "isthmus reproduce relrep"),
    (demo, "All of it on real text and images.", "isthmus demo -o demo-out"),
)

app = typer.Typer(
    name="isthmus",
    help="A land bridge between embedding spaces: measure, bridge, translate, prove.",
    epilog=f"isthmus VERB --help explains a verb and ends with an example.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help answers in half the time, and keeps paragraphs whole.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
for verb, line, example in VERBS:
    epilog = f"\b\nExample:\n  {example}\n\n{EXIT_CODES}"
    app.command(name=verb.__name__, short_help=line, epilog=epilog)(answered(verb))


@app.callback(invoke_without_command=True)
def _top(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from isthmus import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit with the code that says what happened."""
    run: Any = app
    run(prog_name="isthmus")
