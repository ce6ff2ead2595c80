import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from isthmus.core.errors import InputError
from isthmus.measures import modality_geometry


def shells(n=40, m=60, gap=1.0, d=4, seed=0):
    rng = np.random.default_rng(seed)
    scale = np.geomspace(1, 0.3, d)
    return rng.normal(size=(n, d)) * scale + gap, rng.normal(size=(m, d)) * scale


def left_out(x, y):
    """Least squares on ±1 with rows weighted to equal sides, refitted without each row."""
    rows = np.column_stack([np.vstack([x, y]), np.ones(len(x) + len(y))])
    sign = np.repeat([1.0, -1.0], [len(x), len(y)])
    root = np.sqrt(np.repeat([0.5 / len(x), 0.5 / len(y)], [len(x), len(y)]))
    right = []
    for i in range(len(rows)):
        keep = np.arange(len(rows)) != i
        fit = np.linalg.lstsq(rows[keep] * root[keep, None], (sign * root)[keep], rcond=None)[0]
        right.append(sign[i] * (rows[i] @ fit) > 0)
    return (np.mean(right[: len(x)]) + np.mean(right[len(x) :])) / 2


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0])
def test_equals_refitting_without_each_row(gap):
    x, y = shells(gap=gap)
    score = modality_geometry(x, y)
    assert score.value == pytest.approx(left_out(x, y), abs=1e-12)
    low, high = score.ci
    assert low < score.value < high or score.value == 1 == high


def test_a_side_is_not_told_from_itself_and_fitting_alone_would_say_so():
    values = [modality_geometry(*shells(15, 15, gap=0.0, d=10, seed=s)).value for s in range(60)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)


def test_parts_are_what_they_say():
    x, y = shells(gap=1.0)
    parts = modality_geometry(x, y).parts
    for name, side in (("x", x), ("y", y)):
        u = side / np.linalg.norm(side, axis=1, keepdims=True)
        cosines = u @ u.T
        np.fill_diagonal(cosines, 0)
        np.testing.assert_allclose(parts[f"conformity_{name}"], cosines.sum(1) / (len(side) - 1))
        mean = side.mean(axis=0)
        np.testing.assert_allclose(parts[f"estimate_{name}"], u @ mean / np.linalg.norm(mean))
        apart = np.linalg.norm(side - mean, axis=1)
        assert parts[f"radius_{name}"] == pytest.approx(apart.mean())
        assert parts[f"thickness_{name}"] == pytest.approx(apart.std() / apart.mean())
        size = np.sqrt(np.mean(np.sum(side**2, axis=1)))
        assert parts[f"offset_{name}"] == pytest.approx(np.linalg.norm(mean) / size)
    assert parts["gap"] == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))
    assert parts["conformity_distance"] == pytest.approx(
        wasserstein_distance(parts["conformity_x"], parts["conformity_y"])
    )


def test_offset_shells_are_separable_whatever_constant_columns():
    x, y = shells(gap=6.0)
    score = modality_geometry(np.pad(x, ((0, 0), (0, 2))), np.pad(y, ((0, 0), (0, 2))))
    assert score.value == 1.0
    assert 0.9 < score.ci[0] < 1
    zero = modality_geometry(np.vstack([x, 0 * x[:1]]), y)
    assert zero.parts["conformity_x"][-1] == 0


def test_bad_input():
    x, y = shells()
    for wrong in (y[:, :3], y[:1]):
        with pytest.raises(InputError, match="modality_geometry: got x"):
            modality_geometry(x, wrong)
    with pytest.raises(InputError, match="any labels could be told apart"):
        modality_geometry(x[:3], y[:3])


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_two_sides_of_one_point_are_refused(value):
    with pytest.raises(InputError, match="rows are all equal"):
        modality_geometry(np.full((9, 3), value), np.full((8, 3), value))
