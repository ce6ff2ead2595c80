"""How a verb ends: with the exit code that says what happened, and never with a traceback."""

import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from isthmus.cli.console import note, wrapped
from isthmus.core.errors import IsthmusError

#: Set in the environment, it lets the traceback of an unexpected error through.
TRACEBACK = "ISTHMUS_TRACEBACK"
#: How typer itself ends a command.
_USUAL = (typer.Exit, typer.BadParameter)
#: What the shell's sysexits.h calls an internal error.
DEFECT = 70


def answered(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` with every way it can fail turned into one message on stderr and an exit code."""

    @functools.wraps(verb)
    def run(*args: Any, **options: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: note(
                    wrapped(f"Warning: {message}")
                )
                verb(*args, **options)
            sys.stdout.flush()
        except IsthmusError as error:
            _leave(_said(error), error.exit_code)
        except KeyboardInterrupt:
            _leave("Interrupted. Run the same command again to go on.", 130)
        except BrokenPipeError:
            # The reader of stdout went away (`isthmus methods | head`): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except MemoryError:
            _leave("Out of memory: use fewer rows, or close other programs.", 6)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _leave(f"StorageError: {where}{error.strerror or error}", 6)
        except Exception as error:
            if isinstance(error, _USUAL) or os.environ.get(TRACEBACK):
                raise
            _leave(
                f"Unexpected {type(error).__name__}: {error}\n"
                f"This is a defect of isthmus. Please report it, with what {TRACEBACK}=1 shows.",
                DEFECT,
            )

    return run


def _said(error: IsthmusError) -> str:
    said = f"{type(error).__name__}: {error}".removesuffix(error.cure).rstrip()
    # The cure stands on a line of its own, unbroken: it may be a command to paste.
    return f"{wrapped(said)}\n{error.cure}".rstrip()


def _leave(message: str, code: int) -> NoReturn:
    note(message)
    sys.exit(code)
