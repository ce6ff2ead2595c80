"""Options: the check that counts share; holds no method of its own."""

import operator
from typing import Any

from isthmus.core.errors import InputError


def check_whole(name: str, value: Any, *, operation: str) -> None:
    """Raise InputError unless ``value`` counts something: 10, and not 10.0, "10", None or True."""
    try:
        operator.index(value)
    except TypeError:
        whole = False
    else:
        whole = not isinstance(value, bool)
    if not whole:
        raise InputError(operation, f"{name}={value!r}", "a whole number", f"Write {name}=5, say.")
