"""What estimators of bridges share: the score by hand, names of columns, tags."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from isthmus.bridges.map import Map
from isthmus.core.errors import InputError


class Stretch(Map, TransformerMixin, BaseEstimator):
    """The first ``width`` columns, times ``factor``."""

    def __init__(self, width=2, factor=1.0):
        self.width = width
        self.factor = factor

    def fit(self, X, y=None, *, pairs=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X[:, : self.width] * self.factor

    @property
    def _n_features_out(self):
        return self.width


def mean_reciprocal_rank(found, truth):
    """Over rows i: how many rows of ``truth`` are nearer than row i, those as near by halves."""
    total = 0.0
    for i, row in enumerate(found):
        cosines = []
        for other in truth:
            size = np.linalg.norm(row) * np.linalg.norm(other)
            cosines.append(row @ other / size if size else 0.0)
        better = sum(c > cosines[i] + 1e-12 for c in cosines)
        tied = sum(abs(c - cosines[i]) <= 1e-12 for c in cosines) - 1
        total += 1 / (1 + better + tied / 2)
    return total / len(found)


def test_the_score_is_the_mean_reciprocal_rank_by_cosine():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    y = x[:, :2] + 0.5 * rng.normal(size=(30, 2))
    y[3] = y[4] = 0
    y[5] = 2 * y[6]
    expected = mean_reciprocal_rank(x[:, :2], y)
    assert 0.2 < expected < 0.8
    for factor in (1.0, 100.0):
        assert Stretch(factor=factor).fit(x, y).score(x, y) == pytest.approx(expected)
    assert Stretch(factor=-1.0).score(x, y) == pytest.approx(mean_reciprocal_rank(-x[:, :2], y))
    assert Stretch().score(x, y.tolist()) == pytest.approx(expected)
    assert isinstance(Stretch().score(x, y), float)
    narrow = Stretch().score(x.astype(np.float32), y.astype(np.float32))
    assert narrow == pytest.approx(mean_reciprocal_rank(x[:, :2].astype(np.float32), y), abs=1e-3)


def test_further_rows_of_the_target_distract():
    x = np.random.default_rng(1).normal(size=(5, 2))
    assert Stretch().score(x, x) == 1
    crowd = np.concatenate([x, x, x])
    assert Stretch().score(x, crowd) == pytest.approx(1 / 2)  # the middle of three equals


def test_one_point_for_all_scores_as_its_middle_rank():
    x = np.ones((9, 2))
    assert Stretch().score(x, np.random.default_rng(2).normal(size=(9, 2))) < 0.5
    assert Stretch().score(x, x) == pytest.approx(1 / 5)
    assert Stretch(factor=0.0).score(x, x) == pytest.approx(1 / 5)
    assert Stretch().score(x[:1], x[:1]) == 1


def test_a_flat_target_is_one_column():
    x = np.array([[1.0, 9.0], [-2.0, 9.0], [3.0, 9.0]])
    truth = np.array([2.0, -1.0, -1.0])
    expected = (1 + 1 / 1.5 + 1 / 2.5) / 3
    assert Stretch(width=1).score(x, truth) == pytest.approx(expected)
    assert Stretch(width=1).score(x, truth[:, None]) == pytest.approx(expected)


def test_scores_of_what_cannot_be_compared_are_refused():
    x = np.ones((3, 4))
    with pytest.raises(InputError, match=r"x \(3, 2\), y \(3, 4\).*equal dims"):
        Stretch().score(x, x)
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="Stretch.score: got y with NaN or infinity in 1 of 3"):
            Stretch().score(x, [[0, 0], [0, bad], [0, 0]])


def test_columns_are_named_after_the_bridge_once_it_is_fitted():
    x = np.ones((3, 4))
    with pytest.raises(NotFittedError):
        Stretch().get_feature_names_out()
    for width in (1, 3):
        names = Stretch(width=width).fit(x).get_feature_names_out(["a", "b", "c", "d"])
        assert names.dtype == object
        assert names.tolist() == [f"stretch{i}" for i in range(width)]
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = Stretch().fit(x).set_output(transform="pandas").transform(x)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["stretch0", "stretch1"]


def test_tags_ask_for_a_target_of_many_columns_and_keep_both_precisions():
    class Alone(TransformerMixin, BaseEstimator):
        pass

    tags, plain = get_tags(Stretch()), get_tags(Alone())
    assert (tags.target_tags.required, tags.target_tags.multi_output) == (True, True)
    assert sorted(tags.transformer_tags.preserves_dtype) == ["float32", "float64"]
    assert not plain.target_tags.required
    assert not plain.target_tags.multi_output
    assert tags.input_tags == plain.input_tags


def test_partners_of_another_number_or_kind():
    x = np.random.default_rng(0).normal(size=(6, 3))
    for y, came in ((x[:4, :2], "6 rows of X for 4 of y"), ([], "shape"), (x[None], "shape")):
        with pytest.raises(InputError, match=came):
            Stretch().score(x, y)
    tensor = torch.tensor(x)
    assert Stretch().score(tensor, tensor[:, :2]) == pytest.approx(Stretch().score(x, x[:, :2]))
    assert Stretch(width=1).score(x, x[:, 0]) == Stretch(width=1).score(x, x[:, :1])
