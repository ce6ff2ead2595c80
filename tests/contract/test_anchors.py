"""The contract of samplers over every registered one, and proof that it rejects wrong ones."""

import numpy as np
import pytest

from isthmus.core.card import Card, Paper
from isthmus.core.registry import Method, methods
from isthmus.testing import anchors as suite


@pytest.mark.parametrize("method", methods("anchors"), ids=lambda m: m.name)
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(method, check):
    check(method)


def wrong(call, **changes):
    card = {
        "name": "wrong", "summary": "A wrong sampler.", "paper": Paper("None", "Nobody", 2000),
        "invariant": ("affine", "row_scale"), "cost": "n", "memory": "n", "spaces": 1,
    }  # fmt: skip
    return Method("anchors", Card(**(card | changes)), call)


def unseeded(x, count, *, rng=0):
    return np.random.default_rng().permutation(len(x))[:count]


def twice(x, count, *, rng=0):
    return np.zeros(count, np.int64)


def by_length(x, count, *, rng=0):
    return np.argsort(-np.linalg.norm(x, axis=1))[:count]


def first(x, count, *, rng=0):
    return np.arange(count)


def numpy_only(x, count, *, rng=0):
    return np.arange(count) if isinstance(x, np.ndarray) else np.arange(1, count + 1)


WRONG = [
    (suite.check_rows, unseeded, {}),
    (suite.check_rows, twice, {}),
    (suite.check_invariances, by_length, {}),
    (suite.check_invariances, first, {"invariant": ("affine",)}),
    (suite.check_array_kinds, numpy_only, {}),
    (suite.check_refusals, first, {}),
]


@pytest.mark.parametrize(("check", "call", "changes"), WRONG)
def test_contract_rejects(check, call, changes):
    with pytest.raises(AssertionError):
        check(wrong(call, **changes))


def test_every_check_has_a_wrong_sampler():
    assert {check for check, _, _ in WRONG} == set(suite.CHECKS)
