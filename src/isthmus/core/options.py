"""Options of methods: numbers of the kind that the signature names, checked in one place.

An option that the signature calls an int takes whole numbers, a float finite ones, with ``| None``
nothing too; which of them, the method says itself. One that has a meaning at infinity is a
``Limit``.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Annotated, Any

from isthmus.core.errors import InputError

#: A float that may be infinite.
Limit = Annotated[float, "or infinity"]
#: Kinds of numbers, and which of them may be left out.
_KINDS = {
    kind: optional
    for plain in (int, float, Limit)
    for kind, optional in ((plain, False), (plain | None, True))
}
#: Ways into an estimator, each of which reads its options.
_ENTRIES = ("fit", "fit_moments")


def numeric(call: Callable[..., Any]) -> dict[str, Any]:
    """The options of a function or class that its signature calls numbers, with their kind."""
    parameters = inspect.signature(call).parameters.items()
    return {name: one.annotation for name, one in parameters if one.annotation in _KINDS}


def check(operation: str, kinds: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise InputError on the first of ``options`` that is no number of its kind."""
    for name, kind in kinds.items():
        if name not in options:
            continue
        value, whole = options[name], kind in (int, int | None)
        endless = kind in (Limit, Limit | None)
        if value is None and _KINDS[kind]:
            continue
        # True is a number to Python alone, and NaN is a number that is not itself.
        if (
            isinstance(value, bool)
            or not isinstance(value, Integral if whole else Real)
            or value != value
            or (abs(value) == math.inf and not endless)
        ):
            raise InputError(
                operation,
                f"{name}={value!r}",
                "a whole number" if whole else "a number" if endless else "a finite number",
                f"Write {name}={5 if whole else 0.5}, say.",
            )


def checked(operation: str, estimator: type) -> None:
    """Make ``estimator`` check its options when it is fitted: its constructor only keeps them."""
    kinds = numeric(estimator)

    def guard(entry: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(entry)
        def guarded(self: Any, *args: Any, **given: Any) -> Any:
            check(operation, kinds, vars(self))
            return entry(self, *args, **given)

        return guarded

    for name in _ENTRIES:
        if kinds and hasattr(estimator, name):
            setattr(estimator, name, guard(getattr(estimator, name)))
