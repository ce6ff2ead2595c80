import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import learner_invariances

X = np.random.default_rng(0).normal(size=(80, 5)) * [1, 2, 3, 0.5, 1] + 0.4
Y = np.tanh(X[:, 0]) + X[:, 1] * X[:, 2]


def affine(x, y, new):
    one, two = (np.column_stack([a, np.ones(len(a))]) for a in (x, new))
    return two @ np.linalg.lstsq(one, y, rcond=None)[0]


def ols(x, y, new):
    return new @ np.linalg.lstsq(x, y, rcond=None)[0]


def ridge(x, y, new):
    return new @ np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ y)


def nearest(x, y, new):
    return y[np.linalg.norm(new[:, None] - x, axis=2).argmin(axis=1)]


def stump(x, y, new):
    """A tree of one split at the median of the column that says most: blind to monotone maps."""
    best = max(range(x.shape[1]), key=lambda j: abs(np.corrcoef(np.argsort(np.argsort(x[:, j])),
                                                               y)[0, 1]))  # fmt: skip
    low = x[:, best] <= np.sort(x[:, best])[len(x) // 2]
    cut = x[low, best].max()
    return np.where(new[:, best] <= cut, y[low].mean(), y[~low].mean())


ALL = {"permutation", "orthogonal", "isotropic_scale", "axis_scale", "translation",
       "invertible_linear", "affine"}  # fmt: skip


@pytest.mark.parametrize(
    ("learner", "tolerated"),
    [
        (affine, ALL),
        (ols, ALL - {"translation", "affine"}),
        (ridge, {"permutation", "orthogonal"}),
        (nearest, {"permutation", "orthogonal", "isotropic_scale", "translation"}),
        (stump, {"permutation", "isotropic_scale", "axis_scale", "translation"}),
    ],
)
def test_known_learners(learner, tolerated):
    score = learner_invariances(learner, X, Y)
    assert set(score.parts["tolerates"]) == tolerated
    assert score.value == len(tolerated) / 7


def test_changes_are_in_units_of_the_spread_of_predictions():
    small = learner_invariances(ridge, X, Y).parts["changes"]
    large = learner_invariances(ridge, X, 1000 * Y).parts["changes"]
    assert small["affine"] == pytest.approx(large["affine"])
    assert small["invertible_linear"] > 1e-3


def test_names_are_compared_as_names():
    names = np.where(Y > 0, "up", "down")
    score = learner_invariances(nearest, X, names)
    assert "translation" in score.parts["tolerates"]
    assert 0 < score.parts["changes"]["axis_scale"] <= 1


def test_bad_learners_and_input():
    draw = np.random.default_rng(0)
    with pytest.raises(InputError, match="Fix its seed"):
        learner_invariances(lambda x, y, new: draw.normal(size=len(new)), X, Y)
    with pytest.raises(InputError, match="all equal"):
        learner_invariances(lambda x, y, new: np.zeros(len(new)), X, Y)
    with pytest.raises(InputError, match="one prediction a row"):
        learner_invariances(lambda x, y, new: new[:3, 0], X, Y)
    with pytest.raises(InputError, match="NaN"):
        learner_invariances(lambda x, y, new: new[:, 0] * np.nan, X, Y)
    with pytest.raises(InputError, match="learner_invariances"):
        learner_invariances(ols, X, Y[1:])
