"""Every error Isthmus raises on purpose, each with the exit code the command line answers with.

A message names the operation, what was given, what was expected and the cure.
"""

from typing import Any


class IsthmusError(Exception):
    """Base of all deliberate errors; ``exit_code`` is what the command line exits with."""

    exit_code = 1

    def __init__(self, operation: str, given: str, expected: str, cure: str = "") -> None:
        self.operation, self.given, self.expected, self.cure = operation, given, expected, cure
        text = f"{operation}: got {given}; expected {expected}."
        super().__init__(text + (f" {cure}" if cure else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        """How an error crosses to another process; by itself it would be rebuilt from its text."""
        return _rebuilt, (type(self), str(self), dict(self.__dict__))


def _rebuilt(kind: type[IsthmusError], text: str, parts: dict[str, str]) -> IsthmusError:
    error = kind.__new__(kind, text)
    error.args = (text,)
    error.__dict__.update(parts)
    return error


class InputError(IsthmusError, ValueError):
    """Values that cannot be used: non-finite rows, wrong shapes, duplicate ids, too few rows."""

    exit_code = 3


class PairingError(InputError):
    """Two spaces that cannot be paired: no common ids, ids of different kinds."""


class NoRelationFound(InputError):
    """Pairs that carry no more information about each other than shuffled ones would."""


class NoReliableBridge(InputError):
    """An unpaired fit that cannot tell a right map from a wrong one, so gives none."""


class SpaceMismatch(InputError):
    """A bridge asked to work on vectors of a space it was not fitted on, or backwards."""

    exit_code = 4


class FormatError(IsthmusError, ValueError):
    """A file that is truncated, corrupt, hostile or of an unknown format."""

    exit_code = 5


class StorageError(IsthmusError, OSError):
    """Reading or writing failed: disk full, no permission, a target that already exists."""

    exit_code = 6


class MissingExtra(IsthmusError, ImportError):
    """An optional dependency is absent; the cure is the pip line that installs it."""

    exit_code = 7

    def __init__(self, operation: str, package: str, extra: str) -> None:
        super().__init__(
            operation,
            f"no installed package {package!r}",
            f"the extra {extra!r}",
            f"Install it with: pip install 'isthmus[{extra}]'",
        )
