"""Options: numbers of a wrong kind are refused by name, and no number makes an answer NaN."""

import inspect

import numpy as np
import pytest

from isthmus.anchors import uniform
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import ROOMS, Method, methods
from isthmus.core.score import Score
from isthmus.measures import cdnv, mutual_knn, svcca
from isthmus.testing.groups import related
from isthmus.testing.measures import given_to

X, Y = related(24, 4, np.random.default_rng(0))
WRONG_KINDS = [float("nan"), float("inf"), "3", True, [3], 2 + 0j]
#: Numbers that some option cannot mean; whole ones small, for some count rounds of work.
EXTREME = {int: [-1, 0, 1, 30], float: [-1.0, 0.0, 1.0, 1e-300, 1e300]}


def numeric(method):
    """Names of the options that are numbers by the signature, with the kind; and if None may be."""
    found = []
    for name, one in inspect.signature(method.call).parameters.items():
        for kind in (int, float):
            if one.annotation in (kind, kind | None):
                found.append((name, kind, one.annotation != kind))
    return found


def check_kinds(method):
    """Before anything else is looked at, so that nothing else need be right."""
    needed = {
        name: None
        for name, one in inspect.signature(method.call).parameters.items()
        if one.default is inspect.Parameter.empty
    }
    for name, kind, optional in numeric(method):
        others = ([2.5] if kind is int else []) + ([] if optional else [None])
        for value in WRONG_KINDS + others:
            told, found = f"{name}={value!r}", None
            try:
                made = method.call(**needed | {name: value})
                if inspect.isclass(method.call):
                    made.fit()
            except Exception as error:
                found = error
            assert isinstance(found, InputError), f"{told} gives {method.name} {found!r}"
            assert told in str(found), f"{found} does not name {told}"


def check_extremes(method):
    """A number of the right kind gives InputError or a finite score."""
    card = method.card
    known = given_to(card, (X, Y))
    for name, kind, _ in numeric(method):
        for value in EXTREME[kind]:
            told = f"{method.name} at {name}={value!r}"
            try:
                score = method.call(*(X, Y)[: card.spaces], **known | {name: value})
            except InputError:
                continue
            except Exception as error:
                raise AssertionError(f"{told} gives {error!r}") from error
            assert np.isfinite(score.value), f"{told} is {score.value}"


ALL = [m for room in ROOMS for m in methods(room) if numeric(m)]


@pytest.mark.parametrize("method", ALL, ids=lambda m: m.name)
def test_a_wrong_kind_is_refused(method):
    check_kinds(method)


@pytest.mark.parametrize(
    "method", [m for m in ALL if m.card.spaces and m.room == "measures"], ids=lambda m: m.name
)
def test_an_extreme_number_gives_no_nan(method):
    check_extremes(method)


def wrong(call):
    card = Card(
        name="wrong", summary="A wrong measure.", paper=Paper("None", "Nobody", 2000),
        cost="n d", memory="n", min_rows=1,
    )  # fmt: skip
    return Method("measures", card, call)


def takes_all(x, y, *, k: int = 3):
    return Score(value=0.0, method="wrong", n=24)


def crashes(x, y, *, k: int = 3):
    return Score(value=1.0 / range(k)[-1], method="wrong", n=24)


def unnamed(x, y, *, k: int = 3):
    raise InputError("wrong", "an option of a wrong kind", "another")


def is_nan(x, y, *, alpha: float = 1.0):
    class Loose:
        value = float(np.float64(alpha) * 1e300 - np.inf * (alpha > 1))

    return Loose


class Wrong:
    """Its constructor keeps an option that nothing looks at."""

    def __init__(self, *, k: int = 3):
        self.k = k

    def fit(self, x=None, y=None):
        return self


@pytest.mark.parametrize(
    ("check", "call"),
    [
        (check_kinds, takes_all), (check_kinds, Wrong), (check_kinds, crashes),
        (check_kinds, unnamed), (check_extremes, crashes), (check_extremes, is_nan),
    ],
)  # fmt: skip
def test_wrong_measures_are_rejected(check, call):
    with pytest.raises(AssertionError):
        check(wrong(call))


def test_the_numbers_of_numpy_are_numbers():
    assert mutual_knn(X, Y, k=np.int32(3)).value == mutual_knn(X, Y, k=3).value
    assert svcca(X, Y, variance=np.float32(0.5)).value == svcca(X, Y, variance=0.5).value
    assert len(uniform(X, np.int64(3))) == 3


def test_a_wrong_kind_is_told_what_to_write():
    with pytest.raises(InputError, match=r"uniform: got count=2.0; expected a whole.*count=5"):
        uniform(X, 2.0)
    with pytest.raises(InputError, match="shots=nan"):
        cdnv(X, np.arange(24) % 2, shots=float("nan"))
