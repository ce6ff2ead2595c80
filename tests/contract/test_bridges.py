"""The bridge contract over every registered bridge, and proof that it rejects wrong ones."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.estimator_checks import parametrize_with_checks

from isthmus.bridges.affine import Affine
from isthmus.bridges.linear import LinearMap
from isthmus.bridges.orthogonal import Orthogonal
from isthmus.core.card import Card, Paper
from isthmus.core.registry import Method, methods
from isthmus.testing import bridges as suite

# What takes something else than two spaces has tests of its own.
BRIDGES = [m for m in methods("bridges") if m.card.spaces]


@pytest.mark.parametrize("method", BRIDGES, ids=lambda m: m.name)
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(method, check):
    check(method)


@parametrize_with_checks([m.call(**dict(m.card.quick)) for m in BRIDGES])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def _method(call, **changes):
    card = {
        "name": "wrong", "summary": "A wrong bridge.", "paper": Paper("None", "Nobody", 2000),
        "invariant": ("orthogonal", "translation"), "equivariant": ("orthogonal", "translation"),
        "cost": "n d^2 + d^3", "memory": "d^2", "streams": True,
    }  # fmt: skip
    card.update(changes)
    call.card = Card(**card)
    return Method("bridges", call.card, call)


class Uncentred(LinearMap, TransformerMixin, BaseEstimator):
    """Procrustes that forgets the source's mean."""

    def solve(self, moments, x, y):
        inner = Orthogonal()
        w, _ = inner.solve(moments, x, y)
        return w, moments.mean_y


class FirstRow(Orthogonal):
    """Centres whatever batch it is given."""

    def transform(self, X):
        return super().transform(X) - super().transform(X[:1])


class Forgetful(Orthogonal):
    """Saves less than it needs."""

    STATE = {k: v for k, v in Orthogonal.STATE.items() if k != "intercept_"}


class Wide(Orthogonal):
    """Always answers in NumPy float64."""

    def transform(self, X):
        return np.asarray(super().transform(X), dtype=np.float64)


class OfLargeColumns(Affine):
    """Takes columns for constant that are small beside the largest, in float32 more of them."""

    def fit(self, X, y):
        spread = X.std(axis=0)
        return super().fit(X * (spread > np.sqrt(np.finfo(X.dtype).eps) * spread.max()), y)


class Constant(Orthogonal):
    """Sends everything to the target's mean."""

    def solve(self, moments, x, y):
        super().solve(moments, x, y)
        return np.zeros((moments.dims[0], moments.dims[1])), moments.mean_y


class FromRows(Orthogonal):
    """Fits from rows something else than from moments."""

    def fit(self, X, y):
        return super().fit(X, 2 * y)


class Tolerant(Orthogonal):
    """Accepts rows that are not finite."""

    def fit(self, X, y):
        return super().fit(*(side[np.isfinite(X[:, 0]) & np.isfinite(y[:, 0])] for side in (X, y)))


class HalfFitted(Uncentred):
    """Has no ``Map`` to put back what it set before it refuses."""

    def fit(self, X, y, *, pairs=None):
        self.intercept_ = np.zeros(1)
        return super().fit(X, y, pairs=pairs)


class Shuffled(Orthogonal):
    """Takes rows by position whatever pairs it is told."""

    def fit(self, X, y, *, pairs=None):
        return super().fit(X, y)


class Quadratic(Orthogonal):
    """Builds the Gram matrix of the rows on the way."""

    def fit(self, X, y):
        gram = X @ X.T
        return super().fit(X, y + 0 * gram[:, : y.shape[1]])


@pytest.mark.parametrize(
    ("check", "wrong", "changes"),
    [
        (suite.check_invariances, Uncentred, {}),
        (suite.check_invariances, Orthogonal, {"invariant": ("orthogonal",)}),
        (suite.check_equivariances, Orthogonal, {"equivariant": ("affine",)}),
        (suite.check_equivariances, Orthogonal, {"equivariant": ("translation",)}),
        (suite.check_batching, FirstRow, {}),
        (suite.check_array_kinds, Wide, {}),
        (suite.check_precision, Wide, {}),
        (suite.check_hard_rows, OfLargeColumns, {}),
        (suite.check_save_load, Forgetful, {}),
        (suite.check_moments, FromRows, {}),
        (suite.check_recovers, Constant, {}),
        (suite.check_cost, Quadratic, {}),
        (suite.check_cost, Orthogonal, {"cost": "n d"}),
        (suite.check_refusals, Tolerant, {}),
        (suite.check_refusals, HalfFitted, {}),
        (suite.check_pairs, HalfFitted, {}),
        (suite.check_pairs, Shuffled, {}),
        (suite.check_pairs, Orthogonal, {"pairs": "none"}),
    ],
)
def test_contract_rejects(check, wrong, changes):
    kept = wrong.card if "card" in vars(wrong) else None
    try:
        with pytest.raises((AssertionError, AttributeError, ValueError)):
            check(_method(wrong, **changes))
    finally:
        if kept is not None:
            wrong.card = kept


def test_every_check_has_a_wrong_method():
    marks = test_contract_rejects.pytestmark[0].args[1]
    assert {entry[0] for entry in marks} == set(suite.CHECKS)
