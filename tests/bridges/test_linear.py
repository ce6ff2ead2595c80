"""What linear bridges share: scikit-learn's ways, and moments."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus.bridges import Affine, Orthogonal
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments


def test_pipelines_and_grid_search_work(turned):
    x, y, _ = turned
    pipeline = make_pipeline(StandardScaler(), Affine())
    assert pipeline.fit(x, y).transform(x).shape == y.shape
    search = GridSearchCV(Affine(), {"alpha": [1e-6, 1e6]}, cv=3).fit(x, y)
    assert search.best_params_ == {"alpha": 1e-6}


def test_names_of_columns(turned):
    x, y, _ = turned
    names = Orthogonal().fit(x, y).get_feature_names_out()
    assert list(names[:2]) == ["orthogonal0", "orthogonal1"]


def test_moments_of_nothing_or_of_one_space_are_refused(turned):
    x, _, _ = turned
    for moments in (Moments(), Moments.of(x)):
        with pytest.raises(InputError, match="two paired spaces"):
            Orthogonal().fit_moments(moments)


def test_inverse_refuses_a_wrong_width(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="6 columns"):
        Orthogonal().fit(x, y).inverse_transform(np.ones((2, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_not_finite_are_named_from_the_product(turned, bad, zero, dtype):
    x, y, _ = turned
    bridge = Orthogonal().fit(x, y)
    if zero:  # where a BLAS may leave an entry out, the rows themselves are looked at
        bridge.coef_[:, 0] = 0
    x = x.astype(dtype)
    for column in range(x.shape[1]):
        spoilt = x.copy()
        spoilt[7, column] = bad
        with pytest.raises(InputError, match="1 of .* rows .first rows: 7"):
            bridge.transform(spoilt)


def test_finite_rows_that_overflow_are_no_error_of_theirs(turned):
    x, y, _ = turned
    bridge = Orthogonal().fit(x, y)
    bridge.coef_ *= 1e200
    with np.errstate(over="ignore"):
        assert np.isinf(bridge.transform(x * 1e150)).any()
