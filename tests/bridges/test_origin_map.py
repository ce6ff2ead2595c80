"""Origin map against its formula, from moments, on edits that another editor repeats."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from isthmus.bridges import OriginMap
from isthmus.bridges.origin_map import ALPHAS
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.neighbors import partner_ranks


@pytest.fixture
def edits():
    """Origins, and two editors that move them along the same few directions by other amounts."""
    rng = np.random.default_rng(0)
    origins = rng.normal(size=(400, 12)) + 1
    style = rng.normal(size=(3, 12))
    first = origins + rng.normal(size=(400, 3)) @ style * 2 + 0.1 * rng.normal(size=(400, 12))
    second = origins + rng.uniform(-6, 6, (400, 3)) @ style + 0.1 * rng.normal(size=(400, 12))
    return origins, first, second


def test_equals_the_formula(edits):
    origins, first, _ = edits
    fitted = OriginMap(alpha=0.3).fit(first, origins)
    moved = (first - origins).T @ (first - origins) / 2
    unit = np.trace(moved) / 12
    root = fractional_matrix_power(moved / unit + 0.3 * np.eye(12), -0.5) * np.sqrt(1.3)
    np.testing.assert_allclose(fitted.coef_, root, atol=1e-9)
    np.testing.assert_allclose(fitted.transform(first), (first - origins.mean(0)) @ root, atol=1e-9)


@pytest.mark.parametrize("pairs", [20, 22, 26, 400])  # halves of fewer pairs than dims, and more
def test_the_penalty_is_the_one_that_serves_the_other_half(edits, pairs):
    origins, first, _ = edits
    first, origins = first[:pairs] + np.linspace(0, 3, 12), origins[:pairs]
    served = []
    for alpha in ALPHAS:
        gained = 0.0
        for one in range(2):
            move = first[one::2] - origins[one::2]
            moved = move.T @ move
            root = fractional_matrix_power(moved / np.trace(moved) * 12 + alpha * np.eye(12), -0.5)
            sides = (side[1 - one :: 2] - origins[one::2].mean(axis=0) for side in (first, origins))
            gained += np.mean(1 / partner_ranks(*(side @ root.real for side in sides)))
        served.append(gained)
    assert len(set(served)) > 2
    assert OriginMap().fit(first, origins).alpha_ == ALPHAS[int(np.argmax(served))]


def test_a_map_fitted_on_one_editor_serves_another(edits):
    origins, first, second = edits
    raw = np.mean(1 / partner_ranks(second, origins))
    fitted = OriginMap().fit(first[:200], origins[:200])
    assert raw < 0.3
    assert fitted.score(second[200:], origins[200:]) > 0.95
    # The wrong way round: what editing moves most is weighted up.
    fitted.coef_ = np.linalg.inv(fitted.coef_)
    assert fitted.score(second[200:], origins[200:]) < 0.3


def test_a_shift_common_to_all_edits_is_undone():
    rng = np.random.default_rng(1)
    origins = rng.normal(size=(200, 5))
    edited = origins + np.array([8.0, 0, 0, 0, 0]) + 0.05 * rng.normal(size=(200, 5))
    fitted = OriginMap(alpha=0.01).fit(edited[:100], origins[:100])
    assert fitted.score(edited[100:], origins[100:]) > 0.9
    assert np.mean(1 / partner_ranks(edited[100:], origins[100:])) < 0.5


def test_large_alpha_leaves_the_space_alone(edits):
    origins, first, _ = edits
    np.testing.assert_allclose(OriginMap(alpha=1e9).fit(first, origins).coef_, np.eye(12),
                               atol=1e-6)  # fmt: skip


def test_edits_alike_in_every_direction_call_for_no_map():
    rng = np.random.default_rng(2)
    origins = rng.normal(size=(2000, 6))
    fitted = OriginMap(alpha=0.01).fit(origins + rng.normal(size=(2000, 6)), origins)
    assert np.abs(fitted.coef_ - np.eye(6)).max() < 0.1


def test_from_moments(edits):
    origins, first, _ = edits
    moments = Moments.of(first[:150], origins[:150]) + Moments.of(first[150:], origins[150:])
    fitted = OriginMap(alpha=0.1).fit_moments(moments)
    np.testing.assert_allclose(fitted.coef_, OriginMap(alpha=0.1).fit(first, origins).coef_,
                               atol=1e-9)  # fmt: skip


def test_saved_loaded_and_turned_back(edits, tmp_path):
    origins, first, _ = edits
    fitted = OriginMap().fit(first, origins)
    again = OriginMap.load(fitted.save(tmp_path / "origin.isthmus"))
    assert again.alpha_ == fitted.alpha_
    np.testing.assert_array_equal(again.transform(first), fitted.transform(first))
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(first)), first, atol=1e-8)


def test_few_pairs_and_constant_columns():
    origins = np.arange(12.0).reshape(4, 3)
    origins[:, 1] = 5
    edited = origins + np.array([[1, 0, 0], [2, 0, 0], [-1, 0, 0], [0, 0, 1]])
    fitted = OriginMap().fit(edited, origins)
    assert fitted.alpha_ == 1
    assert np.isfinite(fitted.transform(edited)).all()


@pytest.mark.parametrize(
    ("params", "sides", "says"),
    [
        ({}, (np.ones((5, 3)), np.ones((5, 2))), "of one space"),
        ({}, (np.eye(3), np.eye(3)), "equal their origins"),
        ({"alpha": 0.0}, (np.eye(3), 2 * np.eye(3)), "alpha=0.0"),
        ({}, (np.full((3, 3), np.nan), np.eye(3)), "NaN"),
        ({}, (np.eye(3)[:1], np.eye(3)[:1]), "minimum of 2"),
    ],
)
def test_refusals(params, sides, says):
    with pytest.raises(InputError, match=says):
        OriginMap(**params).fit(*sides)
