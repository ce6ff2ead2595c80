"""Options that are numbers: which count as such, what is refused and in which words."""

import inspect

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.options import Limit, check, checked, numeric


class Estimator:
    def __init__(
        self, *, count: int = 3, share: float = 0.5, pull: Limit = 1.0, top: int | None = None,
        bound: Limit | None = None, name: str = "x", either: int | str = 1,
    ):  # fmt: skip
        self.count, self.share, self.pull = count, share, pull
        self.top, self.bound, self.name, self.either = top, bound, name, either

    def fit(self, x, *, pairs=None):
        """As given."""
        return (self, x, pairs)


KINDS = numeric(Estimator)


def test_options_are_those_that_the_signature_calls_numbers():
    assert list(KINDS) == ["count", "share", "pull", "top", "bound"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0), ("count", -7), ("count", np.uint8(3)), ("share", 1), ("share", np.float32(2)),
        ("pull", float("inf")), ("pull", 3), ("top", None), ("top", 2), ("bound", None),
        ("bound", -np.inf), ("name", 3), ("either", float("nan")), ("unknown", "3"),
    ],
)  # fmt: skip
def test_numbers_of_the_kind_pass(name, value):
    check("method", KINDS, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("count", 2.5, "count=2.5; expected a whole number. Write count=5"),
        ("count", None, "count=None; expected a whole"), ("count", True, "count=True"),
        ("count", float("inf"), "count=inf"), ("top", "3", "top='3'; expected a whole"),
        ("share", float("inf"), "share=inf; expected a finite number. Write share=0.5"),
        ("share", float("nan"), "share=nan"), ("share", 1j, "share=1j"), ("share", [1], "share="),
        ("pull", float("nan"), "pull=nan; expected a number"), ("pull", None, "pull=None"),
        ("bound", "3", "bound='3'"),
    ],
)  # fmt: skip
def test_others_are_refused_by_name(name, value, says):
    with pytest.raises(InputError) as found:
        check("method", KINDS, {name: value})
    assert str(found.value).startswith("method: got ")
    assert says in str(found.value)


def test_an_estimator_is_checked_when_it_is_fitted():
    """Its constructor only keeps options, and one may be set afterwards."""
    checked("estimator", Estimator)
    made = Estimator(count="3")
    with pytest.raises(InputError, match="estimator: got count='3'"):
        made.fit(1)
    made.count = 3
    assert made.fit(1, pairs=2) == (made, 1, 2)
    assert list(inspect.signature(Estimator.fit).parameters) == ["self", "x", "pairs"]
    assert Estimator.fit.__doc__ == "As given."
