"""Errors say operation, what came, what was expected, and the cure."""

import pickle

import pytest

from isthmus.core import errors


def test_the_message_has_all_four_parts():
    error = errors.InputError("fit", "3 rows", "at least 4", "Bring more.")
    assert str(error) == "fit: got 3 rows; expected at least 4. Bring more."
    assert str(errors.InputError("fit", "a", "b")) == "fit: got a; expected b."


def test_exit_codes_are_distinct_per_kind():
    codes = {
        errors.InputError: 3, errors.PairingError: 3, errors.NoRelationFound: 3,
        errors.SpaceMismatch: 4, errors.FormatError: 5, errors.StorageError: 6,
        errors.MissingExtra: 7,
    }  # fmt: skip
    assert {kind: kind.exit_code for kind in codes} == codes


def test_they_are_what_python_expects_too():
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.StorageError, OSError)
    with pytest.raises(ImportError, match=r"pip install 'isthmus\[demo\]'"):
        raise errors.MissingExtra("demo", "torch", "demo")


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("fit", "3 rows", "at least 4", "Bring more."),
        errors.StorageError("write", "a full disk", "room"),
        errors.MissingExtra("demo", "torch", "demo"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_they_cross_to_another_process_whole(error):
    """As a process pool sends them; otherwise the pool hangs instead of saying what is wrong."""
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert (back.operation, back.given, back.cure) == (error.operation, error.given, error.cure)
