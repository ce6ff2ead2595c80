"""Confidence in a translation: uniform on rows like the fitted ones, small on strange ones."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.bridges.familiarity import Familiarity
from isthmus.core.errors import InputError


def _space(n, seed, dim=30):
    spread = 1 / np.sqrt(np.arange(1, dim + 1))
    return np.random.default_rng(seed).normal(size=(n, dim)) * spread + 3.0


def test_distance_is_the_mean_to_the_five_nearest_rows():
    rows, new = _space(400, 0) + 1e4, _space(30, 1) + 1e4
    found = Familiarity.of(rows, new)
    assert len(found.rows) == 320  # a fifth was spared
    gaps = np.linalg.norm(new[:, None] - found.rows[None].astype(float), axis=2)
    expected = np.sort(gaps, axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(found.distance(new), expected, rtol=1e-6)


def test_p_values_keep_their_level_on_fresh_rows_and_not_on_strange_ones():
    found = Familiarity.of(_space(3000, 0), _space(1000, 1))
    fresh = found.confidence(_space(5000, 2))
    for level in (0.01, 0.05, 0.2):
        assert abs(np.mean(fresh <= level) - level) < 3 * np.sqrt(level / 1000) + 0.01
    strange = found.confidence(_space(500, 3)[:, ::-1])
    assert np.mean(strange <= 0.05) > 0.5


def test_fitted_rows_would_be_overconfident_so_some_are_spared():
    found = Familiarity.of(_space(300, 0), np.empty((0, 30)))
    assert len(found.distances) == 60
    assert abs(np.mean(found.confidence(_space(4000, 4)) <= 0.2) - 0.2) < 0.15


def test_a_space_on_a_plane_knows_what_is_off_it():
    rows = np.pad(_space(200, 0, dim=2), ((0, 0), (0, 3)))
    found = Familiarity.of(rows, rows[:0])
    off = rows[:5] + np.array([0, 0, 3, 0, 0])
    assert (found.confidence(off) < 0.1).all()
    assert np.isfinite(found.distance(off)).all()


def test_a_bridge_keeps_it_in_its_file(tmp_path):
    x = _space(800, 0)
    bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal")
    again = isthmus.load(bridge.save(tmp_path / "b.isthmus"))
    np.testing.assert_array_equal(again.confidence(x[:9]), bridge.confidence(x[:9]))
    assert bridge.confidence(x + 9 * np.eye(30)[0])[0] < 0.05
    with pytest.raises(InputError, match="confidence"):
        bridge.confidence(x[:, :5])


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_of_a_whole_space_some_rows_are_asked(kind, tmp_path):
    """Spread over it, or the last ones where a row costs as much as its group; NaN is no answer."""
    x = _space(1200, 5)
    x[:300, 0] += 50
    x[900] = x[1199] = np.nan
    path = tmp_path / f"x.{kind}"
    if kind == "npy":
        np.save(path, x)
        asked = np.linspace(0, 1199, 500).astype(int)
    else:
        columns = {"id": pa.array(range(1200)), "vector": pa.array(list(x))}
        pq.write_table(pa.table(columns), path)
        asked = np.arange(700, 1200)
    asked = asked[np.isfinite(x[asked]).all(axis=1)]
    found = Familiarity.of(_space(600, 0), _space(600, 1))
    low, count = found.doubtful(isthmus.open(path))
    assert (low, count) == (int((found.confidence(x[asked]) < 0.05).sum()), len(asked))
    assert low > 125 if kind == "npy" else low < 60
