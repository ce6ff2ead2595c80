"""The registry: a method is one file of a room, found by its name.

A room (``isthmus.measures``, ``isthmus.bridges``, ...) is a package. Every file in it that calls
``register`` holds one method, named like the file. ``isthmus.measures.debiased_cka`` imports that
file on first use and gives the function itself, so nothing is imported that is not used.
"""

import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from isthmus.core import options
from isthmus.core.card import Card
from isthmus.core.errors import InputError
from isthmus.core.score import RESCALE, Score

T = TypeVar("T", bound=Callable[..., Any])
#: What a score says where the card calls its interval or test rough.
ROUGH = (
    "the interval or the test is off its nominal level in simulations; the card's caveat says where"
)
ROOMS = ("anchors", "measures", "bridges", "retrieval")


@dataclass(frozen=True, slots=True)
class Method:
    """A registered method: the room it lives in, its card, and the function or class itself."""

    room: str
    card: Card
    call: Any

    @property
    def name(self) -> str:
        """The registry key: the name of its file."""
        return self.card.name


_METHODS: dict[tuple[str, str], Method] = {}


def register(card: Card, *, room: str = "") -> Callable[[T], T]:
    """Bind ``card`` to the decorated function or class and enter both into the registry.

    The room is the package that holds the file; third parties name it themselves.
    """

    def bind(call: T) -> T:
        package, _, file = call.__module__.rpartition(".")
        home = room or package.rpartition(".")[2]
        if package == f"isthmus.{home}" and file != card.name:
            raise InputError(
                "register", f"card {card.name!r} in file {file!r}", "the card named like its file"
            )
        if _snake(call.__name__) != card.name:
            raise InputError(
                "register", f"card {card.name!r} on {call.__name__!r}", "the two names to agree"
            )
        known = _METHODS.get((home, card.name))
        if known is not None and known.call.__module__ != call.__module__:
            raise InputError(
                "register", f"a second {home} method {card.name!r}", "a name not yet taken"
            )
        if inspect.isclass(call):
            options.checked(card.name, call)
        else:
            call = watched(card, call)
        if card.rough is not None:
            call = cautious(card, call)
        _METHODS[home, card.name] = Method(home, card, call)
        call.card = card  # type: ignore[attr-defined]
        return call

    return bind


def watched(card: Card, call: T) -> T:
    """``call`` that raises InputError on options of a wrong kind, and where its arithmetic fails.

    Arithmetic fails where it overflows, divides by zero or the like: only there can it be seen,
    for what comes of an infinity may be a finite, wrong number.
    """
    signature = inspect.signature(call)
    kinds = options.numeric(call)
    # What fails in a user's own function is theirs to mend, in its own words.
    calls_back = "Callable" in str(signature)

    @functools.wraps(call)
    def finite(*args: Any, **given: Any) -> Any:
        known = dict(zip(signature.parameters, args, strict=False)) | given
        options.check(card.name, kinds, known)
        if calls_back:
            return call(*args, **given)
        try:
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                return call(*args, **given)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            raise InputError(
                card.name,
                f"numbers that its arithmetic cannot hold ({error})",
                "numbers whose powers their dtype holds",
                RESCALE,
            ) from error

    return cast(T, finite)


def cautious(card: Card, call: T) -> T:
    """``call`` with a warning on every score whose interval or test the card calls rough there."""

    @functools.wraps(call)
    def warned(*args: Any, **given: Any) -> Any:
        score = call(*args, **given)
        if not isinstance(score, Score) or (score.ci is None and score.p is None):
            return score
        width = max(_widths([*args, given.get("x"), given.get("y")]), default=0)
        return replace(score, warnings=score.warnings + caution(card, score.n, width))

    return cast(T, warned)


def caution(card: Card, n: int, width: int) -> tuple[str, ...]:
    """The warning, if any, that the card holds for scores of n rows of ``width`` dims."""
    return (f"at {n} rows of {width} dims {ROUGH}",) if card.is_rough(n, width) else ()


def _widths(spaces: list[Any]) -> list[int]:
    """Columns of every matrix among ``spaces``, both sides of a Pairs included."""
    found = []
    for one in spaces:
        for side in (one, getattr(one, "x", None), getattr(one, "y", None)):
            shape = getattr(side, "shape", None)
            if shape is None and isinstance(side, list | tuple) and side:
                shape = (len(side), len(side[0])) if hasattr(side[0], "__len__") else None
            if shape is not None and len(shape) == 2:
                found.append(int(shape[1]))
    return found


def methods(room: str | None = None) -> list[Method]:
    """Every registered method, of one room or all, plugins included, sorted by room and name."""
    for name in ROOMS if room is None else (room,):
        package = import_module(f"isthmus.{name}")
        for module in iter_modules(package.__path__):
            import_module(f"isthmus.{name}.{module.name}")
    for entry in entry_points(group="isthmus.methods"):
        entry.load()
    return sorted(
        (m for m in _METHODS.values() if room in (None, m.room)), key=lambda m: (m.room, m.name)
    )


def method(room: str, name: str) -> Method:
    """The method ``name`` of ``room``; raises InputError naming the valid choices."""
    key = _snake(name.replace("-", "_"))
    if (room, key) not in _METHODS:
        choices = [m.name for m in methods(room)]
        if key not in choices:
            raise InputError(f"look up in {room}", repr(name), f"one of {', '.join(choices)}")
    return _METHODS[room, key]


class _Room(ModuleType):
    """A package whose attributes are its methods, imported when first asked for."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            file = _snake(name)
            home = self.__name__.rpartition(".")[2]
            if any(module.name == file for module in iter_modules(self.__path__)):
                module = import_module(f"{self.__name__}.{file}")
                if (home, file) in _METHODS and _METHODS[home, file].call.__name__ == name:
                    return _METHODS[home, file].call
                if name == file:  # a file of the room that holds no method
                    return module
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a loaded file to its package under the file's name, which for a
        # function is the method's name too; the method is what users ask the room for.
        home = self.__name__.rpartition(".")[2]
        if isinstance(value, ModuleType) and (home, name) in _METHODS:
            found = _METHODS[home, name].call
            value = found if found.__name__ == name else value
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        home = self.__name__.rpartition(".")[2]
        return sorted({*super().__dir__(), *(m.call.__name__ for m in methods(home))})


def open_room(package: str) -> None:
    """Make ``package`` a room: its attributes become its methods, loaded on first use."""
    sys.modules[package].__class__ = _Room


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
