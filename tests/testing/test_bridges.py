"""The contract's own judgements: what it takes for refused, unharmed, equal and moved."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from isthmus.core.errors import InputError, NoReliableBridge, SpaceMismatch
from isthmus.testing import bridges as suite

METHOD = SimpleNamespace(name="some_bridge", card=SimpleNamespace(quick=(("speed", 3),)))


def raising(error):
    def run(*_):
        raise error

    return run


def test_every_check_of_the_module_is_run():
    found = [value for name, value in vars(suite).items() if name.startswith("check_")]
    assert list(suite.CHECKS) == found


def test_only_an_error_of_the_kind_asked_for_is_a_refusal():
    text = ("fit", "a", "b")
    suite._refuses(METHOD, "it", raising(SpaceMismatch(*text)))
    suite._refuses(METHOD, "it", raising(NoReliableBridge(*text)), NoReliableBridge)
    with pytest.raises(AssertionError, match="some_bridge accepts it"):
        suite._refuses(METHOD, "it", lambda: None)
    with pytest.raises(ZeroDivisionError):
        suite._refuses(METHOD, "it", raising(ZeroDivisionError()))
    with pytest.raises(InputError):
        suite._refuses(METHOD, "it", raising(InputError(*text)), NoReliableBridge)


X = np.arange(6.0).reshape(3, 2)
STATES = {
    "not fitted": raising(NotFittedError("no")),
    "as before": lambda x: x + 1,
    "another map": lambda x: x + 1 + 1e-15 * (x == 0),
    "another width": raising(InputError("transform", "x", "y")),
    "half-fitted": raising(AttributeError("coef_")),
    "another shape": lambda x: x[:, :1] + 1,
}


@pytest.mark.parametrize("before", [None, X + 1], ids=["new", "fitted"])
@pytest.mark.parametrize("state", STATES)
def test_unharmed_is_not_fitted_as_before_or_the_same_map_to_the_bit(state, before):
    estimator = SimpleNamespace(transform=STATES[state])
    if state == ("not fitted" if before is None else "as before"):
        suite._unharmed(METHOD, "NaN", estimator, X, before)
        return
    with pytest.raises(AssertionError, match="some_bridge is left half-fitted by NaN"):
        suite._unharmed(METHOD, "NaN", estimator, X, before)


def test_a_gap_is_relative_to_what_is_large_and_absolute_to_what_is_small():
    assert suite._gap(np.array([1.0, 203.0]), np.array([1.0, 200.0])) == pytest.approx(3 / 200)
    assert suite._gap(np.array([0.1]), np.array([0.3])) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("gaps", "declared", "sound"),
    [
        ([0.0, 1e-9], True, True), ([0.0, 1e-7], True, False),
        ([0.0, 1e-5], False, True), ([0.0, 1e-9], False, False),
    ],
)  # fmt: skip
def test_one_element_that_moves_it_contradicts_a_declared_group_and_proves_any_other(
    gaps, declared, sound
):
    if sound:
        suite._judge(METHOD, "a turn", gaps, declared=declared)
        return
    with pytest.raises(AssertionError, match="though declared" if declared else "yet not declared"):
        suite._judge(METHOD, "a turn", gaps, declared=declared)


def test_estimators_are_made_with_the_quick_parameters_of_their_card():
    made = SimpleNamespace(name="quick", card=METHOD.card, call=lambda **params: params)
    assert suite._new(made) == {"speed": 3}
