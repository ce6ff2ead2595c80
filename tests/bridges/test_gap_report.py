"""Gap report: its distance against the formula, clouds with and without a gap, refusals."""

import json

import numpy as np
import pytest

from isthmus.bridges.gap_report import gap_report
from isthmus.core.errors import InputError
from isthmus.measures.alignment import alignment
from isthmus.measures.uniformity import uniformity


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(300, 6))
    return [shared + 0.3 * rng.normal(size=(300, 6)) for _ in range(2)]


def test_one_cloud_has_no_gap(clouds):
    found = gap_report(*clouds)
    assert found.distance.value < 2 * found.distance.chance
    assert found.separability.value < 0.6


def test_a_shift_opens_one_though_partners_stay_closest(clouds):
    a, b = clouds
    a, moved = a - 2, b + 2
    found = gap_report(a, moved)
    assert found.separability.value > 0.95
    u, v = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, moved))
    expected = np.linalg.norm(u.mean(axis=0) - v.mean(axis=0))
    assert found.distance.value == pytest.approx(expected, abs=1e-12)
    assert found.alignment.value == pytest.approx(alignment(a, moved).value)
    assert found.uniformity_b.value == pytest.approx(uniformity(moved).value)
    assert found.uniformity_b.value > uniformity(b).value  # a shift makes it a cone


def test_chance_is_what_a_random_split_shows():
    rng = np.random.default_rng(1)
    squares, chances = [], []
    for _ in range(100):
        halves = rng.normal(size=(2, 40, 3)) + 1.0
        found = gap_report(*halves)
        squares.append(found.distance.value**2)
        chances.append(found.distance.chance**2)
    assert np.mean(squares) == pytest.approx(np.mean(chances), rel=0.2)


def test_lengths_and_a_common_rotation_change_nothing(clouds):
    a, b = clouds
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    moved = gap_report(a @ turn * rng.uniform(0.1, 9, (300, 1)), b @ turn)
    assert moved.distance.value == pytest.approx(gap_report(a, b).distance.value, abs=1e-12)


def test_prints_and_becomes_json(clouds):
    found = gap_report(*clouds)
    assert [line.split()[0] for line in str(found).splitlines()] == list(found.as_dict())[1:]
    json.dumps(found.as_dict())


def test_refusals(clouds):
    a, b = clouds
    with pytest.raises(InputError, match="equal width"):
        gap_report(a, b[:, :3])
    with pytest.raises(InputError, match="paired by position"):
        gap_report(a, b[:-1])
    with pytest.raises(InputError, match="could be told apart"):
        gap_report(a[:3], b[:3])
