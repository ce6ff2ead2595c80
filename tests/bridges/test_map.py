"""What estimators of bridges share: the score by hand, names of columns, tags."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from isthmus.bridges import Orthogonal, Unpaired
from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.errors import InputError, NoReliableBridge


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


class Hasty(Stretch):
    """Settles first and looks afterwards."""

    def fit(self, X, y=None, *, pairs=None):
        self.n_features_in_, self.confidence_, self.found_ = X.shape[1], 0.013, object()
        self.factor_ = y
        if isinstance(y, BaseException):
            raise y
        return self

    def fit_moments(self, moments):
        self.factor_ = None
        raise InputError("Hasty.fit_moments", "moments", "none")


@pytest.mark.parametrize("halt", [InputError("a", "b", "c"), ValueError(), KeyboardInterrupt()])
def test_a_fit_that_raises_leaves_nothing_and_takes_nothing(halt):
    new = Hasty(width=3)
    for run in (lambda: new.fit(np.ones((3, 8)), halt), lambda: new.fit_moments(None)):
        with pytest.raises((type(halt), InputError)):
            run()
        assert vars(new) == {"width": 3, "factor": 1.0}
    fitted = Hasty().fit(np.ones((3, 4)), 2.0)
    before = dict(vars(fitted))
    for run in (lambda: fitted.fit(np.ones((3, 8)), halt), lambda: fitted.fit_moments(None)):
        with pytest.raises((type(halt), InputError)):
            run()
        assert vars(fitted) == before
    assert fitted.fit(np.ones((3, 8)), 3.0).factor_ == 3.0


def test_the_guard_shows_in_neither_name_signature_nor_docstring():
    for name in ("fit", "fit_moments"):
        guarded, plain = getattr(Orthogonal, name), getattr(LinearMap, name)
        assert (guarded.__name__, guarded.__doc__) == (plain.__name__, plain.__doc__)
        assert inspect.signature(guarded) == inspect.signature(plain)
    assert not hasattr(Stretch, "fit_moments")


def test_an_unpaired_map_keeps_its_confidence_through_a_refused_refit():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 3))
    bridge = Unpaired().fit(x, x[:, ::-1])
    with pytest.raises(NoReliableBridge):
        bridge.fit(rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), pairs=())
    assert bridge.confidence_ == 1
    np.testing.assert_array_equal(bridge.transform(x), Unpaired().fit(x, x[:, ::-1]).transform(x))
