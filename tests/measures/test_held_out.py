"""What the predictivity measures share: float32 rows say what float64 ones say."""

import numpy as np
import pytest

from isthmus.measures import held_out, linear_probe, pls_r2, ridge_r2
from isthmus.measures.rows import Spread


def spaces(n=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 20)) * np.geomspace(3, 0.3, 20)
    return x, x @ rng.normal(size=(20, 20)) + rng.normal(size=(n, 20))


@pytest.mark.parametrize("size", [1e4, 1e-4])
@pytest.mark.parametrize("measure", [ridge_r2, pls_r2])
def test_columns_beside_a_very_large_one_are_no_rounding(measure, size):
    # As in transformers, a few of whose dimensions are a thousand times the others.
    x, y = spaces()
    x[:, 3] *= size
    wide = measure(x, y).value
    assert wide > 0.5
    assert measure(x.astype("f4"), y.astype("f4")).value == pytest.approx(wide, abs=1e-5)


def test_a_probe_beside_a_very_large_column():
    x, _ = spaces()
    labels = (x[:, 0] + x[:, 1] > 0).astype(int)
    x[:, 3] *= 1e4
    wide = linear_probe(x, labels).value
    assert wide > 0.8
    assert linear_probe(x.astype("f4"), labels).value == pytest.approx(wide, abs=0.01)


def test_a_direction_that_rounding_made_is_not_fitted(monkeypatch):
    x, y = spaces(30)
    x = np.c_[x, x[:, :5] + x[:, 5:10]] + 300  # few rows, far from zero: there it would count
    wide, near = ridge_r2(x, y).value, (x.astype("f4"), y.astype("f4"))
    assert ridge_r2(*near).value == pytest.approx(wide, abs=5e-6)
    monkeypatch.setattr(held_out, "rounding_of", lambda *_: 0.0)
    assert ridge_r2(*near).value != pytest.approx(wide, abs=5e-5)


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_rounding_bounds_what_it_does_to_rows(offset):
    x, y = (side + offset for side in spaces())
    near = x.astype("f4")
    made = np.linalg.norm(x - near, 2) ** 2
    bound = held_out.rounding_of(near, Spread.of(near, y.astype("f4")))
    assert bound / 1000 < made < bound
