"""The command as a whole: help, exit codes, imports, and no traceback whatever happens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import isthmus
from isthmus.cli.main import EXIT_CODES, VERBS

NAMES = [verb.__name__ for verb, _, _ in VERBS]
HEAVY = ("torch", "sklearn", "pyarrow", "numpy", "scipy", "faiss", "matplotlib", "rich")
ROOT = {**os.environ, "PYTHONPATH": str(Path(isthmus.__file__).parents[1])}
ENTRY = "import sys; sys.argv[0] = 'isthmus'; from isthmus.cli.main import main; "


def process(*arguments, code=ENTRY + "main()", **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=ROOT, **options,
    )  # fmt: skip


def test_the_verbs_are_those_of_the_guide():
    wanted = ["info", "doctor", "compare", "fit", "hub", "translate", "evaluate", "plan", "upgrade"]
    assert [*wanted, "jobs", "anchors", "methods", "reproduce", "demo"] == NAMES


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_verb(cli, narrow, flag):
    answer = cli(flag)
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    for verb, line, _ in VERBS:
        assert f"  {verb.__name__}" in answer.out
        assert line in answer.out
    assert "..." not in answer.out.partition("\n")[2]  # nothing cut off


def test_without_a_verb_there_is_help(cli):
    answer = cli()
    assert answer.code == 2
    assert "Commands:" in answer.out + answer.err


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_verb_stands_on_its_own(cli, narrow, name):
    answer = cli(name, "--help")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    flat = " ".join(answer.out.split())
    assert flat.startswith(f"Usage: isthmus {name} ")
    assert " ".join(EXIT_CODES.split()) in flat
    assert f"Example: isthmus {name}" in flat
    assert "--json" in flat


@pytest.mark.parametrize(("verb", "example"), [(v.__name__, e) for v, _, e in VERBS])
def test_the_examples_are_valid_commands(verb, example):
    import typer

    from isthmus.cli.main import app

    words = example.split()
    assert words[:2] == ["isthmus", verb]
    command = typer.main.get_command(app)
    command.commands[verb].make_context(verb, words[2:])


def test_version(cli):
    assert cli("--version").out == f"{isthmus.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["info"],
        ["doctor"],
        ["fit", "old.npz"],
        ["fit", "old.npz", "new.npz"],
        ["fit", "old.npz", "new.npz", "-o", "x", "--holdout", "much"],
        ["translate", "old.npz"],
        ["evaluate", "old.npz", "new.npz"],
        ["reproduce"],
        ["reproduce", "relrep", "--all"],
    ],
)
def test_wrong_usage(cli, here, arguments):
    answer = cli(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: isthmus" in answer.err


# -- in a process of its own ---------------------------------------------------------------------


def test_the_real_command(made):
    answer = process("methods", "--room", "bridges", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert '"orthogonal"' in answer.stdout
    answer = process("info", "nowhere.npy", cwd=made)
    assert (answer.returncode, answer.stdout) == (6, "")
    assert answer.stderr.startswith("StorageError: open nowhere.npy")


def imported(code):
    probe = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    probe += f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    found = process("--help", code=probe)
    return found.stderr.strip(), found.stdout


def test_help_and_import_bring_nothing_heavy():
    loaded, out = imported(ENTRY + "main()")
    assert "Commands:" in out
    assert loaded == "[]"
    assert imported("import isthmus")[0] == "[]"


def test_the_probe_would_notice():
    assert imported("import isthmus; isthmus.Space")[0] == "['numpy']"


def test_the_reader_goes_away():
    """``isthmus methods | head -1``: the pipe closes before all is written."""
    read, write = os.pipe()
    os.close(read)
    child = subprocess.Popen(
        [sys.executable, "-c", ENTRY + "main()", "methods"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=ROOT,
    )
    os.close(write)
    said = child.communicate(timeout=60)[1]
    assert (child.returncode, said) == (0, b"")


def test_nobody_reads_the_remarks(made, tmp_path):
    read, write = os.pipe()
    os.close(read)
    arguments = ["fit", "old.npz", "new.npz", "--method", "orthogonal", "-o", tmp_path / "b"]
    child = subprocess.Popen(
        [sys.executable, "-c", ENTRY + "main()", *arguments],
        stdout=subprocess.PIPE, stderr=write, cwd=made, env=ROOT,
    )  # fmt: skip
    os.close(write)
    said = child.communicate(timeout=60)[0]
    assert child.returncode == 0
    assert said.startswith(b"bridge orthogonal")
    assert (tmp_path / "b").exists()


def test_signals_are_left_as_they_were(cli, here):
    before = signal.getsignal(signal.SIGINT)
    cli("methods", "--room", "bridges")
    assert signal.getsignal(signal.SIGINT) is before
