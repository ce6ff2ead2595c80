"""Numbers at the ends of their range: the answer is right, or InputError; never a NaN or a crash.

Warnings are errors in these tests, so none leaks either.
"""

import numpy as np
import pytest

from isthmus.core.arrays import matrix
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method, methods, watched
from isthmus.core.score import Score
from isthmus.testing.groups import related
from isthmus.testing.measures import given_to

X, Y = related(40, 4, np.random.default_rng(0))
#: Down to where entries are stored with fewer digits than others have.
SCALES = {
    np.float64: (1e-300, 1e-200, 1e-170, 1e-100, 1e-79, 1e100, 1e200, 1e300, 1e307),
    np.float32: (1e-42, 1e-37, 1e37),
}


def check_extremes(method):
    card = method.card
    known = given_to(card, (X, Y))
    free = all(card.declares("isotropic_scale", target=side) for side in (False, True))
    before = float(method.call(*(X, Y)[: card.spaces], **known))
    for dtype, scales in SCALES.items():
        for scale in scales:
            sides = [(side * scale).astype(dtype) for side in (X, Y)[: card.spaces]]
            told = f"{method.name} of {dtype.__name__} entries of {scale:g}"
            try:
                score = method.call(*sides, **known)
            except InputError:
                continue
            except Exception as error:
                raise AssertionError(f"{told} gives {error!r}") from error
            assert np.isfinite(score.value), f"{told} is {score.value}"
            off = abs(score.value - before) / max(abs(before), 1.0)
            room = 0.1 if scale == 1e-42 else 1e-3  # there whole entries round to three digits
            assert not free or off <= room, f"{told} is {score.value}, not {before}"


MEASURES = [m for m in methods("measures") if m.card.spaces]


@pytest.mark.parametrize("method", MEASURES, ids=lambda m: m.name)
def test_extreme_numbers(method):
    check_extremes(method)


def wrong(call, **changes):
    card = {
        "name": "wrong", "summary": "A wrong measure.", "paper": Paper("None", "Nobody", 2000),
        "invariant": ("isotropic_scale",), "cost": "n d", "memory": "n", "spaces": 1, "min_rows": 1,
    }  # fmt: skip
    return Method("measures", Card(**card | changes), call)


def share(x):
    """Of the first column in all squares: scale-free on paper."""
    x = matrix("x", x, operation="wrong")
    return Score(value=float((x[:, 0] ** 2).sum() / (x**2).sum()), method="wrong", n=len(x))


def swallows(x):
    """The NaN of 0 / 0 ends in a finite number."""
    x = matrix("x", x, operation="wrong")
    with np.errstate(all="ignore"):
        value = np.nan_to_num((x[:, 0] ** 2).sum() / (x**2).sum())
    return Score(value=float(value), method="wrong", n=len(x))


def crashes(x):
    return Score(value=float(np.linalg.eigvalsh(np.cov(x.T))[0] ** 0 / x[0, 0]), method="w", n=1)


@pytest.mark.parametrize("call", [share, swallows, crashes])
def test_wrong_measures_are_rejected(call):
    with pytest.raises(AssertionError):
        check_extremes(wrong(call))


def test_a_watched_measure_refuses_what_it_cannot_compute():
    """What ``register`` does to every measure: the first wrong one is right then."""
    method = wrong(share)
    check_extremes(Method("measures", method.card, watched(method.card, share)))
    with pytest.raises(InputError, match="wrong: got numbers.*overflow.*Divide them"):
        watched(method.card, share)(X * 1e200)


def test_what_fails_in_a_function_of_the_users_is_not_renamed():
    from collections.abc import Callable

    def calls(x, *, encode: Callable):
        return encode(x)

    def divides(x):
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        watched(wrong(calls).card, calls)(X, encode=divides)
