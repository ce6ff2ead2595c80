import errno
import warnings

import pytest
import typer

from isthmus.cli.answer import DEFECT, TRACEBACK, answered
from isthmus.core.errors import (
    FormatError,
    InputError,
    IsthmusError,
    MissingExtra,
    NoRelationFound,
    PairingError,
    SpaceMismatch,
    StorageError,
)


def ending(error):
    def verb():
        raise error

    with pytest.raises(SystemExit) as left:
        answered(verb)()
    return left.value.code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InputError, 3),
        (PairingError, 3),
        (NoRelationFound, 3),
        (SpaceMismatch, 4),
        (FormatError, 5),
        (StorageError, 6),
        (IsthmusError, 1),
    ],
)
def test_every_deliberate_error_has_its_code(capsys, kind, code):
    assert ending(kind("do", "this", "that", "Cure it.")) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{kind.__name__}: do: got this; expected that.\nCure it.\n"


def test_the_pip_line_is_never_broken(capsys):
    assert ending(MissingExtra("demo " * 30, "torch", "demo")) == 7
    assert "Install it with: pip install 'isthmus[demo]'" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. Run the same command again to go on.\n"),
        (MemoryError(), 6, "Out of memory"),
        (OSError(errno.ENOSPC, "No space left", "/full/x"), 6, "StorageError: /full/x: No space"),
        (OSError("odd"), 6, "StorageError: odd"),
        (PermissionError(errno.EACCES, "Permission denied", "y"), 6, "y: Permission denied"),
        (ZeroDivisionError("oops"), DEFECT, "Unexpected ZeroDivisionError: oops\nThis is a defect"),
    ],
)
def test_what_nobody_meant_to_happen(capsys, error, code, says):
    assert ending(error) == code
    said = capsys.readouterr()
    assert says in said.err
    assert "Traceback" not in said.err


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv(TRACEBACK, "1")

    def verb():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answered(verb)()


def test_what_typer_raises_passes():
    def verb():
        raise typer.Exit(1)

    with pytest.raises(typer.Exit):
        answered(verb)()


def test_warnings_are_remarks(capsys):
    def verb():
        warnings.simplefilter("always")
        warnings.warn("generation 1 is used instead", stacklevel=1)

    answered(verb)()
    assert capsys.readouterr().err == "Warning: generation 1 is used instead\n"
