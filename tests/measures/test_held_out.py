"""What the predictivity measures share: float32 rows say what float64 ones say."""

import numpy as np
import pytest

from isthmus.measures import linear_probe, pls_r2, ridge_r2
from isthmus.measures.held_out import Rounding
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


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_direction_that_rounding_made_is_not_fitted(offset):
    x, y = spaces()
    x = np.c_[x, x[:, 0] + x[:, 1]] + offset
    wide = ridge_r2(x, y).value
    assert ridge_r2(x.astype("f4"), y.astype("f4")).value == pytest.approx(wide, abs=1e-5)


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_rounding_bounds_what_it_does_to_rows(offset):
    x, y = (side + offset for side in spaces())
    near = x.astype("f4"), y.astype("f4")
    bound = Rounding.of(*near, Spread.of(*near))
    for side, rounded, most in zip((x, y), near, bound, strict=True):
        lost = side - rounded
        made = np.linalg.norm(lost, 2) ** 2 if most is bound.x else np.sum(lost**2)
        assert most / 1000 < made < most
